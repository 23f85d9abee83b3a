// The streaming contract that every layer obeys.
//
// Audio and features are channels-last rows. A layer takes any number of rows per call and emits
// those it can compute. The rows it still needs are the stream's *state*: history for the next
// window, and rows that wait for a reflection or for look-ahead. Calling run() over any partition
// of a stream, the last call with `last`, emits exactly the rows of a single call with the whole
// stream, bit for bit.
//
// State and scratch are separate. The state of a stream is one contiguous block, so a snapshot is a
// copy of it. Scratch belongs to a tile: up to kTile streams that step together and share each read
// of the weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/memory.hpp"
#include "base/realtime.hpp"
#include "layers/packed.hpp"

namespace hopcodec::layers {

// Limit of the rows of a stream; no product of such a count with a stride overflows.
inline constexpr std::int64_t kLongest = std::int64_t{1} << 40;

inline constexpr int kTile = 16;  // streams per step

// The streams of one step.
struct Tile {
  const Compute& compute;
  int streams;
  float* state[kTile];
  float* scratch[kTile];
  bool last;  // these streams end: pad on the right and emit everything
};

// Size of the pieces that the part of a chain next to the audio processes (see Pieces): as many
// rows as fit in `floats`, a large part of the second-level cache. `least_rows` keeps pieces long
// enough to amortise reading the weights.
struct PieceSize {
  int floats = 96 * 1024;
  int least_rows = 480;
};

// Describes the layers built so far. A chain is built front to back; each layer reads from the plan
// what the layers before it emit, and then adds its own output, state and scratch.
struct Plan {
  base::Layout state;    // of one stream, kept between calls
  base::Layout scratch;  // of one stream of a tile, reusable between calls
  int channels;
  int max_rows;     // upper bound of the rows that one call brings to the next layer
  bool zero_start;  // pad with zeros instead of reflecting, so that output starts at once
  bool whole;       // behind a Gather: a stream comes in one call, with `last`
  int step;         // every call but the last brings a multiple of this many rows
  // For the reported latency, in samples of the session's input or output: one row spans
  // `row_samples`, and the first output row depends on `lookahead_samples` of future input.
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

  // Initialises the state of a new stream. The caller has filled the block with zeros.
  HOPCODEC_REALTIME virtual void reset(float* state) const noexcept = 0;

  // Whether every index in `state` is within bounds. restore() calls it before it accepts a
  // snapshot.
  virtual bool valid(const float* state) const noexcept = 0;

  // Sets inlet[i] to where the caller must write the new rows of stream i for the next run().
  HOPCODEC_REALTIME virtual void open(const Tile& tile, float** inlet) const noexcept = 0;

  // Reads rows[i] rows from each inlet, writes the output to outlet[i], and sets rows[i] to the
  // number of output rows.
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
