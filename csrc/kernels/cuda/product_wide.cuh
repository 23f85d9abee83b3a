// The product for many rows, which is bound by arithmetic. Tiles of rows and columns are in shared
// memory, and each thread holds a block of sums. The next tile is loaded while this one is
// multiplied.
#pragma once

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/operand.cuh"
#include "kernels/cuda/shared_memory.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kTileDepth = 8;  // divides kChainTerms

// Rows and columns of a block and of a thread.
template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
struct Tile {
  static constexpr int kAcross = kColumns / kThreadColumns;
  static constexpr int kThreads = kRows / kThreadRows * kAcross;
  // Blocks per processor, limited by their registers.
  static constexpr int kBlocks = kThreads > 128 ? 2 : 3;
  // Groups of four results of a thread.
  static constexpr int kFours = kThreadRows * kThreadColumns / 4;
  // Avoids bank conflicts when rows are stored transposed.
  static constexpr int kRowPitch = kRows + 4;
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

// Loads this thread's part of the tiles along a source from global memory. Its terms have the same
// position in every tile, so addresses are advanced by additions. kPlain: windows have one tap and
// are read four floats at a time.
template <class T, int kColumns, bool kPlain>
class WideFeed {
 public:
  __device__ WideFeed(const Product& p, const Source& s, int first_group, const Row* rows,
                      int first_column)
      : p_(p), s_(s), offset_(window_offset(s, own_term())) {
    if constexpr (!kPlain) in_tap_ = own_term() % s.tap_length;
#pragma unroll
    for (int i = 0; i < T::kFetchX; ++i) {
      window_[i] = window_at(rows[(thread() + i * T::kThreads) / (kTileDepth / 4)], s);
    }
#pragma unroll
    for (int i = 0; i < T::kFetchW; ++i) {
      const int at = thread() + i * T::kThreads;
      const int column = first_column + at % kColumns;
      there_[i] = at < kColumns * kTileDepth / 4 && column < p.matrix.columns;
      weight_[i] = static_cast<int>(
          packed_at(p.matrix.groups, first_group, at / kColumns * 4, there_[i] ? column : 0));
    }
  }

  // Loads the tile at depth k. Tiles must be loaded in order.
  __device__ void next(int k, Fetch<T>& to) {
    const int mine = k + own_term();
#pragma unroll
    for (int i = 0; i < T::kFetchX; ++i) {
      if (!kPlain && !reads_by_four(s_)) {
        to.x[i] = four_of(window_[i], s_, false, mine);
      } else if (mine < s_.depth) {
        to.x[i] = *reinterpret_cast<const float4*>(window_[i] + offset_);
      } else {
        to.x[i] = {0.0F, 0.0F, 0.0F, 0.0F};
      }
    }
#pragma unroll
    for (int i = 0; i < T::kFetchW; ++i) {
      const int first = (thread() + i * T::kThreads) / kColumns * 4;
      to.w[i] = {0.0F, 0.0F, 0.0F, 0.0F};
      if (there_[i] && k + first < s_.depth) {
        to.w[i] = __ldg(reinterpret_cast<const float4*>(p_.matrix.weight + weight_[i]));
      }
      weight_[i] += kTileDepth * 4;
    }
    offset_ += kTileDepth;
    if constexpr (!kPlain) {
      for (in_tap_ += kTileDepth; in_tap_ >= s_.tap_length; in_tap_ -= s_.tap_length) {
        offset_ += s_.tap_stride - s_.tap_length;
      }
    }
  }

 private:
  __device__ static int thread() { return static_cast<int>(threadIdx.x); }
  // The first term of this thread in a tile.
  __device__ static int own_term() { return thread() % (kTileDepth / 4) * 4; }

  static_assert(T::kThreads % (kTileDepth / 4) == 0);
  const Product& p_;
  const Source& s_;
  int offset_;  // offset in a window of this thread's first term in the next tile
  int in_tap_;
  const float* window_[T::kFetchX];
  bool there_[T::kFetchW];  // whether the columns exist
  int weight_[T::kFetchW];  // offset of the next weights
};

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

// Totals are kept in shared memory, separately for each thread. They are updated once per 256
// terms, and keeping them in registers would reduce the number of blocks per processor. Results are
// finished from there in a loop, so that the long code after a sum exists once and not once per
// sum.
template <class T>
struct WideMemory {
  T tile;
  float4 total[T::kFours][T::kThreads];
};

template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
struct WideProduct {
  using T = Tile<kRows, kColumns, kThreadRows, kThreadColumns>;
  using Memory = WideMemory<T>;
  using Sums = float[kThreadRows][kThreadColumns];
  // Distance between a thread's groups of four columns.
  static constexpr int kApart = kColumns / (kThreadColumns / 4);

  // Loads 16 bytes at a time, because shared memory limits the speed of a tile.
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
    // The bias is padded to a multiple of four.
    return column < p.matrix.columns
               ? __ldg(reinterpret_cast<const float4*>(p.matrix.bias + column))
               : float4{0.0F, 0.0F, 0.0F, 0.0F};
  }

  __device__ static float4 plus(const float4& total, const float* sum) {
    return {add(total.x, sum[0]), add(total.y, sum[1]), add(total.z, sum[2]), add(total.w, sum[3])};
  }

  __device__ static void end_chain(Memory& memory, Sums& sum) {
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

  // The chains of one source.
  template <bool kPlain>
  __device__ static void accumulate(const Product& p, const Source& s, int first_group,
                                    const Row* rows, int first_column, int row, int column,
                                    Memory& memory, Sums& sum) {
    WideFeed<T, kColumns, kPlain> feed(p, s, first_group, rows, first_column);
    Fetch<T> next;
    feed.next(0, next);
    int buffer = 0;
    for (int k = 0; k < s.depth; k += kTileDepth) {
      store<T, kColumns>(memory.tile, buffer, next);
      __syncthreads();
      if (k + kTileDepth < s.depth) feed.next(k + kTileDepth, next);
      multiply(memory.tile, buffer, row, column, sum);
      if ((k + kTileDepth) % kChainTerms == 0 || k + kTileDepth >= s.depth) end_chain(memory, sum);
      buffer ^= 1;  // all threads have passed the barrier after the last read of the other buffer
    }
    __syncthreads();
  }

  __device__ static void run(const Product& p, const Cell* cell, Row* rows, Memory& memory) {
    const int thread = static_cast<int>(threadIdx.x);
    const int across = ceil_div(p.matrix.columns, kColumns);
    const int first_row = static_cast<int>(blockIdx.x) / across * kRows;
    const int first_column = static_cast<int>(blockIdx.x) % across * kColumns;
    const int row = thread / T::kAcross * kThreadRows;
    const int column = thread % T::kAcross * 4;
    for (int i = thread; i < kRows; i += T::kThreads) {
      rows[i] = locate(p.lanes, first_row + i, cell != nullptr ? cell->step : 0);
    }
#pragma unroll
    for (int c = 0; c < kThreadColumns; c += 4) {
      const float4 bias = bias_of(p, first_column + column + c / 4 * kApart);
      for (int r = 0; r < kThreadRows; ++r) {
        memory.total[(r * kThreadColumns + c) / 4][thread] = bias;
      }
    }
    __syncthreads();
    Sums sum = {};
    int first_group = 0;
#pragma unroll 1
    for (int s = 0; s < p.sources; ++s) {
      const Source& source = p.source[s];
      if (source.taps == 1 && reads_by_four(source)) {
        accumulate<true>(p, source, first_group, rows, first_column, row, column, memory, sum);
      } else {
        accumulate<false>(p, source, first_group, rows, first_column, row, column, memory, sum);
      }
      first_group += groups_of(source.depth);
    }
#pragma unroll 1
    for (int r = 0; r < kThreadRows; ++r) {
      const Row& at = rows[row + r];
      if (!at.live) continue;
#pragma unroll
      for (int c = 0; c < kThreadColumns; c += 4) {
        const int n = first_column + column + c / 4 * kApart;
        if (n >= p.matrix.columns) continue;
        const float4 y = memory.total[(r * kThreadColumns + c) / 4][thread];
        if (cell != nullptr) {
          finish_cell(p, *cell, at, n / 4, {y.x, y.y, y.z, y.w});
        } else {
          finish_four(p, at, n, y);
        }
      }
    }
  }
};

// Several blocks per processor: one finishes while another multiplies.
template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
__global__ void __launch_bounds__(Tile<kRows, kColumns, kThreadRows, kThreadColumns>::kThreads,
                                  Tile<kRows, kColumns, kThreadRows, kThreadColumns>::kBlocks)
    wide(const Product p) {
  using W = WideProduct<kRows, kColumns, kThreadRows, kThreadColumns>;
  __shared__ Row rows[kRows];
  W::run(p, nullptr, rows, shared_memory<typename W::Memory>());
}

template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
__global__ void __launch_bounds__(Tile<kRows, kColumns, kThreadRows, kThreadColumns>::kThreads,
                                  Tile<kRows, kColumns, kThreadRows, kThreadColumns>::kBlocks)
    wide_cell(const Product p, const Cell cell) {
  using W = WideProduct<kRows, kColumns, kThreadRows, kThreadColumns>;
  __shared__ Row rows[kRows];
  W::run(p, &cell, rows, shared_memory<typename W::Memory>());
}

}  // namespace hopcodec::kernels::cuda
