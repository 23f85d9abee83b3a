// A device in simulated time, with an engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "realtime/callback.hpp"
#include "realtime/engine.hpp"

namespace hopcodec::test {

using realtime::Coder;
using realtime::Engine;
using realtime::LinkSettings;
using realtime::Port;

inline constexpr int kRate = 24000;

// A duplex device with one channel in simulated time, and an engine that is stepped manually.
class Device {
 public:
  explicit Device(const LinkSettings& link, double ring_s = 2.0)
      : link_(link),
        port_(std::make_shared<Port>(1, ring_s, false)),
        engine_(port_, {.priority = 0, .lock_memory = false}) {
    realtime::Link& l = port_->block().link;
    l.input_rate_hz = static_cast<std::uint32_t>(link.input_rate_hz);
    l.output_rate_hz = static_cast<std::uint32_t>(link.output_rate_hz);
    l.input_channels = l.output_channels = 1;
  }

  Engine& engine() { return engine_; }
  Port& port() { return *port_; }
  const realtime::EngineStats& stats() const { return engine_.worker().stats; }
  std::uint64_t concealed() const { return port_->block().playback.concealed_frames.load(); }
  const std::vector<float>& input() const { return input_; }
  const std::vector<float>& heard() const { return heard_; }

  void start(std::unique_ptr<Coder> coder, int codebooks = 0) {
    engine_.set_coder(std::move(coder), codebooks);
    engine_.start(link_, /*threaded=*/false);
  }

  // One callback. All samples of the input differ.
  void block(bool step = true) {
    std::vector<float> in(static_cast<std::size_t>(link_.input_period));
    for (float& x : in) x = static_cast<float>(++count_ * 1234567 % (1 << 23)) * 0x1p-23F;
    block(in, step);
  }
  void block(const std::vector<float>& in, bool step) {
    std::vector<float> out(in.size());
    now_ += link_.input_period * std::int64_t{1'000'000'000} / link_.input_rate_hz;
    realtime::on_block(*port_, in.data(), out.data(), in.size(), 0, now_);
    input_.insert(input_.end(), in.begin(), in.end());
    heard_.insert(heard_.end(), out.begin(), out.end());
    if (step) engine_.step(now_);
  }
  // The device plays, but loses a block of input.
  void lose_capture() {
    std::vector<float> out(static_cast<std::size_t>(link_.output_period));
    now_ += link_.input_period * std::int64_t{1'000'000'000} / link_.input_rate_hz;
    realtime::on_block(*port_, nullptr, out.data(), out.size(), 0, now_);
    heard_.insert(heard_.end(), out.begin(), out.end());
    engine_.step(now_);
  }

  // The device captures, but does not play.
  void lose_playback() {
    const std::vector<float> in(static_cast<std::size_t>(link_.input_period));
    now_ += link_.input_period * std::int64_t{1'000'000'000} / link_.input_rate_hz;
    realtime::on_block(*port_, in.data(), nullptr, in.size(), 0, now_);
    engine_.step(now_);
  }

  // Counts the frames played since `from` that equal the input `lag` frames earlier.
  std::size_t at_lag(std::size_t from, std::int64_t lag) const {
    std::size_t same = 0;
    for (std::size_t t = from; t < heard_.size(); ++t) {
      const std::int64_t source = static_cast<std::int64_t>(t) - lag;
      if (source >= 0 && heard_[t] == input_[static_cast<std::size_t>(source)]) ++same;
    }
    return same;
  }

 private:
  LinkSettings link_;
  std::shared_ptr<Port> port_;
  Engine engine_;
  std::int64_t count_ = 0;
  std::int64_t now_ = 1'000'000'000'000;
  std::vector<float> input_;
  std::vector<float> heard_;
};

inline LinkSettings native(int period, std::int64_t queue = -1, std::int64_t extra = 0) {
  LinkSettings link;
  link.input_period = link.output_period = period;
  link.queue_frames = queue;
  link.extra_frames = extra;
  return link;
}

}  // namespace hopcodec::test
