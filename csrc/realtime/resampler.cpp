#include "realtime/resampler.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <stdexcept>
#include <string>

namespace hopcodec::realtime {
namespace {

// 32 zero crossings of the sinc on each side and a Kaiser window with beta 9 (-90 dB): flat up to
// 0.8 of the lower Nyquist frequency, without aliases below it. A longer filter would add delay,
// not quality.
constexpr double kCrossings = 32.0;
constexpr double kBeta = 9.0;
constexpr double kRolloff = 0.92;  // half-power point, relative to the lower Nyquist frequency
constexpr double kPhasesAtFull =
    512;  // linear interpolation between 512 phases: error below -100 dB
constexpr int kFractionBits = 40;
constexpr double kOne = 0x1p40;
constexpr std::uint64_t kFractionMask = (std::uint64_t{1} << kFractionBits) - 1;
constexpr std::uint64_t kSlack = 1024;  // frames between two shifts of the window

double bessel_i0(double x) {
  double sum = 1.0;
  double term = 1.0;
  for (int k = 1; term > sum * 1e-17; ++k) {
    term *= (x / (2.0 * k)) * (x / (2.0 * k));
    sum += term;
  }
  return sum;
}

double sinc(double x) {
  const double y = std::numbers::pi * x;
  return std::fabs(y) < 1e-9 ? 1.0 : std::sin(y) / y;
}

}  // namespace

void Resampler::check_rates(int input_rate_hz, int output_rate_hz) {
  const double ratio = static_cast<double>(input_rate_hz) / output_rate_hz;
  if (input_rate_hz >= 1 && output_rate_hz >= 1 && input_rate_hz <= kHighestRate &&
      output_rate_hz <= kHighestRate && ratio <= kWidest && ratio >= 1.0 / kWidest) {
    return;
  }
  throw std::invalid_argument(
      "resampler: expected rates up to 768000 Hz, at most a factor of 12 apart, got " +
      std::to_string(input_rate_hz) + " and " + std::to_string(output_rate_hz) + " Hz");
}

Resampler::Resampler(int input_rate_hz, int output_rate_hz, int channels)
    : channels_(static_cast<std::uint64_t>(channels)),
      input_rate_(static_cast<std::uint64_t>(input_rate_hz)),
      output_rate_(static_cast<std::uint64_t>(output_rate_hz)),
      nominal_step_(static_cast<double>(input_rate_hz) / output_rate_hz) {
  check_rates(input_rate_hz, output_rate_hz);
  make_filter(kRolloff * std::min(1.0, 1.0 / nominal_step_));
  width_ = taps_ + 2 * kSlack;
  window_.assign(static_cast<std::size_t>(channels_ * width_), 0.0F);
  adjust(0.0);
  reset();
}

void Resampler::make_filter(double cutoff) {
  taps_ = 2 * static_cast<std::uint64_t>(std::ceil(kCrossings / cutoff));
  phases_ = static_cast<std::uint64_t>(std::ceil(kPhasesAtFull * std::max(cutoff, 0.125)));
  filter_.resize(static_cast<std::size_t>((phases_ + 1) * taps_));
  const double half = static_cast<double>(taps_) / 2.0;
  std::vector<double> row(static_cast<std::size_t>(taps_));
  for (std::uint64_t p = 0; p <= phases_; ++p) {
    const double fraction = static_cast<double>(p) / static_cast<double>(phases_);
    double sum = 0.0;
    for (std::uint64_t k = 0; k < taps_; ++k) {
      const double t = static_cast<double>(k) - (half - 1.0) - fraction;
      const double edge = t / half;
      const double window = bessel_i0(kBeta * std::sqrt(std::max(0.0, 1.0 - edge * edge)));
      row[static_cast<std::size_t>(k)] = sinc(cutoff * t) * window;
      sum += row[static_cast<std::size_t>(k)];
    }
    for (std::uint64_t k = 0; k < taps_; ++k) {  // normalise: every phase has unit gain at 0 Hz
      filter_[static_cast<std::size_t>(p * taps_ + k)] =
          static_cast<float>(row[static_cast<std::size_t>(k)] / sum);
    }
  }
}

void Resampler::reset() noexcept {
  std::fill(window_.begin(), window_.end(), 0.0F);
  held_ = taps_ - 1;  // start with silence, so that the first input frame gives the first output
  place_ = rest_ = 0;
}

void Resampler::adjust(double adjustment) noexcept {
  if (adjustment == 0.0) {  // the exact ratio: the remainder of the fixed-point step is accumulated
    const std::uint64_t whole = input_rate_ << kFractionBits;
    step_ = whole / output_rate_;
    step_rest_ = whole % output_rate_;
    return;
  }
  const double bounded = std::clamp(adjustment, -kMostAdjust, kMostAdjust);
  step_ = static_cast<std::uint64_t>(std::llround(nominal_step_ * (1.0 + bounded) * kOne));
  step_rest_ = 0;
}

double Resampler::ahead_frames() const noexcept {
  return static_cast<double>(held_) - static_cast<double>(taps_ - 1) -
         static_cast<double>(place_) / kOne;
}

void Resampler::emit(float* output) const noexcept {
  const std::uint64_t start = place_ >> kFractionBits;
  const double phase =
      static_cast<double>(place_ & kFractionMask) / kOne * static_cast<double>(phases_);
  const auto lower = static_cast<std::uint64_t>(phase);
  const auto between = static_cast<float>(phase - static_cast<double>(lower));
  const float* h0 = filter_.data() + lower * taps_;
  const float* h1 = h0 + taps_;
  for (std::uint64_t c = 0; c < channels_; ++c) {
    const float* x = window_.data() + c * width_ + start;
    float sum[4] = {};  // four independent sums hide the latency of the additions
    for (std::uint64_t k = 0; k + 1 < taps_; k += 2) {
      sum[0] += x[k] * h0[k];
      sum[1] += x[k] * h1[k];
      sum[2] += x[k + 1] * h0[k + 1];
      sum[3] += x[k + 1] * h1[k + 1];
    }
    const float y0 = sum[0] + sum[2];
    output[c] = y0 + between * (sum[1] + sum[3] - y0);
  }
}

Resampler::Moved Resampler::process(const float* input, std::uint64_t frames, float* output,
                                    std::uint64_t room) noexcept {
  Moved moved;
  while (true) {
    while (moved.made < room && (place_ >> kFractionBits) + taps_ <= held_) {
      emit(output + moved.made * channels_);
      place_ += step_;
      rest_ += step_rest_;
      if (rest_ >= output_rate_) {
        rest_ -= output_rate_;
        ++place_;
      }
      ++moved.made;
    }
    if (moved.made == room || moved.used == frames) return moved;
    const std::uint64_t passed = std::min(place_ >> kFractionBits, held_);
    if (passed >= kSlack || held_ == width_) {  // shift out the frames that no later output needs
      for (std::uint64_t c = 0; c < channels_; ++c) {
        float* row = window_.data() + c * width_;
        std::memmove(row, row + passed, static_cast<std::size_t>(held_ - passed) * sizeof(float));
      }
      held_ -= passed;
      place_ -= passed << kFractionBits;
    }
    const std::uint64_t n = std::min(frames - moved.used, width_ - held_);
    for (std::uint64_t c = 0; c < channels_; ++c) {
      float* row = window_.data() + c * width_ + held_;
      const float* from = input + moved.used * channels_ + c;
      for (std::uint64_t i = 0; i < n; ++i) row[i] = from[i * channels_];
    }
    held_ += n;
    moved.used += n;
  }
}

}  // namespace hopcodec::realtime
