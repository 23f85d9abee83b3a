// The streaming contract that every layer obeys.
//
// Audio and features are channels-last rows. A layer takes any number of rows per call and emits
// what it can; rows it still needs (history for the next window, rows that wait for a reflection
// or a look-ahead) are the stream's *state*. Calling run() over any partition of a stream and
// finishing with `last` emits exactly the rows of a single call with the whole stream, bit for bit.
//
// State and scratch are apart. A stream's state is one contiguous block, so a snapshot is a copy.
// Scratch belongs to a tile: up to kTile streams that step together and share each read of the
// weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/memory.hpp"
#include "base/realtime.hpp"
#include "layers/packed.hpp"

namespace hopcodec::layers {

// Rows of a stream: no product with a stride overflows.
inline constexpr std::int64_t kLongest = std::int64_t{1} << 40;

inline constexpr int kTile = 16;  // streams per step

// The streams of one step.
struct Tile {
  const Compute& compute;
  int streams;
  float* state[kTile];
  float* scratch[kTile];
  bool last;  // end of these streams: pad on the right and emit everything
};

// How long the pieces are that a chain takes near the audio (Pieces): as many rows as `floats`
// holds, a good part of the second-level cache, but not so few that reading the weights shows.
struct PieceSize {
  int floats = 96 * 1024;
  int least_rows = 480;
};

// Grows while a chain is built, front to back: what one layer needs to know of those before it.
struct Plan {
  base::Layout state;    // per stream, kept between calls
  base::Layout scratch;  // per stream of a tile, free between calls
  int channels;
  int max_rows;     // most rows that one call can bring to the next layer
  bool zero_start;  // ignore the model's reflection: pad with zeros, emit at once
  bool whole;       // every stream comes in one call, its last (a Gather stands before)
  int step;         // every call but the last brings a multiple of so many rows
  // For the reported latency, in samples of the graph's input or output: rows span
  // `row_samples`, and the first output of the layer sees `lookahead_samples` ahead.
  double row_samples;
  double lookahead_samples;
  PieceSize piece = {};
};

class Layer {
 public:
  Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
  virtual ~Layer() = default;

  // Makes `state` that of a new stream. The block is zero-filled beforehand.
  HOPCODEC_REALTIME virtual void reset(float* state) const noexcept = 0;

  // Whether every index in `state` is within bounds: asked of a snapshot before it is believed.
  virtual bool valid(const float* state) const noexcept = 0;

  // Says where this call's rows must be written for each stream: inlet[i].
  HOPCODEC_REALTIME virtual void open(const Tile& tile, float** inlet) const noexcept = 0;

  // Takes rows[i] rows at the inlets, writes to outlet[i], sets rows[i] to what was written.
  HOPCODEC_REALTIME virtual void run(const Tile& tile, int* rows,
                                     float* const* outlet) const noexcept = 0;
};

// A typed view of a block inside a stream's state.
template <class T>
T& state_as(float* state, std::size_t at) {
  static_assert(alignof(T) <= base::kAlignBytes);
  return *reinterpret_cast<T*>(state + at);
}

template <class T>
const T& state_as(const float* state, std::size_t at) {
  return *reinterpret_cast<const T*>(state + at);
}

template <class T>
constexpr std::size_t floats_of() {
  return (sizeof(T) + sizeof(float) - 1) / sizeof(float);
}

}  // namespace hopcodec::layers
