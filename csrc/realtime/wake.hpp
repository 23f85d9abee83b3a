// Wakes the engine from the audio callback, across processes. Posting never blocks: it makes one
// futex call, and only if a thread waits. On systems without futexes the waiter polls with short
// sleeps.
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

  // The argument for wait(). Read it before looking for work, so that no post is missed.
  std::uint32_t seen() const noexcept { return posts.load(std::memory_order_acquire); }

  // Waits for a post after `seen`, or for about `timeout_ns`. Only one thread may wait.
  void wait(std::uint32_t seen, std::int64_t timeout_ns) noexcept;
};

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 &&
                  std::atomic<std::uint32_t>::is_always_lock_free,
              "a futex is a plain 32-bit word");

}  // namespace hopcodec::realtime
