// Detects what an audio thread must not do besides allocating: take a lock, or make a system call
// other than a wake-up. Replaced pthread functions detect locks. A seccomp filter in the kernel
// detects system calls, including those from inside libraries.
#pragma once

#include <functional>

#include "allocation_counter.hpp"

namespace hopcodec::test {

// Counts the calling thread's locks while the object exists; only one may exist.
class LockCounter {
 public:
  LockCounter() noexcept;
  ~LockCounter();
  LockCounter(const LockCounter&) = delete;
  LockCounter& operator=(const LockCounter&) = delete;
  long locks() const noexcept;
};

// The runtime of a sanitizer replaces the locks and makes system calls of its own.
inline constexpr bool kSeesLocks = !kSanitized;

struct SystemCalls {
  bool watched = false;  // false if the kernel has no filters (an emulator, a container)
  long forbidden = 0;
  int first = -1;   // number of the first forbidden call
  bool ok = false;  // result of `section`
};

// Runs `prepare` and then `section` in a child process. In `section` every system call is refused
// and counted, except for futex wakes and clock reads.
SystemCalls watch_system_calls(const std::function<void()>& prepare,
                               const std::function<bool()>& section);

}  // namespace hopcodec::test
