// Barriers and shared memory of warps, blocks and clusters.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "threads.hpp"

namespace hopcodec::shim {
namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

struct Warp {
  void* shares[kWarp];
  unsigned come;
};

std::vector<std::unique_ptr<std::byte, Free>> shared;  // dynamic, of each block
std::size_t shared_bytes = 0;
std::vector<Warp> warps;  // of all blocks

unsigned warps_of_block() { return (block_threads + kWarp - 1) / kWarp; }

struct Value {
  std::uint32_t value;
  std::uint32_t greatest;
};

void find_greatest(void* const* shares) {
  std::uint32_t greatest = 0;
  for (unsigned i = 0; i < kWarp; ++i) {
    if (shares[i] != nullptr) {
      greatest = std::max(greatest, static_cast<Value*>(shares[i])->value);
    }
  }
  for (unsigned i = 0; i < kWarp; ++i) {
    if (shares[i] != nullptr) static_cast<Value*>(shares[i])->greatest = greatest;
  }
}

}  // namespace

void clear_blocks(unsigned blocks, std::size_t bytes) {
  warps.assign(std::size_t{blocks} * warps_of_block(), Warp{});
  shared.clear();
  shared_bytes = bytes;
  for (unsigned b = 0; b < blocks && bytes > 0; ++b) {
    const std::size_t rounded = (bytes + 127) / 128 * 128;
    shared.emplace_back(static_cast<std::byte*>(std::aligned_alloc(128, rounded)));
    std::memset(shared.back().get(), 0xff, rounded);  // NaN, were it read as a float
  }
}

void barrier() { wait(Wait::kBlock); }

void meet_warp(void* share, void (*together)(void* const* shares)) {
  const Thread& thread = self();
  const unsigned first = thread.index / kWarp * kWarp;
  Warp& warp = warps[thread.rank * warps_of_block() + first / kWarp];
  warp.shares[thread.index % kWarp] = share;
  if (++warp.come < std::min(kWarp, block_threads - first)) return wait(Wait::kWarp);
  together(warp.shares);
  warp = {};
  const std::size_t lane0 = self_number() - thread.index % kWarp;
  for (std::size_t t = lane0; t < lane0 + kWarp && t < threads.size(); ++t) {
    if (threads[t].waits == Wait::kWarp) threads[t].waits = Wait::kOver;
  }
}

std::uint32_t warp_max(std::uint32_t value) {
  Value mine{value, 0};
  meet_warp(&mine, &find_greatest);
  return mine.greatest;
}

void* dynamic_shared() { return shared.at(self().rank).get(); }

void await_previous() { self().awaited = true; }

unsigned cluster_rank() { return self().rank; }

void cluster_arrive() { ++self().arrivals; }

void cluster_wait() { wait(Wait::kCluster); }

void* at_rank(void* mine, unsigned rank) {
  const std::ptrdiff_t offset = static_cast<std::byte*>(mine) - shared.at(self().rank).get();
  if (offset < 0 || static_cast<std::size_t>(offset) >= shared_bytes || rank >= shared.size()) {
    give_up("expected an address in the shared memory of a block of the cluster");
  }
  if (self().passed == 0) give_up("another block's memory is used before that block has begun");
  const auto first = threads.begin() + static_cast<std::ptrdiff_t>(rank * block_threads);
  if (std::all_of(first, first + block_threads, [](const Thread& t) { return t.done; })) {
    give_up("another block's memory is used after that block has ended");
  }
  return shared[rank].get() + offset;
}

void copy_later(void* to, const void* from, std::size_t bytes, bool there) {
  // The alignment that the instruction requires.
  if (reinterpret_cast<std::uintptr_t>(to) % bytes != 0 ||
      reinterpret_cast<std::uintptr_t>(from) % bytes != 0) {
    give_up("a copy into shared memory is not aligned");
  }
  self().copies.push_back({to, there ? from : nullptr, bytes, self().groups});
}

void commit_copies() { ++self().groups; }

void await_copies(int groups_left) {
  Thread& thread = self();
  const auto arrives = [&](const Copy& c) {
    return c.group + static_cast<unsigned>(groups_left) < thread.groups;
  };
  for (const Copy& c : thread.copies) {
    if (!arrives(c)) continue;
    if (c.from == nullptr) {
      std::memset(c.to, 0, c.bytes);
    } else {
      std::memcpy(c.to, c.from, c.bytes);
    }
  }
  std::erase_if(thread.copies, arrives);
}

}  // namespace hopcodec::shim
