// The whole audio path, from callback to callback, is safe for real time: it allocates nothing,
// takes no lock, and makes no system call except to wake the worker. Each detector is first tested
// on a violation.
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "blocking_detector.hpp"
#include "check.hpp"
#include "coders.hpp"
#include "realtime/callback.hpp"
#include "realtime/engine.hpp"
#include "realtime/paced.hpp"

namespace hopcodec::test {
namespace {

using realtime::Coder;
using realtime::Engine;
using realtime::LinkSettings;
using realtime::Port;

constexpr int kRate = 24000;

// A codec on a port, driven block by block.
class Rig {
 public:
  Rig(const LinkSettings& link, int channels)
      : codec_(CodecMaker(Family::kCausal, 5).make({4, 8}, 4, channels)),
        link_(link),
        port_(std::make_shared<Port>(channels, 0.5, true)),
        engine_(port_, {.priority = 0, .lock_memory = false}) {
    realtime::Link& l = port_->block().link;
    l.input_rate_hz = static_cast<std::uint32_t>(link.input_rate_hz);
    l.output_rate_hz = static_cast<std::uint32_t>(link.output_rate_hz);
    l.input_channels = 1;
    l.output_channels = 2;
    engine_.set_coder(coder(), 2);
    input_.assign(4096, 0.1F);
    output_.resize(8192);
  }

  std::unique_ptr<Coder> coder() const { return coder_of(codec_, kRate, /*zero_start=*/true); }

  Engine& engine() { return engine_; }
  std::shared_ptr<Port> port() { return port_; }
  const LinkSettings& link() const { return link_; }

  // Runs `blocks` periods of the device, with the worker after each. Some periods have an event.
  bool run(int blocks) noexcept {
    realtime::Worker& worker = engine_.worker();
    const auto period = static_cast<std::uint64_t>(link_.input_period);
    const auto played = static_cast<std::uint64_t>(link_.output_period);
    std::int64_t now = 1'000'000'000;
    for (int i = 0; i < blocks; ++i) {
      now += link_.input_period * std::int64_t{1'000'000'000} / link_.input_rate_hz;
      port_->block().wake.waiting = 1;  // so that a wake-up is really sent
      realtime::on_block(*port_, input_.data(), nullptr, period, i % 50 == 3 ? 2U : 0U, now);
      realtime::on_block(*port_, nullptr, output_.data(), played, 0, now);
      if (i % 40 < 35) worker.step(now, false);  // otherwise the worker is late and has to catch up
      worker.bypass = i % 30 > 15;
    }
    return worker.stats.hops.load() > 20 && port_->block().playback.conceal_events.load() > 0 &&
           port_->block().playback.discarded_frames.load() > 0;
  }

 private:
  CodecSpec codec_;
  LinkSettings link_;
  std::shared_ptr<Port> port_;
  Engine engine_;
  std::vector<float> input_;
  std::vector<float> output_;
};

LinkSettings link_at(int rate, bool one_clock) {
  LinkSettings link;
  link.input_rate_hz = link.output_rate_hz = rate;
  link.input_period = link.output_period = rate / 75;
  link.one_clock = one_clock;
  return link;
}

// Everything that a link can do, including a switch of the codec.
template <class Watch>
void with_each_rig(Watch watch) {
  for (const int channels : {1, 2}) {
    for (const int rate : {24000, 48000, 44100}) {
      for (const bool one_clock : {true, false}) {
        Rig rig(link_at(rate, one_clock), channels);
        rig.engine().start(rig.link(), /*threaded=*/false);
        rig.engine().set_coder(rig.coder(), 1);
        watch(rig, rate);
        CHECK(rig.engine().worker().stats.switches.load() == 1, rate);
        rig.engine().stop();
      }
    }
  }
}

void check_nothing_is_allocated() {
  with_each_rig([](Rig& rig, int rate) {
    bool ok;
    long events;
    {
      const AllocationCounter counter;
      ok = rig.run(400);
      events = counter.allocations() + counter.frees();
    }
    CHECK(ok, rate);
    CHECK(events == 0, rate, events);
  });
  long seen;
  {
    const AllocationCounter counter;
    const std::vector<int> v(100);
    seen = counter.allocations() + (v.empty() ? 1 : 0);
  }
  CHECK(seen == 1, seen);  // must be noticed
}

void check_no_lock_is_taken() {
  if (!kSeesLocks) return;  // the plain build looks
  std::mutex mutex;
  long seen;
  {
    const LockCounter counter;
    const std::lock_guard lock(mutex);
    seen = counter.locks();
  }
  CHECK(seen == 1, seen);  // must be noticed
  with_each_rig([](Rig& rig, int rate) {
    const LockCounter counter;
    CHECK(rig.run(400), rate);
    CHECK(counter.locks() == 0, rate, counter.locks());
  });
}

void check_the_kernel_is_left_alone() {
  if (!kSeesLocks) return;
  const SystemCalls bitten = watch_system_calls([] {},
                                                [] {
                                                  static_cast<void>(getppid());
                                                  sched_yield();
                                                  return true;
                                                });
  if (!bitten.watched) {
    std::printf("system calls: not watched, this kernel offers no filters (emulated?)\n");
    return;
  }
  CHECK(bitten.ok && bitten.forbidden == 2, bitten.forbidden);  // must be noticed
  for (const int rate : {24000, 44100}) {
    std::unique_ptr<Rig> rig;
    const SystemCalls calls = watch_system_calls(
        [&] {
          rig = std::make_unique<Rig>(link_at(rate, rate == 24000), 1);
          rig->engine().start(rig->link(), /*threaded=*/false);
          rig->engine().set_coder(rig->coder(), 1);
        },
        [&] { return rig->run(400); });
    CHECK(calls.watched && calls.ok, rate);
    CHECK(calls.forbidden == 0, rate, calls.forbidden, calls.first);
  }
}

// The same with real threads, at the pace of the clock.
void check_live_threads_do_not_allocate() {
  if (kSanitized) return;  // a new thread allocates at some time after its start
  Rig rig(link_at(kRate, true), 1);
  rig.engine().start(rig.link(), /*threaded=*/true);
  realtime::PacedSettings settings;
  settings.input.assign(kRate, 0.25F);
  settings.output_frames = kRate;
  settings.output_channels = 2;
  realtime::PacedDevice device(rig.port(), settings);
  device.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  long events;
  {
    const AllocationCounter counter;
    std::this_thread::sleep_for(std::chrono::milliseconds(600));
    events = counter.allocations() + counter.frees();
  }
  device.stop();
  rig.engine().stop();
  CHECK(rig.engine().worker().stats.hops.load() > 20);
  CHECK(events == 0, events);
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  check_nothing_is_allocated();
  check_no_lock_is_taken();
  check_the_kernel_is_left_alone();
  check_live_threads_do_not_allocate();
  return finish();
}
