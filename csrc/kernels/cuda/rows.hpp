// Rows that move: states into scratch before a step and back after it, padding at a stream's ends,
// samples and codes in and out.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/lane.hpp"

namespace hopcodec::kernels::cuda {

// A piece of a stream's state and where it stands in the scratch during a step.
struct Hold {
  std::size_t state_at;
  std::size_t scratch_at;
  std::int32_t row_floats;
};

// What a lane copies of one Hold: `open_rows` from the state to row `open_to` of the buffer; later
// `close_rows` from row `close_from` of the buffer to the state.
struct Move {
  std::int32_t open_rows;
  std::int32_t open_to;
  std::int32_t close_rows;
  std::int32_t close_from;
};

struct Moves {
  const Hold* holds;
  std::int32_t count;
  const Move* table;  // (lane, hold), or (hold) for all lanes when table_step is zero
  std::int32_t table_step;
  const std::int32_t* slots;  // per lane; -1: nobody sits there
  std::int32_t lanes;
  float* scratch;
  std::size_t scratch_step;
  float* states;
  std::size_t state_floats;
};

cudaError_t open_states(const Moves& moves, cudaStream_t stream);
cudaError_t close_states(const Moves& moves, cudaStream_t stream);

// Rows of padding to be made in one layer's buffer.
struct Padding {
  std::int32_t left;         // rows in front to be filled by reflection; 0: none
  std::int32_t end;          // row behind the last one
  std::int32_t right;        // rows behind it to be filled; 0: none
  std::int32_t reflect;      // by reflection rather than zeros
  std::int32_t widest_left;  // the layer's left padding: the small-input rule asks
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

// A residual block's input, or a chain's, given to its readers: rows[t] -> sinks.
struct Feed {
  const float* rows;  // (lane, row, channel) when `row_step` is channels; staged input
  std::size_t lane_step;
  std::int32_t channels;
  Sink sink[kMaxSinks];
  std::int32_t sinks;
  Lanes lanes;
};

cudaError_t feed(const Feed& feed, cudaStream_t stream);

// The first `rows` of a buffer of each lane, packed for the way home: to + lane * lane_step.
struct Gather {
  std::size_t at;
  std::size_t floats;  // per lane
  const float* scratch;
  std::size_t scratch_step;
  float* to;
  std::size_t lane_step;
  std::int32_t lanes;
};

cudaError_t gather(const Gather& gather, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
