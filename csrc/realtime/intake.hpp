// The engine's view of the capture ring. Frames that did not fit in the full ring are read as
// silence at their position, so that every later frame keeps its place in time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "realtime/port.hpp"

namespace hopcodec::realtime {

class Intake {
 public:
  explicit Intake(Port& port) : port_(port) {}

  // Call this while the ring is empty.
  void start() noexcept {
    refused_before_ = port_.block().capture.dropped_frames.load(std::memory_order_relaxed);
    refused_ = missing_ = missing_at_ = missing_taken_ = 0;
  }

  // Checks how many frames were dropped since the last call. They are missing behind the frames
  // that the ring holds now.
  HOPCODEC_REALTIME void look() noexcept {
    const std::uint64_t refused =
        port_.block().capture.dropped_frames.load(std::memory_order_relaxed) - refused_before_;
    if (refused == refused_) return;
    missing_ += refused - refused_;
    missing_at_ = port_.capture().written();
    refused_ = refused;
  }

  HOPCODEC_REALTIME std::uint64_t readable() const noexcept {
    return port_.capture().readable() + missing_;
  }

  // Like Ring::read.
  HOPCODEC_REALTIME std::uint64_t read(float* to, std::uint64_t frames) noexcept {
    Ring& ring = port_.capture();
    if (missing_ == 0) return ring.read(to, frames);
    const std::uint64_t before = std::max(missing_at_, ring.taken()) - ring.taken();
    std::uint64_t got = ring.read(to, std::min(frames, before));
    const auto channels = static_cast<std::uint64_t>(port_.channels());
    if (got == before) {
      const std::uint64_t silent = std::min(frames - got, missing_);
      std::fill_n(to + got * channels, silent * channels, 0.0F);
      missing_ -= silent;
      missing_taken_ += silent;
      got += silent;
    }
    if (got < frames && missing_ == 0) got += ring.read(to + got * channels, frames - got);
    return got;
  }

  // Frames read since the start.
  std::uint64_t taken() const noexcept { return port_.capture().taken() + missing_taken_; }

 private:
  Port& port_;
  std::uint64_t refused_before_ = 0;  // frames dropped before the start
  std::uint64_t refused_ = 0;         // frames dropped since the start, as of the last look()
  std::uint64_t missing_ = 0;         // dropped frames not yet read as silence
  std::uint64_t missing_at_ = 0;      // their position in the ring
  std::uint64_t missing_taken_ = 0;
};

}  // namespace hopcodec::realtime
