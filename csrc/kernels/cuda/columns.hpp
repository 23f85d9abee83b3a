// Tensors at the door of the stand-alone operators are channels first, (batch, channels, time), as
// torch's are; the kernels' rows are channels last. What stands between the two.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/lane.hpp"

namespace hopcodec::kernels::cuda {

// [state | f(x)] of every batch item. The state holds columns that are activated already, as a
// layer's history does.
struct Columns {
  const float* x;      // (batch, channels, time)
  const float* state;  // (batch, channels, held); null: zeros
  const float* alpha;  // per channel, for Snake
  Pointwise activation;
  std::int32_t batch;
  std::int32_t channels;
  std::int32_t time;
  std::int32_t held;
};

// Where they go: as rows, item b from rows + b * step on; and the last `kept` columns as the state
// for what comes next.
struct ColumnsTo {
  float* rows;
  std::size_t step;
  float* next;  // (batch, channels, kept); null: not wanted
  std::int32_t kept;
};

// columns[b, c, t] = rows[b * step + t * channels + c]
struct RowsBack {
  const float* rows;
  std::size_t step;
  float* columns;
  std::int32_t batch;
  std::int32_t channels;
  std::int32_t time;
};

cudaError_t columns_from_rows(const RowsBack& back, cudaStream_t stream);

// Floats of workspace are counted in these, so that every buffer in it begins where four floats can
// be read at once.
inline constexpr std::size_t kAligned = 16;
constexpr std::size_t aligned(std::size_t floats) {
  return (floats + kAligned - 1) / kAligned * kAligned;
}

}  // namespace hopcodec::kernels::cuda
