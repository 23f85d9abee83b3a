// Tests what passes from the callback to the engine: frames in order and exactly once, from another
// thread; times that belong to their positions; wake-ups that are never lost.
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "check.hpp"
#include "random.hpp"
#include "realtime/clock.hpp"
#include "realtime/concealment.hpp"
#include "realtime/histogram.hpp"
#include "realtime/port.hpp"

namespace hopcodec::test {
namespace {

using realtime::Concealment;
using realtime::Histogram;
using realtime::Port;
using realtime::Ring;
using realtime::RingIndices;
using realtime::SideClock;
using realtime::Wake;

float sample_of(std::uint64_t frame, int channel) {
  return static_cast<float>(frame % 8000003) + 0.5F * static_cast<float>(channel);
}

// Blocks of every size through a small ring, so that it is often full and often empty.
void check_frames_arrive_in_order(int channels) {
  constexpr std::uint64_t kFrames = 300000;
  RingIndices indices;
  std::vector<float> data(static_cast<std::size_t>(64 * channels));
  Ring ring(indices, data.data(), 64, channels);
  std::thread writer([&] {
    Random random(1);
    std::vector<float> block(static_cast<std::size_t>(100 * channels));
    for (std::uint64_t at = 0; at < kFrames;) {
      const auto n = std::min<std::uint64_t>(kFrames - at, 1 + random.next() % 99);
      for (std::uint64_t i = 0; i < n; ++i) {
        for (int c = 0; c < channels; ++c) {
          block[i * static_cast<std::uint64_t>(channels) + static_cast<std::uint64_t>(c)] =
              sample_of(at + i, c);
        }
      }
      const std::uint64_t wrote = ring.write(block.data(), n);
      at += wrote;
      if (wrote == 0) std::this_thread::yield();
    }
  });
  Random random(2);
  std::vector<float> block(static_cast<std::size_t>(100 * channels));
  bool in_order = true;
  for (std::uint64_t at = 0; at < kFrames;) {
    const std::uint64_t got = ring.read(block.data(), 1 + random.next() % 99);
    for (std::uint64_t i = 0; i < got; ++i) {
      for (int c = 0; c < channels; ++c) {
        in_order =
            in_order &&
            block[i * static_cast<std::uint64_t>(channels) + static_cast<std::uint64_t>(c)] ==
                sample_of(at + i, c);
      }
    }
    at += got;
    if (got == 0) std::this_thread::yield();
  }
  writer.join();
  CHECK(in_order, channels);
  CHECK(ring.readable() == 0);
  CHECK(ring.writable() == 64);
}

void check_corrupted_indices_stay_in_bounds() {
  RingIndices indices;
  float data[8] = {};
  Ring ring(indices, data, 8, 1);
  float out[8];
  for (const std::uint64_t written : {std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    indices.written = written;
    indices.taken = 3;
    CHECK(ring.readable() == 8);
    CHECK(ring.writable() == 0);
    CHECK(ring.write(out, 8) == 0);
    CHECK(ring.read(out, 100) == 8);
  }
}

void check_a_port_cannot_be_cut_short() {
  const Port port(1, 0.05, false);
#if defined(__linux__)
  CHECK(ftruncate(port.fd(), 0) != 0);
#endif
}

void check_a_full_ring_refuses() {
  RingIndices indices;
  float data[8] = {};
  Ring ring(indices, data, 8, 1);
  const float block[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  CHECK(ring.write(block, 5) == 5);
  float out[12] = {};
  CHECK(ring.read(out, 3) == 3);
  CHECK(ring.write(block, 12) == 6);  // across the end of the buffer
  CHECK(ring.write(block, 1) == 0);
  CHECK(ring.fill() == 8);
  CHECK(ring.read(nullptr, 2) == 2);  // discarded
  CHECK(ring.read(out, 12) == 6);
  for (int i = 0; i < 6; ++i) CHECK(out[i] == block[i], i);
  CHECK(ring.write(nullptr, 4) == 4);  // silence
  CHECK(ring.read(out, 4) == 4);
  for (int i = 0; i < 4; ++i) CHECK(out[i] == 0.0F, i);
}

// A reader never gets the time of one block with the position of another.
void check_times_belong_to_positions() {
  constexpr std::uint64_t kBlocks = 200000;
  SideClock clock;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= kBlocks; ++i) {
      clock.set(i * 320, static_cast<std::int64_t>(i) * 1000);
    }
    done = true;
  });
  bool matched = true;
  std::uint64_t last = 0;
  bool monotonic = true;
  while (!done) {
    const SideClock::Reading reading = clock.get();
    if (!reading.whole) continue;  // a writer without pauses, unlike any device
    matched = matched && reading.frames / 320 == static_cast<std::uint64_t>(reading.at_ns) / 1000;
    monotonic = monotonic && reading.frames >= last;
    last = reading.frames;
  }
  writer.join();
  CHECK(matched);
  CHECK(monotonic);
  CHECK(clock.get().whole);
  CHECK(clock.get().frames == kBlocks * 320);
}

// Ping-pong between two threads. Every lost wake-up would cost its time-out.
void check_no_wake_is_lost() {
  constexpr int kRounds = 10000;
  Wake ping;
  Wake pong;
  std::atomic<int> turn{0};
  const auto wait_for = [&turn](Wake& wake, int wanted) {
    int timeouts = 0;
    while (true) {
      const std::uint32_t seen = wake.seen();
      if (turn.load() >= wanted) return timeouts;
      const std::int64_t before = realtime::now_ns();
      wake.wait(seen, 400'000'000);
      if (realtime::now_ns() - before >= 400'000'000 && turn.load() < wanted) ++timeouts;
    }
  };
  int lost = 0;
  std::thread other([&] {
    for (int i = 0; i < kRounds; ++i) {
      wait_for(ping, 2 * i + 1);
      turn = 2 * i + 2;
      pong.post();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    turn = 2 * i + 1;
    ping.post();
    lost += wait_for(pong, 2 * i + 2);
  }
  other.join();
  CHECK(turn == 2 * kRounds);
  CHECK(lost < kRounds / 100, lost);  // the machine may pause, but the protocol may not
}

void check_quantiles() {
  Histogram histogram;
  CHECK(histogram.quantile_ns(0.5) == 0.0);
  for (int us = 1; us <= 10000; ++us) histogram.add(std::int64_t{us} * 1000);
  CHECK(histogram.count() == 10000);
  for (const double q : {0.1, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = q * 1e7;
    CHECK(std::fabs(histogram.quantile_ns(q) / exact - 1.0) < 0.04, q, histogram.quantile_ns(q));
  }
  CHECK(histogram.max_ns() == 1e7);
  CHECK(std::fabs(histogram.mean_ns() - 5000500.0) < 1.0, histogram.mean_ns());
  histogram.add(-5);
  histogram.add(std::int64_t{1} << 60);
  CHECK(histogram.max_ns() == std::ldexp(1.0, 60));
  CHECK(histogram.count() == 10002);
  histogram.reset();
  CHECK(histogram.count() == 0);
  CHECK(histogram.quantile_ns(1.0) == 0.0);
}

// A 200 Hz tone at 24 kHz changes by at most 0.0524 per sample. The start and the end of a gap may
// jump by at most a few times that.
void check_concealment_is_smooth_and_ends() {
  constexpr int kHop = 320;
  constexpr int kLength = 24000;
  Concealment concealment(1);
  std::vector<float> heard(kLength);
  for (int t = 0; t < kLength; ++t) {
    heard[static_cast<std::size_t>(t)] = std::sin(0.0524F * static_cast<float>(t));
  }
  const std::vector<float> original = heard;
  const auto piece = [&](int from, int to, bool arrived) {
    float* at = heard.data() + from;
    const auto n = static_cast<std::uint64_t>(to - from);
    if (arrived) {
      concealment.receive(at, n);
    } else {
      concealment.conceal(at, n, kHop);
    }
  };
  piece(0, 1000, true);
  piece(1000, 1100, false);
  piece(1100, 1320, false);
  piece(1320, 6000, true);
  piece(6000, 6000 + 12 * kHop, false);
  piece(6000 + 12 * kHop, kLength, true);
  float jump = 0.0F;
  for (std::size_t t = 1; t < kLength; ++t)
    jump = std::max(jump, std::fabs(heard[t] - heard[t - 1]));
  CHECK(jump < 0.11F, jump);
  for (std::size_t t = 0; t < 1000; ++t) CHECK(heard[t] == original[t]);
  for (std::size_t t = 1500; t < 6000; ++t) CHECK(heard[t] == original[t]);
  float loudest_early = 0.0F;
  for (std::size_t t = 6000; t < 6000 + kHop; ++t) {
    loudest_early = std::max(loudest_early, std::fabs(heard[t]));
  }
  CHECK(loudest_early > 0.8F, loudest_early);  // the first hop is not silent
  for (std::size_t t = 6000 + 10 * kHop; t < 6000 + 12 * kHop; ++t) CHECK(heard[t] == 0.0F);
  for (std::size_t t = 6000 + 12 * kHop + 200; t < kLength; ++t) CHECK(heard[t] == original[t]);
}

void check_ports_recognise_each_other() {
  Port owner(2, 0.5, true);
  Port child(owner.fd());
  CHECK(child.channels() == 2);
  const float frame[2] = {0.25F, -0.5F};
  CHECK(owner.capture().write(frame, 1) == 1);
  CHECK(child.capture().readable() == 1);
  float got[2] = {};
  CHECK(child.capture().read(got, 1) == 1);
  CHECK(got[0] == frame[0] && got[1] == frame[1]);
  CHECK(owner.capture().readable() == 0);
  CHECK(owner.heard().write(frame, 1) == 1);
  CHECK(child.heard().readable() == 1);
  CHECK(child.playback().readable() == 0);

  int refused = 0;
  for (const auto& attempt : std::vector<void (*)()>{
           [] { const Port port(0, 1.0, false); },
           [] { const Port port(65, 1.0, false); },
           [] { const Port port(1, 0.0, false); },
           [] { const Port port(1, 1e9, false); },
           [] { const Port port(STDIN_FILENO); },
           [] { const Port port(12345); },
       }) {
    try {
      attempt();
    } catch (const std::invalid_argument&) {
      ++refused;
    } catch (const std::system_error&) {
      ++refused;
    }
  }
  CHECK(refused == 6, refused);
  owner.block().version += 1;
  bool thrown = false;
  try {
    const Port other(owner.fd());
  } catch (const std::invalid_argument&) {
    thrown = true;
  }
  CHECK(thrown);
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  check_frames_arrive_in_order(1);
  check_frames_arrive_in_order(3);
  check_corrupted_indices_stay_in_bounds();
  check_a_port_cannot_be_cut_short();
  check_a_full_ring_refuses();
  check_times_belong_to_positions();
  check_no_wake_is_lost();
  check_quantiles();
  check_concealment_is_smooth_and_ends();
  check_ports_recognise_each_other();
  return finish();
}
