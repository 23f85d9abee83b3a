#include "realtime/link.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

namespace hopcodec::realtime {
namespace {

constexpr std::int64_t kRounding = 2;  // frames by which resampling may be early or late

// Converts `frames` to another rate. Returns 0 if the result is not a whole number.
std::int64_t exactly(std::int64_t frames, std::int64_t from_hz, std::int64_t to_hz) {
  return frames * to_hz % from_hz == 0 ? frames * to_hz / from_hz : 0;
}

std::int64_t at_most(double frames) { return static_cast<std::int64_t>(std::ceil(frames - 1e-9)); }

void expect(const char* what, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return;
  throw std::invalid_argument(std::string(what) + ": expected " + std::to_string(least) + " to " +
                              std::to_string(most) + ", got " + std::to_string(value));
}

}  // namespace

std::int64_t framing_samples(const LinkSettings& link, int codec_rate_hz, int hop_samples) {
  const int frames = link.block > 0 ? link.block : link.input_period;
  const std::int64_t block = exactly(frames, link.input_rate_hz, codec_rate_hz);
  if (!link.one_clock || block == 0) return hop_samples;
  return hop_samples - std::gcd(block, std::int64_t{hop_samples});
}

std::int64_t compute_frames(const LinkSettings& link, double hop_s, double compute_s) {
  const double period_s = static_cast<double>(link.input_period) / link.input_rate_hz;
  const double beyond_s = std::clamp(compute_s - period_s, 0.0, hop_s);
  return at_most(beyond_s * link.output_rate_hz);
}

std::int64_t least_queue_frames(const LinkSettings& link, int codec_rate_hz, int hop_samples) {
  const auto in_output = [&](double samples, int rate_hz) {
    return samples * link.output_rate_hz / rate_hz;
  };
  const double hop = in_output(hop_samples, codec_rate_hz);
  const double input_period = in_output(link.input_period, link.input_rate_hz);
  if (!link.one_clock) return at_most(input_period + hop + link.output_period);
  const std::int64_t period = exactly(link.input_period, link.input_rate_hz, codec_rate_hz);
  const bool native = link.input_rate_hz == codec_rate_hz && link.output_rate_hz == codec_rate_hz;
  const std::int64_t rounding = native ? 0 : kRounding;
  if (period == 0) return at_most(input_period + hop) + rounding;
  std::int64_t samples = period + framing_samples(link, codec_rate_hz, hop_samples);
  if (period < hop_samples) samples = period + hop_samples;
  return at_most(in_output(static_cast<double>(samples), codec_rate_hz)) + rounding;
}

void check(const LinkSettings& link) {
  constexpr std::int64_t kMostHz = 768000;
  constexpr std::int64_t kMostFrames = 65536;
  expect("input_rate", link.input_rate_hz, 1000, kMostHz);
  expect("output_rate", link.output_rate_hz, 1000, kMostHz);
  expect("input_period", link.input_period, 1, kMostFrames);
  expect("output_period", link.output_period, 1, kMostFrames);
  expect("block", link.block, 0, link.input_period);
  expect("queue_frames", link.queue_frames, -1, 16 * kMostFrames);
  expect("extra_frames", link.extra_frames, 0, 16 * kMostFrames);
  if (link.one_clock && link.input_rate_hz != link.output_rate_hz) {
    throw std::invalid_argument("one_clock: expected equal rates, got " +
                                std::to_string(link.input_rate_hz) + " and " +
                                std::to_string(link.output_rate_hz) + " Hz");
  }
}

}  // namespace hopcodec::realtime
