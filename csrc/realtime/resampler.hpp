// Converts between sample rates whose ratio may vary: windowed-sinc interpolation with a table of
// filter phases. It interpolates between phases, so any ratio is possible.
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

  // Throws std::invalid_argument if a rate is below 1 Hz or above kHighestRate, or if the ratio
  // exceeds kWidest in either direction.
  static void check_rates(int input_rate_hz, int output_rate_hz);

  // Throws the same exceptions.
  Resampler(int input_rate_hz, int output_rate_hz, int channels);

  // Runs until the input is used up or the output is full. A frame is `channels` floats. At a fixed
  // ratio, n frames of input make ceil(n * output rate / input rate) frames of output in total.
  HOPCODEC_REALTIME Moved process(const float* input, std::uint64_t frames, float* output,
                                  std::uint64_t room) noexcept;

  // From now on uses 1 + `adjustment` times as much input per output. |adjustment| <= kMostAdjust.
  HOPCODEC_REALTIME void adjust(double adjustment) noexcept;

  // Delay of the filter, in input frames.
  double delay_frames() const { return static_cast<double>(taps_) / 2.0; }
  // How far the input taken extends beyond the position of the next output, in input frames.
  // Negative if input is missing.
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
  // Position of the next output in input frames, as a fixed-point number with 24 integer and 40
  // fraction bits. The remainder of one step, in units of 1 / output_rate_ of the last bit, is
  // accumulated in rest_, so that the ratio is exact.
  std::uint64_t step_ = 0;
  std::uint64_t step_rest_ = 0;
  std::uint64_t place_ = 0;
  std::uint64_t rest_ = 0;
  std::vector<float> filter_;  // (phases + 1, taps)
  std::vector<float> window_;  // (channels, 2 * kSlack + taps): a sliding window of the input
  std::uint64_t width_ = 0;
  std::uint64_t held_ = 0;  // frames in the window
};

}  // namespace hopcodec::realtime
