// Parameters common to all kernels of a step: its lanes, what each lane does, and where results go.
//
// A lane is the slot of one stream in a step. Its *scratch* is one block of floats. In it, a
// layer's input buffer holds [history | new rows], channels last, so that a window is contiguous,
// as on the CPU. Producers write their results, after the activation, directly behind the
// consumer's history.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hopcodec::kernels::cuda {

enum class Pointwise : std::int32_t { kNone, kElu, kSnake, kTanh };

struct Activation {
  Pointwise kind;
  const float* alpha;          // per channel, for Snake
  const float* inverse_alpha;  // 1 / (alpha + 1e-9)
};

// A consumer's buffer in the scratch.
struct Sink {
  std::size_t at;
  Activation activation;
};
inline constexpr int kMaxSinks = 2;  // a residual block has two readers

// What one lane does in one operation of a step. It depends only on how many rows the stream has
// brought (graph/cuda/passage.hpp), never on other lanes.
struct Part {
  std::int32_t rows;           // windows to compute
  std::int32_t begin;          // first window, in rows of the source buffer
  std::int32_t skip;           // rows trimmed at the start of the result
  std::int32_t emit;           // rows of the result that are emitted
  std::int32_t to[kMaxSinks];  // row of each sink where they begin
  std::int32_t add;            // row where the rows to be added begin
};

// The lanes of a launch. `table` has one Part per lane, `table_step` apart. Without a table every
// lane follows `fixed`, and the kernel reads nothing to know it.
struct Lanes {
  float* scratch;
  std::size_t scratch_step;
  std::int32_t count;
  std::int32_t max_rows;  // maximum of the rows of a lane
  const Part* table;
  std::int32_t table_step;
  Part fixed;
};

}  // namespace hopcodec::kernels::cuda
