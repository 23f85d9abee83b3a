// What every layer asks of its shape at construction; the message names the layer, what was
// expected and what came.
#pragma once

#include <stdexcept>
#include <string>

namespace hopcodec::layers {

inline constexpr int kMostSize = 1 << 20;  // of any one dimension: products with it fit an int64

inline void expect(bool ok, const char* layer, const char* what, int value) {
  if (ok) return;
  throw std::invalid_argument(std::string(layer) + ": expected " + what + ", got " +
                              std::to_string(value));
}

// `emitted` channels come from the layer before.
inline void expect_channels(const char* layer, int emitted, int channels) {
  if (channels == emitted) return;
  throw std::invalid_argument(std::string(layer) + ": expected " + std::to_string(emitted) +
                              " input channels, as the layer before emits, got " +
                              std::to_string(channels));
}

}  // namespace hopcodec::layers
