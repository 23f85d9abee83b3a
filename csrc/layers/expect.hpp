// Checks that layers make at construction. Each message names the layer, what was expected and what
// it got.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace hopcodec::layers {

inline constexpr int kMostSize = 1 << 20;  // of one dimension, so that products of two fit an int64

// Limit of a push at any layer, in rows and in floats: an int can hold twice as many.
inline constexpr std::int64_t kMostRows = std::int64_t{1} << 30;

inline void expect(bool ok, const char* layer, const char* what, int value) {
  if (ok) return;
  throw std::invalid_argument(std::string(layer) + ": expected " + what + ", got " +
                              std::to_string(value));
}

// Returns `rows` as an int if a block of `rows` x `channels` is below the limit.
inline int expect_rows(const char* layer, std::int64_t rows, std::int64_t channels) {
  if (rows < kMostRows && rows * channels < kMostRows) return static_cast<int>(rows);
  throw std::invalid_argument(std::string(layer) +
                              ": expected fewer than 2^30 floats in a push (fewer frames per push "
                              "need less), got " +
                              std::to_string(rows) + " rows of " + std::to_string(channels) +
                              " channels");
}

// Checks that a layer takes as many channels as the layer before it emits.
inline void expect_channels(const char* layer, int emitted, int channels) {
  if (channels == emitted) return;
  throw std::invalid_argument(std::string(layer) + ": expected " + std::to_string(emitted) +
                              " input channels, as the layer before emits, got " +
                              std::to_string(channels));
}

}  // namespace hopcodec::layers
