// A port as bound to Python. Engines and devices share it; it allows one writer and one reader at a
// time.
#pragma once

#include <atomic>
#include <memory>

#include "bindings/arrays.hpp"
#include "realtime/port.hpp"

namespace hopcodec::bindings {

struct BoundPort {
  std::shared_ptr<realtime::Port> port;
  std::atomic<bool> writing{false};
  std::atomic<bool> reading{false};
  std::atomic<bool> monitoring{false};
  std::atomic<int> engines{0};  // engines running on this port
};

// Conversions between interleaved frames and (channels, frames) arrays.
Floats planar(const std::vector<float>& interleaved, int channels, std::uint64_t frames);
std::vector<float> interleaved(const Floats& planar);

}  // namespace hopcodec::bindings
