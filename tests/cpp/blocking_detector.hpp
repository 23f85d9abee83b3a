// Notices what an audio thread must not do besides allocating: take a lock, or enter the kernel for
// anything but waking somebody. Locks are seen at the door of pthread; system calls by the kernel
// itself, through a seccomp filter, so nothing slips by inside a library.
#pragma once

#include <functional>

#include "allocation_counter.hpp"

namespace hopcodec::test {

// Counts the calling thread's locks while it lives; one at a time.
class LockCounter {
 public:
  LockCounter() noexcept;
  ~LockCounter();
  LockCounter(const LockCounter&) = delete;
  LockCounter& operator=(const LockCounter&) = delete;
  long locks() const noexcept;
};

// A sanitizer's runtime owns the locks and enters the kernel as it likes.
inline constexpr bool kSeesLocks = !kSanitized;

struct SystemCalls {
  bool watched = false;  // false: this kernel has no filters (an emulator, a container)
  long forbidden = 0;
  int first = -1;   // number of the first forbidden one
  bool ok = false;  // what `section` returned
};

// Runs `prepare`, then `section`, in a child process. In `section` every system call but a futex
// wake and reading the clock is forbidden: refused and counted.
SystemCalls watch_system_calls(const std::function<void()>& prepare,
                               const std::function<bool()>& section);

}  // namespace hopcodec::test
