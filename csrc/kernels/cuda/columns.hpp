// Conversions between the tensors of the stand-alone operators, which are channels first, (batch,
// channels, time), as in torch, and the kernels' rows, which are channels last.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/lane.hpp"

namespace hopcodec::kernels::cuda {

// [state | f(x)] of every batch item. The state holds columns after the activation, as a layer's
// history does.
struct Columns {
  const float* x;      // (batch, channels, time)
  const float* state;  // (batch, channels, held); null for zeros
  const float* alpha;  // per channel, for Snake
  Pointwise activation;
  std::int32_t batch;
  std::int32_t channels;
  std::int32_t time;
  std::int32_t held;
};

// Where the columns go: as rows, those of item b at rows + b * step; and the last `kept` columns as
// the next state.
struct ColumnsTo {
  float* rows;
  std::size_t step;
  float* next;  // (batch, channels, kept), or null
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

// Sizes in a workspace are rounded up to this many floats, so that every buffer is aligned for
// float4.
inline constexpr std::size_t kAligned = 16;
constexpr std::size_t aligned(std::size_t floats) {
  return (floats + kAligned - 1) / kAligned * kAligned;
}

}  // namespace hopcodec::kernels::cuda
