// A few spinning threads that share the tasks of one job at a time. The caller works too and never
// waits for a helper that has taken no task. A helper that is preempted during a task delays the
// job, so use no more threads than there are idle cores.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/realtime.hpp"

namespace hopcodec::layers {

class Pool {
 public:
  typedef HOPCODEC_REALTIME void (*Task)(void* context, int index);

  // `threads` counts the caller. Throws std::invalid_argument unless it is 1 to 256.
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls task(context, i) once for each i in [0, tasks), on any thread and in any order. Returns
  // when all are done. Only one caller at a time.
  HOPCODEC_REALTIME void run(Task task, void* context, int tasks) noexcept;

 private:
  void stop() noexcept;
  void help() noexcept;
  bool take_one() noexcept;

  // The upper 32 bits are the number of the job, the lower 32 bits the tasks not yet taken. They
  // are one word so that a helper that wakes late never runs a task of one job with the context of
  // another.
  std::atomic<std::uint64_t> ticket_{0};
  std::atomic<int> unfinished_{0};
  std::atomic<bool> stop_{false};
  Task task_ = nullptr;
  void* context_ = nullptr;
  std::vector<std::thread> helpers_;
};

}  // namespace hopcodec::layers
