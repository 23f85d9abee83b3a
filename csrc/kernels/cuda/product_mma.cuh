// The product for many rows on a tensor core. Tiles of both operands are copied to shared memory
// while earlier tiles are multiplied.
//
// Sums are chains of 256, for three reasons. A tensor core truncates what its adder cannot hold,
// and in a sum of 7000 terms the error would accumulate. The float32 additions between chains round
// instead. And they are the chains of float32 products (product.hpp).
#pragma once

#include "kernels/cuda/mma_tile.cuh"

namespace hopcodec::kernels::cuda {

template <class S>
struct MmaProduct {
  using Sums = float[S::kM][S::kN][4];

  __device__ static void end_chain(Sums& total, Sums& sum) {
#pragma unroll
    for (int m = 0; m < S::kM; ++m) {
#pragma unroll
      for (int n = 0; n < S::kN; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          total[m][n][i] = add(total[m][n][i], sum[m][n][i]);
          sum[m][n][i] = 0.0F;
        }
      }
    }
  }

  __device__ static void begin(const Product& p, int first_column, Sums& total) {
    const int t = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
    for (int n = 0; n < S::kN; ++n) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int column = first_column + n * kSliceColumns + 2 * t + i;
        const float bias = column < p.matrix.columns ? __ldg(p.matrix.bias + column) : 0.0F;
#pragma unroll
        for (int m = 0; m < S::kM; ++m) total[m][n][i] = total[m][n][2 + i] = bias;
      }
    }
  }

  // Adds all chains of the block's tile to total.
  __device__ static void accumulate(const Product& p, const Row* rows, int first_column, int row,
                                    int column, typename S::Memory& memory, Sums& total) {
    MmaFeed<S> feed(p, rows, first_column);
#pragma unroll
    for (int i = 0; i < kStages - 1; ++i) feed.next(memory.stage[i]);
    Sums sum = {};
    int stage = 0;
    for (int s = 0; s < p.sources; ++s) {
      const int depth = p.source[s].depth;
      for (int k = 0; k < depth; k += kStageDepth) {
        await_copies<kStages - 2>();
        __syncthreads();  // this stage has arrived, and all threads have read the one before it
        feed.next(memory.stage[stage == 0 ? kStages - 1 : stage - 1]);
        multiply_stage<S>(memory.stage[stage], slices_of(depth - k), row, column, sum);
        if ((k + kStageDepth) % kChainTerms == 0 || k + kStageDepth >= depth) {
          end_chain(total, sum);
        }
        stage = stage == kStages - 1 ? 0 : stage + 1;
      }
    }
    await_copies<0>();
    __syncthreads();
  }

  // Writes results to shared memory, so that a thread gets neighbouring columns: the four gates of
  // a unit, or 16 bytes to write.
  __device__ static void spread(const Sums& total, int row, int column,
                                typename S::Memory& memory) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int m = 0; m < S::kM; ++m) {
#pragma unroll
      for (int n = 0; n < S::kN; ++n) {
        float* low =
            &memory.result[row + 16 * m + lane / 4][column + n * kSliceColumns + lane % 4 * 2];
        *reinterpret_cast<float2*>(low) = {total[m][n][0], total[m][n][1]};
        *reinterpret_cast<float2*>(low + 8 * S::kPitch) = {total[m][n][2], total[m][n][3]};
      }
    }
    __syncthreads();
  }

  __device__ static void run(const Product& p, const Cell* cell, Row* rows,
                             typename S::Memory& memory) {
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int across = ceil_div(p.matrix.columns, S::kColumns);
    const int first_row = static_cast<int>(blockIdx.x) / across * S::kRows;
    const int first_column = static_cast<int>(blockIdx.x) % across * S::kColumns;
    const int row = warp / S::kWarpsAcross * S::kM * 16;
    const int column = warp % S::kWarpsAcross * S::kN * kSliceColumns;
    for (int i = thread; i < S::kRows; i += S::kThreads) {
      rows[i] = locate(p.lanes, first_row + i, cell != nullptr ? cell->step : 0);
    }
    __syncthreads();
    Sums total;
    begin(p, first_column + column, total);
    accumulate(p, rows, first_column, row, column, memory, total);
    spread(total, row, column, memory);
    constexpr int kFours = S::kColumns / 4;
    for (int i = thread; i < S::kRows * kFours; i += S::kThreads) {
      const Row& at = rows[i / kFours];
      const int n = first_column + i % kFours * 4;
      if (!at.live || n >= p.matrix.columns) continue;
      const float4 four =
          *reinterpret_cast<const float4*>(&memory.result[i / kFours][i % kFours * 4]);
      if (cell != nullptr) {
        finish_cell(p, *cell, at, n / 4, {four.x, four.y, four.z, four.w});
      } else {
        finish_four(p, at, n, four);
      }
    }
  }
};

template <class S>
__global__ void __launch_bounds__(S::kThreads) mma(const Product p) {
  __shared__ Row rows[S::kRows];
  MmaProduct<S>::run(p, nullptr, rows, shared_memory<typename S::Memory>());
}

template <class S>
__global__ void __launch_bounds__(S::kThreads) mma_cell(const Product p, const Cell cell) {
  __shared__ Row rows[S::kRows];
  MmaProduct<S>::run(p, &cell, rows, shared_memory<typename S::Memory>());
}

}  // namespace hopcodec::kernels::cuda
