#include "realtime/thread.hpp"

#include <pthread.h>
#include <sched.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#if defined(__linux__)
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace hopcodec::realtime {

Scheduling raise_this_thread(int priority) {
  Scheduling result;
  if (priority <= 0) return result;
  sched_param wanted{};
  wanted.sched_priority = priority;
  const int error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &wanted);
  if (error == 0) {
    result.granted = "fifo " + std::to_string(priority);
    return result;
  }
  result.refused = std::string("SCHED_FIFO: ") + std::strerror(error);
#if defined(__linux__)
  constexpr int kNice = -11;
  const auto thread = static_cast<id_t>(syscall(SYS_gettid));
  if (setpriority(PRIO_PROCESS, thread, kNice) == 0) {
    result.granted = "nice " + std::to_string(kNice);
  } else {
    result.refused += std::string("; nice: ") + std::strerror(errno);
  }
#endif
  return result;
}

void prefault_stack() noexcept {
  constexpr std::size_t kBytes = std::size_t{256} << 10;
  volatile char stack[kBytes];
  for (std::size_t at = 0; at < kBytes; at += 4096) stack[at] = 0;
  static_cast<void>(stack[0]);
}

}  // namespace hopcodec::realtime
