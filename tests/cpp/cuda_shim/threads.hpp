// The threads of a cluster's blocks. fibers.cpp runs them, and blocks.cpp makes them wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda_runtime.h"

namespace hopcodec::shim {

inline constexpr unsigned kWarp = 32;

enum class Wait { kNone, kWarp, kBlock, kCluster, kOver };

struct Copy {
  void* to;
  const void* from;  // null for zeros
  std::size_t bytes;
  unsigned group;
};

struct Thread {
  dim3 block;
  unsigned rank = 0;   // index of the block in its cluster
  unsigned index = 0;  // index of the thread in the block
  Wait waits = Wait::kNone;
  bool done = false;
  bool awaited = false;      // the launch ahead of this one
  unsigned arrivals = 0;     // at the cluster's barrier
  unsigned passed = 0;       // cluster barriers waited for
  unsigned groups = 0;       // of copies, closed
  std::vector<Copy> copies;  // begun, and not there yet
};

extern std::vector<Thread> threads;  // of the cluster, block by block
extern unsigned block_threads;

// The current thread, its index in `threads`, and a switch to the other threads until it may
// continue.
Thread& self();
std::size_t self_number();
void wait(Wait what);
[[noreturn]] void give_up(const char* why);

// Prepares the next cluster: fills the dynamic shared memory with NaN and empties the warps.
void clear_blocks(unsigned blocks, std::size_t shared_bytes);

}  // namespace hopcodec::shim
