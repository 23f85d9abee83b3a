// Tests the engine in simulated time. The latency equals the formula, and one frame less would not
// work. Whatever happens, every frame played is either the input at exactly that latency, or
// concealment.
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include "check.hpp"
#include "coders.hpp"
#include "device.hpp"
#include "random.hpp"
#include "realtime/link.hpp"

namespace hopcodec::test {
namespace {

template <class Error, class F>
void expect_thrown(const char* what, F call) {
  bool thrown = false;
  try {
    call();
  } catch (const Error&) {
    thrown = true;
  }
  CHECK(thrown, std::string(what));
}

void check_the_latency_formula(int period, int hop) {
  const std::int64_t least = period + hop - std::gcd(period, hop);
  const std::int64_t expected = period < hop ? period + hop : least;
  const int blocks = 40 * std::max(period, hop) / period;
  Device device(native(period));
  device.start(pass_through(1, kRate, hop));
  CHECK(device.engine().view().queue_frames == expected, period, hop);
  CHECK(device.engine().view().transparent);
  for (int i = 0; i < blocks; ++i) device.block();
  const auto heard = device.heard().size();
  CHECK(device.concealed() == 0, period, hop);
  CHECK(device.at_lag(static_cast<std::size_t>(expected), expected) ==
            heard - static_cast<std::size_t>(expected),
        period, hop);

  // The smallest queue that never runs dry if the worker finishes before the next callback.
  for (const std::int64_t queue : {least, least - 1}) {
    Device tight(native(period, queue));
    tight.start(pass_through(1, kRate, hop));
    for (int i = 0; i < blocks; ++i) tight.block();
    CHECK((tight.concealed() == 0) == (queue == least), period, hop, queue, tight.concealed());
  }
}

// Blocks that come several at once, in groups of different length, queue as any multiple of them.
void check_groups_of_blocks_lengthen_the_queue() {
  LinkSettings link = native(480);
  CHECK(realtime::least_queue_frames(link, kRate, 320) == 480 + 320 - 160);
  link.block = 240;  // one or two at a time
  CHECK(realtime::least_queue_frames(link, kRate, 320) == 480 + 320 - 80);
  link.block = 481;
  expect_thrown<std::invalid_argument>("block", [&] { realtime::check(link); });
}

// A hop gets what it takes beyond a period, at most a hop, in output frames.
void check_a_long_hop_is_given_time() {
  LinkSettings link = native(64);
  link.input_rate_hz = link.output_rate_hz = 48000;
  const double hop_s = 320.0 / kRate;
  const double period_s = 64.0 / 48000;
  CHECK(realtime::compute_frames(link, hop_s, 0.0) == 0);
  CHECK(realtime::compute_frames(link, hop_s, period_s) == 0);
  CHECK(realtime::compute_frames(link, hop_s, period_s + 0.001) == 48);
  CHECK(realtime::compute_frames(link, hop_s, 1.0) == 640);
}

// The output equals that of the sessions, bit for bit.
void check_the_codec_is_heard(Family family, bool zero_start) {
  const CodecSpec codec = CodecMaker(family, 3).make({4, 8}, 4, 1);
  Device device(native(100));
  device.start(coder_of(codec, kRate, zero_start), 2);
  const auto queue = static_cast<std::size_t>(device.engine().view().queue_frames);
  const auto delay = static_cast<std::size_t>(device.engine().view().delay_samples);
  for (int i = 0; i < 60; ++i) device.block();

  graph::SessionOptions options;
  options.zero_start = zero_start;
  options.max_frames = 4;
  Sessions sessions(codec, options);
  std::vector<std::uint16_t> codes(2 * 4096);
  std::vector<float> expected(device.input().size() + 64 * static_cast<std::size_t>(codec.hop));
  graph::EncodeItem encode{0,
                           device.input().data(),
                           0,
                           static_cast<std::int64_t>(device.input().size()),
                           codes.data(),
                           4096,
                           1,
                           nullptr,
                           0};
  CHECK(sessions.encoder.push(&encode, 1, 2).status == graph::Status::kOk);
  graph::DecodeItem decode{0, codes.data(), 4096, 1, 2, encode.frames, expected.data(), 0, 0};
  CHECK(sessions.decoder.push(&decode, 1).status == graph::Status::kOk);

  // An exact start holds back its first frames; the rest is unchanged.
  std::size_t first = queue + delay + (zero_start ? 0 : 16 * static_cast<std::size_t>(codec.hop));
  std::size_t wrong = 0;
  std::size_t compared = 0;
  for (std::size_t t = first; t < device.heard().size(); ++t) {
    const std::size_t source = t - queue - delay;
    if (static_cast<std::int64_t>(source) >= decode.samples) break;
    ++compared;
    if (device.heard()[t] != expected[source]) ++wrong;
  }
  CHECK(device.concealed() == 0, codec.name);
  CHECK(compared > 3000, codec.name, compared);
  CHECK(wrong == 0, codec.name, zero_start, wrong, delay);
}

// The worker stops at times, for a moment or for longer than the ring lasts. Only what it missed is
// lost, and no frame is ever played at another latency.
void check_any_schedule_keeps_the_latency(int period, int hop, std::uint64_t seed) {
  Random random(seed);
  Device device(native(period, -1, random.coin() ? 0 : 500), 0.05);  // 341 ms at 24 kHz
  device.start(pass_through(1, kRate, hop));
  const std::int64_t lag = device.engine().view().queue_frames;
  const auto calm = static_cast<std::size_t>(kRate / period);
  for (int fit = 0; fit < 30; ++fit) {
    const bool stalled = fit % 10 == 9;
    const int pause = stalled ? kRate / period / 2 : random.below(12);
    for (int i = 0; i < pause; ++i) device.block(/*step=*/!stalled && random.below(4) == 0);
    for (int i = random.below(20); i > 0; --i) device.block();
  }
  const std::size_t from = device.heard().size();
  for (std::size_t i = 0; i < calm; ++i) device.block();
  const std::size_t settled = from + static_cast<std::size_t>(2 * hop + 2 * period + 200);
  CHECK(device.at_lag(settled, lag) == device.heard().size() - settled, period, hop, seed);
  std::size_t astray = 0;
  std::size_t heard = 0;
  std::unordered_map<float, std::size_t> when;
  for (std::size_t t = 0; t < device.input().size(); ++t) when[device.input()[t]] = t;
  for (std::size_t t = 0; t < device.heard().size(); ++t) {
    const auto found = when.find(device.heard()[t]);
    if (found == when.end()) continue;
    ++heard;
    if (static_cast<std::int64_t>(t - found->second) != lag) ++astray;
  }
  CHECK(heard > device.heard().size() / 3, heard);
  // Concealment begins with samples played before; here it stays below 0.5 per cent.
  CHECK(device.concealed() > 0);
  CHECK(astray < device.concealed() +
                     device.stats().dropped_hops * static_cast<std::uint64_t>(hop) +
                     device.port().block().capture.dropped_frames.load(),
        astray, device.concealed());
  CHECK(device.port().block().capture.drop_events.load() > 0);  // the ring was full sometimes
  CHECK(device.stats().dropped_hops > 0);                       // and the backlog was bounded
  CHECK(device.stats().resyncs == 0, device.stats().resyncs.load());
}

void check_a_switch_changes_the_latency_as_it_should() {
  Device device(native(320));
  device.start(pass_through(1, kRate, 320));
  for (int i = 0; i < 20; ++i) device.block();
  for (const int hop : {640, 100, 320, 960, 320}) {
    device.engine().set_coder(pass_through(1, kRate, hop), 0);
    for (int i = 0; i < 20; ++i) device.block();
    const std::size_t from = device.heard().size();
    for (int i = 0; i < 20; ++i) device.block();
    const std::int64_t lag = device.engine().view().queue_frames;
    CHECK(lag == 320 + hop - std::gcd(320, hop) + (hop > 320 ? std::gcd(320, hop) : 0), hop, lag);
    CHECK(device.at_lag(from, lag) == device.heard().size() - from, hop);
    CHECK(device.engine().collect() == 1);  // the old coder was returned
  }
  CHECK(device.stats().switches == 5);
  // Offered twice in a row: the first coder is never used, and neither leaks.
  device.engine().set_coder(pass_through(1, kRate, 640), 0);
  device.engine().set_coder(pass_through(1, kRate, 160), 0);
  for (int i = 0; i < 20; ++i) device.block();
  CHECK(device.engine().view().hop_samples == 160);
  CHECK(device.stats().switches == 6);
  device.engine().set_coder(pass_through(1, 48000, 640), 0);  // from here on with resampling
  for (int i = 0; i < 20; ++i) device.block();
  CHECK(!device.engine().view().transparent);
  CHECK(device.stats().switches == 7);
  CHECK(device.concealed() == 0, device.concealed());
}

// Even a single lost block makes every later hop late, and without a correction the queue would
// never refill.
void check_lost_capture_is_made_good(int blocks) {
  Device device(native(320));
  device.start(pass_through(1, kRate, 320));
  for (int i = 0; i < 20; ++i) device.block();
  for (int i = 0; i < blocks; ++i) device.lose_capture();
  for (int i = 0; i < 100; ++i) device.block();
  CHECK(device.stats().resyncs == 1, device.stats().resyncs.load());
  const std::uint64_t concealed = device.concealed();
  const std::size_t from = device.heard().size();
  for (int i = 0; i < 100; ++i) device.block();
  CHECK(device.concealed() == concealed);
  // Blocks of input are missing, so the same moment is this many blocks earlier in memory.
  CHECK(device.at_lag(from, 320 + blocks * 320) == device.heard().size() - from, blocks);
}

// The cut that corrects the latency waits for audio to cut. It must not be requested again.
void check_too_much_is_cut_once() {
  Device device(native(320));
  device.start(pass_through(1, kRate, 320));
  for (int i = 0; i < 20; ++i) device.block();
  for (int i = 0; i < 45; ++i) device.lose_playback();
  for (int i = 0; i < 200; ++i) device.block();
  const std::uint64_t resyncs = device.stats().resyncs;
  const std::uint64_t concealed = device.concealed();
  CHECK(resyncs <= 1, resyncs);
  for (int i = 0; i < 200; ++i) device.block();
  CHECK(device.stats().resyncs == resyncs);
  CHECK(device.concealed() == concealed);
}

// From then on everything is as if the hop had not existed.
void check_a_refused_hop_costs_itself_alone(Family family, bool zero_start) {
  const CodecSpec codec = CodecMaker(family, 3).make({4, 8}, 4, 1);
  Device device(native(codec.hop));
  Device without(native(codec.hop));
  for (Device* d : {&device, &without}) {
    d->start(coder_of(codec, kRate, zero_start), 1);
    for (int i = 0; i < 30; ++i) d->block();
  }
  device.engine().worker().probe.input_gain = 16.0F;  // beyond the range that a session accepts
  device.block(std::vector<float>(static_cast<std::size_t>(codec.hop), 100.0F), true);
  device.engine().worker().probe.input_gain = 1.0F;
  for (Device* d : {&device, &without}) {
    for (int i = 0; i < 60; ++i) d->block();
  }
  CHECK(device.stats().refused_hops == 1, device.stats().refused_hops.load());
  const auto view = device.engine().view();
  const auto hop = static_cast<std::size_t>(codec.hop);
  std::size_t wrong = 0;
  std::size_t silent = 0;
  for (std::size_t t = 31 * hop + static_cast<std::size_t>(view.queue_frames + view.delay_samples);
       t < device.heard().size(); ++t) {
    if (device.heard()[t] != without.heard()[t - hop]) ++wrong;
    if (device.heard()[t] == 0.0F) ++silent;
  }
  CHECK(wrong == 0, codec.name, zero_start, wrong);
  CHECK(silent < 10 * hop, codec.name, zero_start, silent);
}

// The other process may write any values. They may spoil the audio, but not the memory of this
// process.
void check_corrupted_indices_are_survived() {
  for (const bool captured : {true, false}) {
    Device device(native(320), 0.05);
    device.start(pass_through(1, kRate, 320));
    for (int i = 0; i < 20; ++i) device.block();
    realtime::PortBlock& block = device.port().block();
    (captured ? block.capture_ring : block.playback_ring).written = std::uint64_t{1} << 40;
    block.channels = 64;
    for (int i = 0; i < 100; ++i) device.block();
    CHECK(device.port().channels() == 1);
  }
}

void check_bad_samples_are_silenced() {
  const CodecSpec codec = CodecMaker(Family::kCausal, 3).make({4, 8}, 4, 1);
  Device device(native(96));
  device.start(coder_of(codec, kRate, true), 1);
  std::vector<float> block(96, 0.25F);
  block[5] = std::numeric_limits<float>::quiet_NaN();
  block[6] = std::numeric_limits<float>::infinity();
  block[7] = -1e30F;
  device.block(block, true);
  for (int i = 0; i < 20; ++i) device.block();
  CHECK(device.stats().bad_samples == 3, device.stats().bad_samples.load());
  bool finite = true;
  for (const float x : device.heard()) finite = finite && std::isfinite(x);
  CHECK(finite);
}

void check_bypass() {
  const CodecSpec codec = CodecMaker(Family::kSymmetric, 3).make({4, 8}, 4, 1);
  Device device(native(96));
  device.start(coder_of(codec, kRate, true), 1);
  const auto lag = device.engine().view().queue_frames + device.engine().view().delay_samples;
  CHECK(device.engine().view().delay_samples > 0);  // the input has the codec's delay
  for (int i = 0; i < 50; ++i) device.block();
  device.engine().worker().bypass = true;
  for (int i = 0; i < 50; ++i) device.block();
  const std::size_t from = device.heard().size();
  for (int i = 0; i < 50; ++i) device.block();
  CHECK(device.at_lag(from, lag) == device.heard().size() - from, lag);
  CHECK(device.at_lag(1000, lag) < device.heard().size() - 1500);  // the output was coded before
}

void check_misuse_is_refused() {
  Device device(native(320));
  Engine& engine = device.engine();
  expect_thrown<std::logic_error>("no coder", [&] { engine.start(native(320), false); });
  expect_thrown<std::logic_error>("not started", [&] { engine.step(1); });
  device.start(pass_through(1, kRate, 320));
  expect_thrown<std::logic_error>("twice", [&] { engine.start(native(320), false); });
  const CodecSpec stereo = CodecMaker(Family::kCausal, 3).make({4}, 2, 2);
  expect_thrown<std::invalid_argument>("channels",
                                       [&] { engine.set_coder(coder_of(stereo, kRate, true), 1); });
  const CodecSpec mono = CodecMaker(Family::kCausal, 3).make({4}, 2, 1);
  expect_thrown<std::invalid_argument>("codebooks",
                                       [&] { engine.set_coder(coder_of(mono, kRate, true), 4); });
  expect_thrown<std::invalid_argument>("rate",
                                       [&] { engine.set_coder(pass_through(1, 1000, 20), 0); });
  expect_thrown<std::invalid_argument>("codebooks later", [&] { engine.set_codebooks(1); });
  engine.stop();
  CHECK(!engine.stop());
  for (const int period : {0, -1, 65537}) {
    expect_thrown<std::invalid_argument>("period", [&] { engine.start(native(period), false); });
  }
  LinkSettings two_rates = native(320);
  two_rates.output_rate_hz = 48000;
  expect_thrown<std::invalid_argument>("two rates", [&] { engine.start(two_rates, false); });
  engine.start(native(320), false);  // and it still works
  for (int i = 0; i < 10; ++i) device.block();
  CHECK(device.stats().starts == 2);
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  for (const int hop : {320, 240, 512}) {
    for (const int period : {1, 32, 64, 100, 128, 256, 320, 480, 512, 640, 960, 16384}) {
      check_the_latency_formula(period, hop);
    }
  }
  check_groups_of_blocks_lengthen_the_queue();
  check_a_long_hop_is_given_time();
  for (const Family family : kFamilies) {
    check_the_codec_is_heard(family, true);
    check_the_codec_is_heard(family, false);
    check_a_refused_hop_costs_itself_alone(family, true);
    check_a_refused_hop_costs_itself_alone(family, false);
  }
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    check_any_schedule_keeps_the_latency(320, 320, seed);
    check_any_schedule_keeps_the_latency(64, 320, seed);
    check_any_schedule_keeps_the_latency(480, 320, seed);
  }
  check_a_switch_changes_the_latency_as_it_should();
  for (const int blocks : {1, 2, 3, 10}) check_lost_capture_is_made_good(blocks);
  check_too_much_is_cut_once();
  check_corrupted_indices_are_survived();
  check_bad_samples_are_silenced();
  check_bypass();
  check_misuse_is_refused();
  return finish();
}
