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
  bool overlaps = false;  // as Lanes::overlaps
};

// Rows of padding to be made in one layer's buffer. Zeros stand behind rows that are still to be
// written, so those of all layers are made at once; what is mirrored must be there first.
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

// Where a layer's buffer stands in the scratch.
struct PadPlace {
  std::size_t at;
  std::int32_t row_floats;
};

struct Zeros {
  const PadPlace* places;
  std::int32_t count;
  float* scratch;
  std::size_t scratch_step;
  const Padding* table;  // (lane, place), or (place) for all lanes when table_step is zero
  std::int32_t table_step;
  std::int32_t lanes;
};

// The right padding of every layer that does not reflect.
cudaError_t pad_zeros(const Zeros& zeros, cudaStream_t stream);

// Rows given to their readers, from row `begin` of the lane's part on: rows[begin + t] -> sinks.
struct Feed {
  const float* rows;  // (lane, row, channel)
  std::size_t lane_step;
  std::int32_t channels;
  Sink sink[kMaxSinks];
  std::int32_t sinks;
  Lanes lanes;
};

// The same launch puts states into the scratch, whose lanes are those of `feed`.
cudaError_t feed(const Feed& feed, cudaStream_t stream, const Moves& opened = {});

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

// The same launch takes states home.
cudaError_t gather(const Gather& gather, cudaStream_t stream, const Moves& closed = {});

}  // namespace hopcodec::kernels::cuda
