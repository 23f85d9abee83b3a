// Barriers and shared memory of warps and blocks.
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

std::unique_ptr<std::byte, Free> shared;  // dynamic
std::vector<Warp> warps;

}  // namespace

void clear_block(std::size_t bytes) {
  warps.assign((threads.size() + kWarp - 1) / kWarp, Warp{});
  shared.reset();
  if (bytes == 0) return;
  const std::size_t rounded = (bytes + 127) / 128 * 128;
  shared.reset(static_cast<std::byte*>(std::aligned_alloc(128, rounded)));
  std::memset(shared.get(), 0xff, rounded);  // NaN, were it read as a float
}

void barrier() { wait(Wait::kBlock); }

void meet_warp(void* share, void (*together)(void* const* shares)) {
  const unsigned lane = self_index() % kWarp;
  const unsigned first = self_index() - lane;
  const unsigned end = std::min(first + kWarp, static_cast<unsigned>(threads.size()));
  Warp& warp = warps[first / kWarp];
  warp.shares[lane] = share;
  if (++warp.come < end - first) return wait(Wait::kWarp);
  together(warp.shares);
  warp = {};
  for (unsigned t = first; t < end; ++t) {
    if (threads[t].waits == Wait::kWarp) threads[t].waits = Wait::kOver;
  }
}

void* dynamic_shared() { return shared.get(); }

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
