// A simulated device: a thread calls the audio callback at the pace of the clock, with blocks from
// memory. It runs files through the real-time path, and tests use it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "realtime/port.hpp"

namespace hopcodec::realtime {

struct PacedSettings {
  int rate_hz = 24000;
  int block = 320;
  int input_channels = 1;
  int output_channels = 1;
  std::vector<float> input;         // interleaved, followed by silence; empty for no capture
  std::uint64_t output_frames = 0;  // frames of output to record; 0 for no playback
  double ppm = 0.0;                 // deviation of the simulated clock from `rate_hz`
};

class PacedDevice {
 public:
  // The port's link must describe this device. Throws std::invalid_argument.
  PacedDevice(std::shared_ptr<Port> port, PacedSettings settings);
  ~PacedDevice();
  PacedDevice(const PacedDevice&) = delete;
  PacedDevice& operator=(const PacedDevice&) = delete;

  // Any thread may start and stop it.
  void start();
  void stop() noexcept;
  bool done() const noexcept { return done_.load(std::memory_order_acquire); }
  // Waits until the device is done. Returns false after `timeout_s`.
  bool wait(double timeout_s) const noexcept;
  std::uint64_t position() const noexcept { return position_.load(std::memory_order_acquire); }
  // Blocks for which the device's own thread woke more than half a period late.
  std::uint64_t late_wakes() const noexcept { return late_wakes_.load(std::memory_order_relaxed); }
  const PacedSettings& settings() const { return settings_; }
  const std::vector<float>& output() const { return output_; }

 private:
  void run() noexcept;

  std::shared_ptr<Port> port_;
  PacedSettings settings_;
  std::uint64_t frames_;  // a multiple of the block size
  std::vector<float> output_;
  std::atomic<std::uint64_t> position_{0};
  std::atomic<std::uint64_t> late_wakes_{0};
  std::atomic<bool> done_{false};
  std::atomic<bool> stop_{false};
  std::mutex control_;
  std::thread thread_;  // guarded by control_
};

}  // namespace hopcodec::realtime
