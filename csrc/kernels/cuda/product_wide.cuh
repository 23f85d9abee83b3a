// The product for many rows: bound by arithmetic. Tiles of rows and columns in shared memory, a
// block of sums per thread; the next tile is on its way while this one is multiplied.
#pragma once

#include "kernels/cuda/epilogue.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kTileDepth = 16;  // divides kChainTerms

// A block's rows and columns, a thread's share of them.
template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
struct Tile {
  static constexpr int kAcross = kColumns / kThreadColumns;
  static constexpr int kThreads = kRows / kThreadRows * kAcross;
  static constexpr int kRowPitch = kRows + 4;  // keeps stores of transposed rows off one bank
  static constexpr int kFetchX = kRows * kTileDepth / 4 / kThreads;
  static constexpr int kFetchW = (kColumns * kTileDepth / 4 + kThreads - 1) / kThreads;
  static_assert(kRows * kTileDepth / 4 % kThreads == 0);

  alignas(16) float x[2][kTileDepth][kRowPitch];
  alignas(16) float w[2][kTileDepth][kColumns];
};

__device__ inline float& part_of(float4& v, int i) {
  return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}

// Four factors from k on; beyond the source's depth, zeros.
__device__ inline float4 four_of(const float* window, const Source& s, bool by_four, int k) {
  if (by_four && k < s.depth) return *reinterpret_cast<const float4*>(window + window_offset(s, k));
  float4 v = {0.0F, 0.0F, 0.0F, 0.0F};
  for (int i = 0; i < 4; ++i) {
    if (k + i < s.depth) part_of(v, i) = window[window_offset(s, k + i)];
  }
  return v;
}

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

template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
struct WideProduct {
  using T = Tile<kRows, kColumns, kThreadRows, kThreadColumns>;
  using Sums = float[kThreadRows][kThreadColumns];

  // Sixteen bytes at a time: shared memory is what a tile waits for.
  template <int kCount>
  __device__ static void load(const float* from, float (&to)[kCount]) {
    static_assert(kCount % 4 == 0);
#pragma unroll
    for (int i = 0; i < kCount; i += 4) {
      const float4 v = *reinterpret_cast<const float4*>(from + i);
      to[i] = v.x;
      to[i + 1] = v.y;
      to[i + 2] = v.z;
      to[i + 3] = v.w;
    }
  }

  // sum += tile, terms in order.
  __device__ static void multiply(const T& tile, int buffer, int row, int column, Sums& sum) {
#pragma unroll
    for (int k = 0; k < kTileDepth; ++k) {
      float x[kThreadRows];
      float w[kThreadColumns];
      load(&tile.x[buffer][k][row], x);
      load(&tile.w[buffer][k][column], w);
#pragma unroll
      for (int r = 0; r < kThreadRows; ++r) {
#pragma unroll
        for (int c = 0; c < kThreadColumns; ++c) sum[r][c] = fma(x[r], w[c], sum[r][c]);
      }
    }
  }

  __device__ static void end_chain(Sums& total, Sums& sum) {
#pragma unroll
    for (int r = 0; r < kThreadRows; ++r) {
#pragma unroll
      for (int c = 0; c < kThreadColumns; ++c) {
        total[r][c] = add(total[r][c], sum[r][c]);
        sum[r][c] = 0.0F;
      }
    }
  }

  // The chains of one source, added to total.
  __device__ static void accumulate(const Product& p, const Source& s, int first_group,
                                    int first_row, int first_column, int step, T& tile, int row,
                                    int column, Sums& total) {
    const bool by_four = reads_by_four(s);
    const float* window[T::kFetchX];
#pragma unroll
    for (int i = 0; i < T::kFetchX; ++i) {
      const int at = static_cast<int>(threadIdx.x) + i * T::kThreads;
      window[i] = window_of(p.lanes, first_row + at / (kTileDepth / 4), step, s);
    }
    Sums sum = {};
    Fetch<T> next;
    fetch<T, kColumns>(p, s, by_four, first_group, first_column, window, 0, next);
    int buffer = 0;
    for (int k = 0; k < s.depth; k += kTileDepth) {
      store<T, kColumns>(tile, buffer, next);
      __syncthreads();
      if (k + kTileDepth < s.depth) {
        fetch<T, kColumns>(p, s, by_four, first_group, first_column, window, k + kTileDepth, next);
      }
      multiply(tile, buffer, row, column, sum);
      if ((k + kTileDepth) % kChainTerms == 0 || k + kTileDepth >= s.depth) end_chain(total, sum);
      buffer ^= 1;  // the other one was last read before the barrier that everyone has passed
    }
    __syncthreads();
  }

  __device__ static void run(const Product& p, const Cell* cell, T& tile) {
    const int thread = static_cast<int>(threadIdx.x);
    const int first_row = static_cast<int>(blockIdx.y) * kRows;
    const int first_column = static_cast<int>(blockIdx.x) * kColumns;
    const int row = thread / T::kAcross * kThreadRows;
    const int column = thread % T::kAcross * kThreadColumns;
    const int step = cell != nullptr ? cell->step : 0;
    Sums total;
#pragma unroll
    for (int c = 0; c < kThreadColumns; ++c) {
      const int n = first_column + column + c;
      const float bias = n < p.matrix.columns ? p.matrix.bias[n] : 0.0F;
#pragma unroll
      for (int r = 0; r < kThreadRows; ++r) total[r][c] = bias;
    }
    int first_group = 0;
    for (int s = 0; s < p.sources; ++s) {
      accumulate(p, p.source[s], first_group, first_row, first_column, step, tile, row, column,
                 total);
      first_group += groups_of(p.source[s].depth);
    }
#pragma unroll
    for (int r = 0; r < kThreadRows; ++r) {
      const Row at = locate(p.lanes, first_row + row + r, step);
      if (!at.live) continue;
#pragma unroll
      for (int c = 0; c < kThreadColumns; c += cell != nullptr ? 4 : 1) {
        const int n = first_column + column + c;
        if (n >= p.matrix.columns) continue;
        if (cell == nullptr) {
          finish(p, at, n, total[r][c]);
          continue;
        }
        float gate[4];
#pragma unroll
        for (int g = 0; g < 4; ++g) gate[g] = total[r][(c + g) % kThreadColumns];
        finish_cell(p, *cell, at, n / 4, gate);
      }
    }
  }
};

template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
__global__ void __launch_bounds__(Tile<kRows, kColumns, kThreadRows, kThreadColumns>::kThreads)
    wide(const Product p) {
  using W = WideProduct<kRows, kColumns, kThreadRows, kThreadColumns>;
  __shared__ typename W::T tile;
  W::run(p, nullptr, tile);
}

template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
__global__ void __launch_bounds__(Tile<kRows, kColumns, kThreadRows, kThreadColumns>::kThreads)
    wide_cell(const Product p, const Cell cell) {
  using W = WideProduct<kRows, kColumns, kThreadRows, kThreadColumns>;
  static_assert(kThreadColumns % 4 == 0, "a thread holds all four gates of a unit");
  __shared__ typename W::T tile;
  W::run(p, &cell, tile);
}

}  // namespace hopcodec::kernels::cuda
