#include "realtime/paced.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/memory.hpp"
#include "realtime/callback.hpp"
#include "realtime/clock.hpp"

namespace hopcodec::realtime {
namespace {

void require(bool ok, const char* what, const std::string& expected, std::int64_t got) {
  if (ok) return;
  throw std::invalid_argument(std::string(what) + ": expected " + expected + ", got " +
                              std::to_string(got));
}

void sleep_until(std::int64_t at_ns) noexcept {
#if defined(__linux__)
  const timespec at{at_ns / kSecondNs, at_ns % kSecondNs};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
#else
  std::this_thread::sleep_for(
      std::chrono::nanoseconds(std::max<std::int64_t>(0, at_ns - now_ns())));
#endif
}

}  // namespace

PacedDevice::PacedDevice(std::shared_ptr<Port> port, PacedSettings settings)
    : port_(std::move(port)), settings_(std::move(settings)), frames_(0) {
  const Link& link = port_->block().link;
  const bool captures = !settings_.input.empty();
  const bool plays = settings_.output_frames > 0;
  require(settings_.rate_hz >= 1000 && settings_.rate_hz <= 768000, "rate", "1000 to 768000 Hz",
          settings_.rate_hz);
  require(settings_.block >= 1 && settings_.block <= 65536, "block", "1 to 65536 frames",
          settings_.block);
  require(captures || plays, "device", "an input or an output", 0);
  require(std::fabs(settings_.ppm) <= 1e5, "ppm", "at most 100000 either way",
          static_cast<std::int64_t>(settings_.ppm));
  if (captures) {
    require(link.input_channels == static_cast<std::uint32_t>(settings_.input_channels), "input",
            std::to_string(link.input_channels) + " channels, as the port was opened",
            settings_.input_channels);
  }
  if (plays) {
    require(link.output_channels == static_cast<std::uint32_t>(settings_.output_channels), "output",
            std::to_string(link.output_channels) + " channels, as the port was opened",
            settings_.output_channels);
  }
  const auto block = static_cast<std::uint64_t>(settings_.block);
  const auto channels = static_cast<std::uint64_t>(settings_.input_channels);
  frames_ = base::round_up(
      std::max<std::uint64_t>(settings_.input.size() / channels, settings_.output_frames), block);
  if (captures) settings_.input.resize(frames_ * channels);
  if (plays) output_.resize(frames_ * static_cast<std::uint64_t>(settings_.output_channels));
}

PacedDevice::~PacedDevice() { stop(); }

void PacedDevice::start() {
  const std::lock_guard lock(control_);
  if (thread_.joinable() || done()) {
    throw std::logic_error("device: expected one start(), got another");
  }
  thread_ = std::thread([this] { run(); });
}

void PacedDevice::stop() noexcept {
  stop_.store(true);  // before the lock: whoever joins the thread holds it
  const std::lock_guard lock(control_);
  if (thread_.joinable()) thread_.join();
}

bool PacedDevice::wait(double timeout_s) const noexcept {
  const std::int64_t until = now_ns() + static_cast<std::int64_t>(timeout_s * 1e9);
  while (!done() && now_ns() < until) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  return done();
}

void PacedDevice::run() noexcept {
  const auto block = static_cast<std::uint64_t>(settings_.block);
  const double period_ns =
      static_cast<double>(block) * 1e9 / (settings_.rate_hz * (1.0 + settings_.ppm * 1e-6));
  const auto input_channels = static_cast<std::uint64_t>(settings_.input_channels);
  const auto output_channels = static_cast<std::uint64_t>(settings_.output_channels);
  const std::int64_t began = now_ns();
  for (std::uint64_t at = 0; at < frames_ && !stop_.load(std::memory_order_relaxed); at += block) {
    const double periods = static_cast<double>(at / block) + 1.0;  // a block is complete at its end
    const std::int64_t due = began + static_cast<std::int64_t>(periods * period_ns);
    sleep_until(due);
    const std::int64_t now = now_ns();
    if (static_cast<double>(now - due) > period_ns / 2.0) {
      late_wakes_.fetch_add(1, std::memory_order_relaxed);
    }
    on_block(*port_,
             settings_.input.empty() ? nullptr : settings_.input.data() + at * input_channels,
             output_.empty() ? nullptr : output_.data() + at * output_channels, block, 0, now);
    position_.store(at + block, std::memory_order_release);
  }
  done_.store(true, std::memory_order_release);
}

}  // namespace hopcodec::realtime
