// What every layer asks of its shape at construction; the message names the layer, what was
// expected and what came.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace hopcodec::layers {

inline constexpr int kMostSize = 1 << 20;  // of any one dimension: products with it fit an int64

// Of a push at any layer, in rows and in floats: an int counts them, with room for as many again.
inline constexpr std::int64_t kMostRows = std::int64_t{1} << 30;

inline void expect(bool ok, const char* layer, const char* what, int value) {
  if (ok) return;
  throw std::invalid_argument(std::string(layer) + ": expected " + what + ", got " +
                              std::to_string(value));
}

// `rows` as an int, once a block of so many rows of `channels` is known to be of a countable size.
inline int expect_rows(const char* layer, std::int64_t rows, std::int64_t channels) {
  if (rows < kMostRows && rows * channels < kMostRows) return static_cast<int>(rows);
  throw std::invalid_argument(std::string(layer) +
                              ": expected fewer than 2^30 floats in a push (fewer frames per push "
                              "need less), got " +
                              std::to_string(rows) + " rows of " + std::to_string(channels) +
                              " channels");
}

// `emitted` channels come from the layer before.
inline void expect_channels(const char* layer, int emitted, int channels) {
  if (channels == emitted) return;
  throw std::invalid_argument(std::string(layer) + ": expected " + std::to_string(emitted) +
                              " input channels, as the layer before emits, got " +
                              std::to_string(channels));
}

}  // namespace hopcodec::layers
