#include "realtime/wake.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "realtime/clock.hpp"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace hopcodec::realtime {

// Both sides write and then read, in sequentially consistent order. So either the poster sees
// `waiting`, or the waiter sees the post.

void Wake::post() noexcept {
  posts.fetch_add(1, std::memory_order_seq_cst);
#if defined(__linux__)
  if (waiting.load(std::memory_order_seq_cst) != 0) {
    // Not FUTEX_PRIVATE: the waiter may be another process.
    HOPCODEC_VOUCHED_BEGIN  // the only system call of the callback; FUTEX_WAKE never waits
        syscall(SYS_futex, &posts, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    HOPCODEC_VOUCHED_END
  }
#endif
}

void Wake::wait(std::uint32_t seen, std::int64_t timeout_ns) noexcept {
#if defined(__linux__)
  waiting.store(1, std::memory_order_seq_cst);
  if (posts.load(std::memory_order_seq_cst) == seen) {
    const timespec timeout{timeout_ns / kSecondNs, timeout_ns % kSecondNs};
    syscall(SYS_futex, &posts, FUTEX_WAIT, seen, &timeout, nullptr, 0);
  }
  waiting.store(0, std::memory_order_seq_cst);
#else
  constexpr std::int64_t kNapNs = 500'000;
  const std::int64_t until = now_ns() + timeout_ns;
  while (posts.load(std::memory_order_acquire) == seen && now_ns() < until) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(kNapNs, timeout_ns)));
  }
#endif
}

}  // namespace hopcodec::realtime
