// What is played when the engine is late: the last hop again, mirrored so that the waveform goes on
// without a jump, fading to silence over ten hops; and the cross-fade back when audio returns.
#pragma once

#include <cstdint>
#include <vector>

#include "base/realtime.hpp"

namespace hopcodec::realtime {

class Concealment {
 public:
  explicit Concealment(int channels);

  // Frames are `channels` floats, interleaved.

  // Audio that arrived: remembers it, and blends into it if a concealment was under way.
  HOPCODEC_REALTIME void real(float* frames, std::uint64_t count) noexcept;
  // Nothing arrived: makes up `count` frames from the last `repeat` ones. With none to make up it
  // only begins: what comes next is blended in, which hides a seam.
  HOPCODEC_REALTIME void make_up(float* frames, std::uint64_t count, std::uint32_t repeat) noexcept;
  // True from the first frame made up until the next real one.
  bool active() const { return active_; }
  HOPCODEC_REALTIME void reset() noexcept;

 private:
  static constexpr std::uint64_t kHistory = 8192;  // frames; a power of two
  static constexpr std::uint64_t kLongestRepeat = 4096;
  static constexpr std::uint64_t kBlend = 128;
  static constexpr float kFadeHops = 10.0F;

  // Adds gain * (the made-up frame number `run_`) to `to`, and advances.
  void add_made_up(float* to, float gain) noexcept;

  std::uint64_t channels_;
  std::vector<float> history_;
  std::uint64_t written_ = 0;   // frames ever remembered
  std::uint64_t anchor_ = 0;    // written_ when the concealment began
  std::uint64_t repeat_ = 0;    // frames it repeats
  std::uint64_t run_ = 0;       // frames made up so far
  std::uint64_t blending_ = 0;  // frames of the cross-fade still to come
  bool active_ = false;
};

}  // namespace hopcodec::realtime
