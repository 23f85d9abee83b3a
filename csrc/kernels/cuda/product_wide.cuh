// The product for many rows: bound by arithmetic. Tiles of rows and columns in shared memory, a
// block of sums per thread; the next tile is on its way while this one is multiplied.
#pragma once

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/operand.cuh"
#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/shared_memory.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kTileDepth = 8;  // divides kChainTerms

// A block's rows and columns, a thread's share of them.
template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
struct Tile {
  static constexpr int kAcross = kColumns / kThreadColumns;
  static constexpr int kThreads = kRows / kThreadRows * kAcross;
  static constexpr int kBlocks = kThreads > 128 ? 2 : 3;  // to a processor, for their registers
  static constexpr int kFours = kThreadRows * kThreadColumns / 4;  // of a thread's results
  static constexpr int kRowPitch = kRows + 4;  // keeps stores of transposed rows off one bank
  static constexpr int kFetchX = kRows * kTileDepth / 4 / kThreads;
  static constexpr int kFetchW = (kColumns * kTileDepth / 4 + kThreads - 1) / kThreads;
  static_assert(kRows * kTileDepth / 4 % kThreads == 0);
  static_assert(kThreadRows % 4 == 0 && kThreadColumns % 4 == 0);

  alignas(16) float x[2][kTileDepth][kRowPitch];
  alignas(16) float w[2][kTileDepth][kColumns];
};

template <class T>
struct Fetch {
  float4 x[T::kFetchX];
  float4 w[T::kFetchW];
};

// This thread's share of the tile at depth k of a source, from global memory.
template <class T, int kColumns>
__device__ inline void fetch(const Product& p, const Source& s, bool by_four, int first_group,
                             int first_column, const float* const (&window)[T::kFetchX], int k,
                             Fetch<T>& to) {
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int i = 0; i < T::kFetchX; ++i) {
    const int at = thread + i * T::kThreads;
    to.x[i] = four_of(window[i], s, by_four, k + at % (kTileDepth / 4) * 4);
  }
#pragma unroll
  for (int i = 0; i < T::kFetchW; ++i) {
    const int at = thread + i * T::kThreads;
    const int column = first_column + at % kColumns;
    const int depth = k + at / kColumns * 4;
    to.w[i] = {0.0F, 0.0F, 0.0F, 0.0F};
    if (at < kColumns * kTileDepth / 4 && column < p.matrix.columns && depth < s.depth) {
      const std::size_t place = packed_at(p.matrix.groups, first_group, depth, column);
      to.w[i] = __ldg(reinterpret_cast<const float4*>(p.matrix.weight + place));
    }
  }
}

template <class T, int kColumns>
__device__ inline void store(T& tile, int buffer, Fetch<T>& from) {
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int i = 0; i < T::kFetchX; ++i) {
    const int at = thread + i * T::kThreads;
    const int k = at % (kTileDepth / 4) * 4;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      tile.x[buffer][k + j][at / (kTileDepth / 4)] = part_of(from.x[i], j);
    }
  }
#pragma unroll
  for (int i = 0; i < T::kFetchW; ++i) {
    const int at = thread + i * T::kThreads;
    if (at >= kColumns * kTileDepth / 4) continue;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      tile.w[buffer][at / kColumns * 4 + j][at % kColumns] = part_of(from.w[i], j);
    }
  }
}

// kOneChain: the product has no second one, so its sums are the totals. Otherwise totals wait in
// shared memory, each thread's own: 256 terms are added between two visits, and the registers they
// would take are another block's on the same processor.
template <class T, bool kOneChain>
struct WideMemory {
  T tile;
};
template <class T>
struct WideMemory<T, false> {
  T tile;
  float4 total[T::kFours][T::kThreads];
};

template <int kRows, int kColumns, int kThreadRows, int kThreadColumns, bool kOneChain>
struct WideProduct {
  using T = Tile<kRows, kColumns, kThreadRows, kThreadColumns>;
  using Memory = WideMemory<T, kOneChain>;
  using Sums = float[kThreadRows][kThreadColumns];
  static constexpr int kApart = kColumns / (kThreadColumns / 4);  // a thread's fours of columns

  // Sixteen bytes at a time: shared memory is what a tile waits for.
  __device__ static void load(const float* from, float* to) {
    const float4 v = *reinterpret_cast<const float4*>(from);
    to[0] = v.x;
    to[1] = v.y;
    to[2] = v.z;
    to[3] = v.w;
  }

  // sum += tile, terms in order.
  __device__ static void multiply(const T& tile, int buffer, int row, int column, Sums& sum) {
#pragma unroll
    for (int k = 0; k < kTileDepth; ++k) {
      float x[kThreadRows];
      float w[kThreadColumns];
#pragma unroll
      for (int r = 0; r < kThreadRows; r += 4) load(&tile.x[buffer][k][row + r], x + r);
#pragma unroll
      for (int c = 0; c < kThreadColumns; c += 4) {
        load(&tile.w[buffer][k][column + c / 4 * kApart], w + c);
      }
#pragma unroll
      for (int r = 0; r < kThreadRows; ++r) {
#pragma unroll
        for (int c = 0; c < kThreadColumns; ++c) sum[r][c] = fma(x[r], w[c], sum[r][c]);
      }
    }
  }

  // Columns first_column + column + c / 4 * kApart + c % 4: c from a multiple of four on.
  __device__ static float4 bias_of(const Product& p, int column) {
    // Padded to four.
    return column < p.matrix.columns
               ? __ldg(reinterpret_cast<const float4*>(p.matrix.bias + column))
               : float4{0.0F, 0.0F, 0.0F, 0.0F};
  }

  __device__ static float4 plus(const float4& total, const float* sum) {
    return {add(total.x, sum[0]), add(total.y, sum[1]), add(total.z, sum[2]), add(total.w, sum[3])};
  }

  __device__ static void end_chain(Memory& memory, Sums& sum) {
    if constexpr (!kOneChain) {
#pragma unroll
      for (int r = 0; r < kThreadRows; ++r) {
#pragma unroll
        for (int c = 0; c < kThreadColumns; c += 4) {
          float4& total = memory.total[(r * kThreadColumns + c) / 4][threadIdx.x];
          total = plus(total, &sum[r][c]);
          sum[r][c] = sum[r][c + 1] = sum[r][c + 2] = sum[r][c + 3] = 0.0F;
        }
      }
    }
  }

  // The chains of one source.
  __device__ static void accumulate(const Product& p, const Source& s, int first_group,
                                    const Row* rows, int first_column, int row, int column,
                                    Memory& memory, Sums& sum) {
    const bool by_four = reads_by_four(s);
    const float* window[T::kFetchX];
#pragma unroll
    for (int i = 0; i < T::kFetchX; ++i) {
      const int at = static_cast<int>(threadIdx.x) + i * T::kThreads;
      window[i] = window_at(rows[at / (kTileDepth / 4)], s);
    }
    Fetch<T> next;
    fetch<T, kColumns>(p, s, by_four, first_group, first_column, window, 0, next);
    int buffer = 0;
    for (int k = 0; k < s.depth; k += kTileDepth) {
      store<T, kColumns>(memory.tile, buffer, next);
      __syncthreads();
      if (k + kTileDepth < s.depth) {
        fetch<T, kColumns>(p, s, by_four, first_group, first_column, window, k + kTileDepth, next);
      }
      multiply(memory.tile, buffer, row, column, sum);
      if ((k + kTileDepth) % kChainTerms == 0 || k + kTileDepth >= s.depth) end_chain(memory, sum);
      buffer ^= 1;  // the other one was last read before the barrier that everyone has passed
    }
    __syncthreads();
  }

  __device__ static void run(const Product& p, const Cell* cell, Row* rows, Memory& memory) {
    take_turn();
    const int thread = static_cast<int>(threadIdx.x);
    const int across = ceil_div(p.matrix.columns, kColumns);
    const int first_row = static_cast<int>(blockIdx.x) / across * kRows;
    const int first_column = static_cast<int>(blockIdx.x) % across * kColumns;
    const int row = thread / T::kAcross * kThreadRows;
    const int column = thread % T::kAcross * 4;
    for (int i = thread; i < kRows; i += T::kThreads) {
      rows[i] = locate(p.lanes, first_row + i, cell != nullptr ? cell->step : 0);
    }
    if constexpr (!kOneChain) {
#pragma unroll
      for (int c = 0; c < kThreadColumns; c += 4) {
        const float4 bias = bias_of(p, first_column + column + c / 4 * kApart);
        for (int r = 0; r < kThreadRows; ++r) {
          memory.total[(r * kThreadColumns + c) / 4][thread] = bias;
        }
      }
    }
    __syncthreads();
    Sums sum = {};
    int first_group = 0;
#pragma unroll 1
    for (int s = 0; s < p.sources; ++s) {
      accumulate(p, p.source[s], first_group, rows, first_column, row, column, memory, sum);
      first_group += groups_of(p.source[s].depth);
    }
#pragma unroll(kOneChain ? kThreadRows : 1)
    for (int r = 0; r < kThreadRows; ++r) {
      const Row& at = rows[row + r];
      if (!at.live) continue;
#pragma unroll
      for (int c = 0; c < kThreadColumns; c += 4) {
        const int n = first_column + column + c / 4 * kApart;
        if (n >= p.matrix.columns) continue;
        float4 y;
        if constexpr (kOneChain) {
          y = plus(bias_of(p, n), &sum[r][c]);
        } else {
          y = memory.total[(r * kThreadColumns + c) / 4][thread];
        }
        if (cell != nullptr) {
          finish_cell(p, *cell, at, n / 4, {y.x, y.y, y.z, y.w});
        } else {
          finish_four(p, at, n, y);
        }
      }
    }
  }
};

// Several blocks to a processor: one finishes while another multiplies.
template <int kRows, int kColumns, int kThreadRows, int kThreadColumns, bool kOneChain>
__global__ void __launch_bounds__(Tile<kRows, kColumns, kThreadRows, kThreadColumns>::kThreads,
                                  Tile<kRows, kColumns, kThreadRows, kThreadColumns>::kBlocks)
    wide(const Product p) {
  using W = WideProduct<kRows, kColumns, kThreadRows, kThreadColumns, kOneChain>;
  __shared__ Row rows[kRows];
  W::run(p, nullptr, rows, shared_memory<typename W::Memory>());
}

template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
__global__ void __launch_bounds__(Tile<kRows, kColumns, kThreadRows, kThreadColumns>::kThreads,
                                  Tile<kRows, kColumns, kThreadRows, kThreadColumns>::kBlocks)
    wide_cell(const Product p, const Cell cell) {
  using W = WideProduct<kRows, kColumns, kThreadRows, kThreadColumns, false>;
  __shared__ Row rows[kRows];
  W::run(p, &cell, rows, shared_memory<typename W::Memory>());
}

}  // namespace hopcodec::kernels::cuda
