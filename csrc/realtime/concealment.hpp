// Conceals gaps when the engine is late. It repeats the last hop, alternately backwards and
// forwards so that the waveform has no jump, and fades to silence over ten hops. When audio
// returns, it cross-fades back.
#pragma once

#include <cstdint>
#include <vector>

#include "base/realtime.hpp"

namespace hopcodec::realtime {

class Concealment {
 public:
  explicit Concealment(int channels);

  // All frames are `channels` interleaved floats.

  // Takes audio that arrived: remembers it, and cross-fades into it if a gap was being concealed.
  HOPCODEC_REALTIME void receive(float* frames, std::uint64_t count) noexcept;
  // Writes `count` frames of concealment, made from the last `repeat` frames. With count = 0 it
  // only marks a gap, so that the next audio is cross-faded, which hides a seam.
  HOPCODEC_REALTIME void conceal(float* frames, std::uint64_t count, std::uint32_t repeat) noexcept;
  // True from the start of a gap until the next audio arrives.
  bool active() const { return active_; }
  HOPCODEC_REALTIME void reset() noexcept;

 private:
  static constexpr std::uint64_t kHistory = 8192;  // frames; a power of two
  static constexpr std::uint64_t kLongestRepeat = 4096;
  static constexpr std::uint64_t kBlend = 128;
  static constexpr float kFadeHops = 10.0F;

  // Adds gain * (concealment frame number `run_`) to `to`, and advances `run_`.
  void add_concealment(float* to, float gain) noexcept;

  std::uint64_t channels_;
  std::vector<float> history_;
  std::uint64_t written_ = 0;   // frames remembered since the start
  std::uint64_t anchor_ = 0;    // value of written_ when the gap began
  std::uint64_t repeat_ = 0;    // frames that the concealment repeats
  std::uint64_t run_ = 0;       // concealment frames produced in this gap
  std::uint64_t blending_ = 0;  // frames left of the cross-fade
  bool active_ = false;
};

}  // namespace hopcodec::realtime
