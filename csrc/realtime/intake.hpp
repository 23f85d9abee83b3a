// The capture ring as the engine reads it: frames that the full ring had to refuse are read as
// silence, in their place, so that every later frame keeps its position in time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "realtime/port.hpp"

namespace hopcodec::realtime {

class Intake {
 public:
  explicit Intake(Port& port) : port_(port) {}

  // With an empty ring.
  void start() noexcept {
    refused_before_ = port_.block().capture.dropped_frames.load(std::memory_order_relaxed);
    refused_ = missing_ = missing_at_ = missing_taken_ = 0;
  }

  // Notes what has been refused since the last look: it is missing behind what the ring holds now.
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

  // As Ring::read.
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
  std::uint64_t refused_before_ = 0;  // by the time of the start
  std::uint64_t refused_ = 0;         // since then, as far as seen
  std::uint64_t missing_ = 0;         // of them, those still to be read
  std::uint64_t missing_at_ = 0;      // where in the ring
  std::uint64_t missing_taken_ = 0;
};

}  // namespace hopcodec::realtime
