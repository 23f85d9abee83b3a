// Support for latency measurements over a loopback cable: a signal added to the output, and a gain
// on the input, since the cable closes the loop.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "realtime/ring.hpp"

namespace hopcodec::realtime {

class Probe {
 public:
  explicit Probe(int channels)
      : channels_(static_cast<std::uint64_t>(channels)),
        data_(kFrames * channels_),
        ring_(indices_, data_.data(), kFrames, channels) {}

  std::atomic<float> input_gain{1.0F};

  // Queues output frames and returns how many fitted. Called from one thread, not the worker's.
  std::uint64_t offer(const float* frames, std::uint64_t n) noexcept {
    return ring_.write(frames, n);
  }

  // Adds queued frames to `output` until the queue is empty. Called by the worker.
  HOPCODEC_REALTIME void add(float* output, std::uint64_t frames) noexcept {
    constexpr std::uint64_t kChunkFloats = 512;
    float chunk[kChunkFloats];
    while (frames > 0) {
      const std::uint64_t n = ring_.read(chunk, std::min(frames, kChunkFloats / channels_));
      if (n == 0) return;
      for (std::uint64_t i = 0; i < n * channels_; ++i) output[i] += chunk[i];
      output += n * channels_;
      frames -= n;
    }
  }

 private:
  static constexpr std::uint64_t kFrames = 1 << 17;

  std::uint64_t channels_;
  RingIndices indices_;
  std::vector<float> data_;
  Ring ring_;
};

}  // namespace hopcodec::realtime
