// What every kernel of a step knows: lanes, what each does in this step, and where results go.
//
// A lane is one stream's seat in a step. Its *scratch* is one block of floats; a layer's input
// buffer in it holds [history | new rows], channels last, so that a window is contiguous memory, as
// on the CPU. Producers write their results, already activated, straight behind the consumer's
// history.
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

// What one lane does at one operation of a step. A function of how many rows the stream has taken
// (graph/cuda/passage.hpp), never of what another lane does.
struct Part {
  std::int32_t rows;           // windows to compute
  std::int32_t begin;          // first window, in rows of the source buffer
  std::int32_t skip;           // rows of the result cut off in front
  std::int32_t emit;           // rows of the result that are kept
  std::int32_t to[kMaxSinks];  // where they begin at each sink, in rows
  std::int32_t add;            // where the rows begin that are added to them
};

// The lanes of a launch. `table` holds one Part per lane, `table_step` apart; without a table every
// lane does what `fixed` says, and nothing need be read to know it.
struct Lanes {
  float* scratch;
  std::size_t scratch_step;
  std::int32_t count;
  std::int32_t max_rows;  // most rows of any lane
  const Part* table;
  std::int32_t table_step;
  Part fixed;
  bool overlaps = false;  // a launch may begin before the one ahead of it has ended (overlap.cuh)
};

}  // namespace hopcodec::kernels::cuda
