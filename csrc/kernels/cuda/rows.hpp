// Kernels that copy rows: states to the scratch before a step and back after it, padding at the
// ends of a stream, and the input and output of a step.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/lane.hpp"

namespace hopcodec::kernels::cuda {

// A part of a stream's state and its position in the scratch during a step.
struct StatePart {
  std::size_t state_at;
  std::size_t scratch_at;
  std::int32_t row_floats;
};

// What a lane copies of one StatePart: `open_rows` from the state to row `open_to` of the buffer
// before the step, and `close_rows` from row `close_from` of the buffer to the state after it.
struct Move {
  std::int32_t open_rows;
  std::int32_t open_to;
  std::int32_t close_rows;
  std::int32_t close_from;
};

struct Moves {
  const StatePart* state_parts;
  std::int32_t count;
  const Move* table;  // (lane, part), or (part) for all lanes if table_step is 0
  std::int32_t table_step;
  const std::int32_t* slots;  // for each lane; -1 for an unused lane
  std::int32_t lanes;
  float* scratch;
  std::size_t scratch_step;
  float* states;
  std::size_t state_floats;
};

// Padding rows of one layer's buffer. Zeros go behind rows that are written later, so one launch
// writes the zeros of all layers. Reflected rows must exist before they are copied.
struct Padding {
  std::int32_t left;         // rows to fill by reflection at the front
  std::int32_t end;          // index behind the last row
  std::int32_t right;        // rows to fill from there on
  std::int32_t reflect;      // 1 for reflection, 0 for zeros
  std::int32_t widest_left;  // the layer's left padding, for pad1d's rule for short inputs
  std::int64_t total;        // rows of the whole stream so far
};

struct Pad {
  std::size_t at;
  std::int32_t row_floats;
  float* scratch;
  std::size_t scratch_step;
  const Padding* table;
  std::int32_t table_step;
  std::int32_t lanes;
};

cudaError_t pad_rows(const Pad& pad, cudaStream_t stream);

// Position of a layer's buffer in the scratch.
struct PadPlace {
  std::size_t at;
  std::int32_t row_floats;
};

struct Zeros {
  const PadPlace* places;
  std::int32_t count;
  float* scratch;
  std::size_t scratch_step;
  const Padding* table;  // (lane, place), or (place) for all lanes if table_step is 0
  std::int32_t table_step;
  std::int32_t lanes;
};

// Writes the right padding of every layer that does not reflect.
cudaError_t pad_zeros(const Zeros& zeros, cudaStream_t stream);

// Copies rows to their readers: rows[begin + t] -> sinks, with `begin` from the lane's part.
struct Feed {
  const float* rows;  // (lane, row, channel)
  std::size_t lane_step;
  std::int32_t channels;
  Sink sink[kMaxSinks];
  std::int32_t sinks;
  Lanes lanes;
};

// The same launch loads states into the scratch of the same lanes.
cudaError_t feed(const Feed& feed, cudaStream_t stream, const Moves& opened = {});

// Gathers the first `floats` of a buffer of each lane at to + lane * lane_step.
struct GatherRows {
  std::size_t at;
  std::size_t floats;  // floats of each lane
  const float* scratch;
  std::size_t scratch_step;
  float* to;
  std::size_t lane_step;
  std::int32_t lanes;
};

// The same launch stores states back.
cudaError_t gather(const GatherRows& gather, cudaStream_t stream, const Moves& closed = {});

}  // namespace hopcodec::kernels::cuda
