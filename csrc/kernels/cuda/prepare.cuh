// Prepares a product of torch tensors in one launch: converts the input to rows (columns.cuh) and
// the weights to the layout of product.hpp, Matrix.
//
// `Weights` reads torch's layout: at(group, j, column) is factor j of a group of four k, zero
// beyond the depth; bias(column) is the bias.
#pragma once

#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/product.hpp"

namespace hopcodec::kernels::cuda {

// A Matrix to be filled. `columns` is the number of packed columns, a multiple of four.
struct Packing {
  float* weight;
  float* bias;
  std::int32_t columns;
  std::int32_t groups;
};

HOPCODEC_HOST_DEVICE constexpr int padded_columns(int columns) {
  return ceil_div(columns, kPanelColumns) * kPanelColumns;
}

// Each thread packs four factors of one column.
template <class Weights>
__device__ inline void pack_four(const Weights& weights, const Packing& to, int block) {
  const int i = block * kTransposeThreads + static_cast<int>(threadIdx.x);
  const int group = i / kPanelColumns % to.groups;
  const int column = i / (kPanelColumns * to.groups) * kPanelColumns + i % kPanelColumns;
  if (column >= to.columns) return;
  float4 four;
  four.x = weights.at(group, 0, column);
  four.y = weights.at(group, 1, column);
  four.z = weights.at(group, 2, column);
  four.w = weights.at(group, 3, column);
  reinterpret_cast<float4*>(to.weight)[i] = four;  // packed_at(groups, 0, 4 * group, column) / 4
  if (group == 0) to.bias[column] = weights.bias(column);
}

template <class Weights>
__global__ void __launch_bounds__(kTransposeThreads)
    prepare(const Columns columns, const ColumnsTo to, const Weights weights, const Packing packing,
            const int tiles) {
  __shared__ TransposeTile tile;
  const int block = static_cast<int>(blockIdx.x);
  if (block < tiles) {
    transpose_columns(columns, to, block, tile);
  } else {
    pack_four(weights, packing, block - tiles);
  }
}

template <class Weights>
cudaError_t launch_prepare(const Columns& columns, const ColumnsTo& to, const Weights& weights,
                           const Packing& packing, cudaStream_t stream) {
  const int tiles = tiles_of(columns);
  const int blocks = tiles + ceil_div(packing.columns * packing.groups, kTransposeThreads);
  return launch(prepare<Weights>, dim3(static_cast<unsigned>(blocks)), kTransposeThreads, stream,
                columns, to, weights, packing, tiles);
}

}  // namespace hopcodec::kernels::cuda
