// Marks a session as in use. A second thread that enters meanwhile gets ours() == false.
#pragma once

#include <atomic>

namespace hopcodec::graph::cuda {

class Use {
 public:
  explicit Use(std::atomic<bool>& busy) noexcept : busy_(busy), ours_(!busy.exchange(true)) {}
  ~Use() {
    if (ours_) busy_.store(false);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  bool ours() const { return ours_; }

 private:
  std::atomic<bool>& busy_;
  bool ours_;
};

}  // namespace hopcodec::graph::cuda
