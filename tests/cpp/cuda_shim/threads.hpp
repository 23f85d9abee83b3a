// The threads of a block. fibers.cpp runs them, and blocks.cpp makes them wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda_runtime.h"

namespace hopcodec::shim {

inline constexpr unsigned kWarp = 32;

enum class Wait { kNone, kWarp, kBlock, kOver };

struct Copy {
  void* to;
  const void* from;  // null for zeros
  std::size_t bytes;
  unsigned group;
};

struct Thread {
  Wait waits = Wait::kNone;
  bool done = false;
  unsigned groups = 0;       // of copies, closed
  std::vector<Copy> copies;  // begun, and not there yet
};

extern std::vector<Thread> threads;  // of the block

// The current thread, its index in `threads`, and a switch to the other threads until it may
// continue.
Thread& self();
unsigned self_index();
void wait(Wait what);
[[noreturn]] void give_up(const char* why);

// Prepares the next block: fills the dynamic shared memory with NaN and empties the warps.
void clear_block(std::size_t shared_bytes);

}  // namespace hopcodec::shim
