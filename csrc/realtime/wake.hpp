// Wakes the engine from the audio callback, across processes. Posting never blocks: it is one futex
// call, and only if somebody waits. Where there is no futex the waiter polls in short naps.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/realtime.hpp"

namespace hopcodec::realtime {

// In shared memory.
struct Wake {
  std::atomic<std::uint32_t> posts{0};
  std::atomic<std::uint32_t> waiting{0};

  HOPCODEC_REALTIME void post() noexcept;

  // What to hand to wait(): read it before looking for work, so that no post is missed.
  std::uint32_t seen() const noexcept { return posts.load(std::memory_order_acquire); }

  // Until a post after `seen`, or for about `timeout_ns`. One waiter.
  void wait(std::uint32_t seen, std::int64_t timeout_ns) noexcept;
};

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 &&
                  std::atomic<std::uint32_t>::is_always_lock_free,
              "a futex is a plain 32-bit word");

}  // namespace hopcodec::realtime
