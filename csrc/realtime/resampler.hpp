// From one sample rate to another that need not stay what it was: windowed-sinc interpolation, the
// filter tabulated in phases and interpolated between them, so that any ratio will do.
#pragma once

#include <cstdint>
#include <vector>

#include "base/realtime.hpp"

namespace hopcodec::realtime {

class Resampler {
 public:
  struct Moved {
    std::uint64_t used = 0;  // input frames
    std::uint64_t made = 0;  // output frames
  };

  // Hertz. Throws std::invalid_argument for rates below 1 or above kHighestRate, or a ratio beyond
  // kWidest either way.
  static void check_rates(int input_rate_hz, int output_rate_hz);

  // Throws likewise.
  Resampler(int input_rate_hz, int output_rate_hz, int channels);

  // Frames are `channels` floats. Goes on until the input is used up or the output is full. What
  // has been made after n frames of input is ceil(n * output rate / input rate) at a fixed ratio.
  HOPCODEC_REALTIME Moved process(const float* input, std::uint64_t frames, float* output,
                                  std::uint64_t room) noexcept;

  // Takes 1 + `adjustment` times as much input per output from now on. |adjustment| <= kMostAdjust.
  HOPCODEC_REALTIME void adjust(double adjustment) noexcept;

  // How long after its time a sample comes out, in input frames.
  double delay_frames() const { return static_cast<double>(taps_) / 2.0; }
  // Input taken beyond the next output's place, in input frames; negative when some is missing.
  HOPCODEC_REALTIME double ahead_frames() const noexcept;
  HOPCODEC_REALTIME void reset() noexcept;

  static constexpr double kWidest = 12.0;
  static constexpr int kHighestRate = 768000;
  static constexpr double kMostAdjust = 0.01;

 private:
  void make_filter(double cutoff);
  void emit(float* output) const noexcept;

  std::uint64_t channels_;
  std::uint64_t taps_ = 0;
  std::uint64_t phases_ = 0;
  std::uint64_t input_rate_;
  std::uint64_t output_rate_;
  double nominal_step_;  // input frames per output frame
  // Position of the next output, in input frames: 24 bits and 40 of fraction. What one step lacks
  // to the exact ratio, in 1 / output_rate_ of the last bit, adds up in rest_.
  std::uint64_t step_ = 0;
  std::uint64_t step_rest_ = 0;
  std::uint64_t place_ = 0;
  std::uint64_t rest_ = 0;
  std::vector<float> filter_;  // (phases + 1, taps)
  std::vector<float> window_;  // (channels, 2 * kSlack + taps): the samples within reach, sliding
  std::uint64_t width_ = 0;
  std::uint64_t held_ = 0;  // frames in the window
};

}  // namespace hopcodec::realtime
