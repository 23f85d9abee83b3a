// Properties of the resampler: the number of output frames, the same bits for any partition, the
// stated delay, its pass band and its stop band.
#include <cmath>
#include <numbers>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "random.hpp"
#include "realtime/resampler.hpp"

namespace hopcodec::test {
namespace {

using realtime::Resampler;

std::vector<float> in_pieces(Resampler& resampler, const std::vector<float>& input, int channels,
                             Random* random) {
  std::vector<float> output(input.size() * 13 + 64);
  const auto width = static_cast<std::uint64_t>(channels);
  const std::uint64_t frames = input.size() / width;
  std::uint64_t made = 0;
  for (std::uint64_t at = 0; at < frames;) {
    const std::uint64_t piece =
        random == nullptr ? frames : std::min<std::uint64_t>(frames - at, random->next() % 700);
    const std::uint64_t room = output.size() / width - made;
    const auto moved = resampler.process(
        input.data() + at * width, piece, output.data() + made * width,
        random == nullptr ? room : std::min<std::uint64_t>(room, 1 + random->next() % 900));
    at += moved.used;
    made += moved.made;
  }
  made += resampler.process(nullptr, 0, output.data() + made * width, output.size() / width - made)
              .made;
  output.resize(made * width);
  return output;
}

std::vector<float> tone(double cycles_per_frame, std::size_t frames) {
  std::vector<float> x(frames);
  for (std::size_t t = 0; t < frames; ++t) {
    x[t] = static_cast<float>(
        0.5 * std::sin(2.0 * std::numbers::pi * cycles_per_frame * static_cast<double>(t)));
  }
  return x;
}

void check_counts_and_pieces(int from, int to, int channels) {
  Random random(static_cast<std::uint64_t>(from * 7 + to));
  const std::vector<float> input = random.uniform(static_cast<std::size_t>(5000 * channels), 0.9F);
  Resampler whole(from, to, channels);
  Resampler pieces(from, to, channels);
  const std::vector<float> expected = in_pieces(whole, input, channels, nullptr);
  CHECK(in_pieces(pieces, input, channels, &random) == expected, from, to);
  const std::size_t count = expected.size() / static_cast<std::size_t>(channels);
  CHECK(count == static_cast<std::size_t>((std::int64_t{5000} * to + from - 1) / from), from, to,
        count);
  pieces.reset();
  CHECK(in_pieces(pieces, input, channels, &random) == expected, from, to);
}

// The phase of a slow tone gives the delay, and its amplitude the gain.
void check_delay_and_gain(int from, int to) {
  const double hz = 50.0;
  Resampler resampler(from, to, 1);
  const std::vector<float> y =
      in_pieces(resampler, tone(hz / from, static_cast<std::size_t>(from)), 1, nullptr);
  double re = 0.0;
  double im = 0.0;
  const std::size_t first = y.size() / 10;
  const auto count = static_cast<std::size_t>(std::lround(to / hz * 25));  // whole cycles
  for (std::size_t t = first; t < first + count; ++t) {
    const double angle = 2.0 * std::numbers::pi * hz * static_cast<double>(t) / to;
    re += static_cast<double>(y[t]) * std::sin(angle);
    im += static_cast<double>(y[t]) * std::cos(angle);
  }
  const double gain = 4.0 * std::hypot(re, im) / static_cast<double>(count);
  const double delay_s = std::atan2(-im, re) / (2.0 * std::numbers::pi * hz);
  CHECK(std::fabs(gain - 1.0) < 1e-4, from, to, gain);
  CHECK(std::fabs(delay_s * from - resampler.delay_frames()) < 0.01, from, to, delay_s * from,
        resampler.delay_frames());
}

// A constant is preserved, up to the last bits of a sum of a hundred products.
void check_a_constant(int from, int to) {
  Resampler resampler(from, to, 1);
  const std::vector<float> y = in_pieces(resampler, std::vector<float>(4000, 0.5F), 1, nullptr);
  float worst = 0.0F;
  for (std::size_t t = y.size() / 2; t < y.size(); ++t) {
    worst = std::max(worst, std::fabs(y[t] - 0.5F));
  }
  CHECK(worst < 1e-6F, from, to, worst);
}

void check_adjusting() {
  const std::vector<float> input(24000, 0.25F);
  for (const double adjustment : {-0.004, -0.001, 0.0, 0.001, 0.004}) {
    Resampler resampler(24000, 24000, 1);
    resampler.adjust(adjustment);
    const double expected = 24000.0 / (1.0 + adjustment);
    const auto count = static_cast<double>(in_pieces(resampler, input, 1, nullptr).size());
    CHECK(std::fabs(count - expected) <= 1.0, adjustment, count);
  }
}

void check_rates_too_far_apart() {
  for (const auto& [from, to] : std::vector<std::pair<int, int>>{
           {1000, 12001}, {12001, 1000}, {0, 100}, {100, 0}, {-5, 5}}) {
    bool thrown = false;
    try {
      const Resampler resampler(from, to, 1);
    } catch (const std::invalid_argument&) {
      thrown = true;
    }
    CHECK(thrown, from, to);
  }
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  const std::pair<int, int> rates[] = {{24000, 24000}, {48000, 24000}, {24000, 48000},
                                       {44100, 24000}, {24000, 44100}, {16000, 24000},
                                       {8000, 24000},  {24000, 8000},  {96000, 24000}};
  for (const auto& [from, to] : rates) {
    check_counts_and_pieces(from, to, 1);
    check_counts_and_pieces(from, to, 2);
    check_delay_and_gain(from, to);
    check_a_constant(from, to);
  }
  check_adjusting();
  check_rates_too_far_apart();
  return finish();
}
