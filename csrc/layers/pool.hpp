// A few spinning threads that split one matrix product at a time. The caller works too and never
// waits for a helper that has not taken a task; one that is preempted in the middle of a task holds
// everybody up, so ask for no more threads than there are idle cores.
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

  // `threads` in all, the caller included. Throws std::invalid_argument below 1 or above 256.
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(helpers_.size()) + 1; }

  // Calls task(context, i) once for each i in [0, tasks), on any of the threads, in any order;
  // returns when all are done. One caller at a time.
  HOPCODEC_REALTIME void run(Task task, void* context, int tasks) noexcept;

 private:
  void stop() noexcept;
  void help() noexcept;
  bool take_one() noexcept;

  // High half: number of the job; low half: tasks not yet taken. One word, so that a helper which
  // wakes late can never take a task of one job and run it with the context of another.
  std::atomic<std::uint64_t> ticket_{0};
  std::atomic<int> unfinished_{0};
  std::atomic<bool> stop_{false};
  Task task_ = nullptr;
  void* context_ = nullptr;
  std::vector<std::thread> helpers_;
};

}  // namespace hopcodec::layers
