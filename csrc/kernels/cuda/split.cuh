// The product for a medium number of rows: too many to read the weights for each, too few for tiles
// to fill the device. The chains of 256 terms are distributed over blocks. A second launch adds
// them in order and writes channels first.
#pragma once

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/product_wide.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kSplitThreads = 256;
inline constexpr int kSplitEnough = 264;  // tiles: two for each processor of a large GPU
inline constexpr int kSplitFewest = 17;
inline constexpr int kSplitTiles = 128;  // of 128 x 128: from there on whole sums fill the device
inline constexpr std::size_t kSplitFloats = std::size_t{1} << 24;  // of chain sums: 64 MiB
inline constexpr int kSumThreads = 256;

// Rows and columns of a tile, k that are on their way at a time, results of a thread each way.
template <int kTileEdge, int kTileK>
struct SplitTile {
  static constexpr int kEdge = kTileEdge;
  static constexpr int kK = kTileK;  // divides kChainTerms
  static constexpr int kMine = kEdge / 16;
  static constexpr int kFetch = kEdge * kK / 4 / kSplitThreads;
  static constexpr int kPitch = kEdge + (kMine == 4 ? 4 : 1);
  static_assert(kSplitThreads == 16 * 16 && kEdge * kK / 4 % kSplitThreads == 0);

  alignas(16) float x[2][kK][kPitch];
  alignas(16) float w[2][kK][kPitch];
};
using LargeTile = SplitTile<64, 16>;
using SmallTile = SplitTile<32, 64>;  // for more of them, and fewer waits in each

struct Split {
  Product product;  // of one source; rows as lanes.fixed says
  float* partial;   // (chain, row, column)
  float* y;         // (item, channel, frame * phases + phase); column = (phase, channel)
  std::int32_t phases;
};

HOPCODEC_HOST_DEVICE inline int split_rows(const Product& p) {
  return p.lanes.count * p.lanes.max_rows;
}

inline std::size_t split_floats(const Product& p) {
  return static_cast<std::size_t>(chains_of(p.source[0].depth)) *
         static_cast<std::size_t>(split_rows(p)) * static_cast<std::size_t>(p.matrix.columns);
}

// A chain must be a window of its own: within a tap, or whole taps.
inline bool can_split(const Product& p) {
  const Source& s = p.source[0];
  const int rows = split_rows(p);
  const bool whole =
      s.taps == 1 || s.tap_length % kChainTerms == 0 || kChainTerms % s.tap_length == 0;
  return whole && chains_of(s.depth) > 1 && rows >= kSplitFewest &&
         split_floats(p) <= kSplitFloats && p.matrix.columns >= SmallTile::kEdge &&
         ceil_div(rows, 128) * ceil_div(p.matrix.columns, 128) < kSplitTiles;
}

__device__ inline Source chain_source(const Source& whole, int chain) {
  Source s = whole;
  const int first = chain * kChainTerms;
  s.depth = first + kChainTerms < whole.depth ? kChainTerms : whole.depth - first;
  s.at = whole.at + static_cast<std::size_t>(window_offset(whole, first));
  if (whole.taps > 1 && whole.tap_length <= kChainTerms) {
    s.taps = s.depth / whole.tap_length;
  } else {
    s.taps = 1;
  }
  return s;
}

template <class T>
struct SplitFetch {
  float4 x[T::kFetch];
  float4 w[T::kFetch];

  // This thread's share of the tile at depth k of a chain.
  __device__ void load(const Product& p, const Source& s, const float* const (&window)[T::kFetch],
                       bool by_four, int first_group, int first_column, int k) {
#pragma unroll
    for (int i = 0; i < T::kFetch; ++i) {
      const int at = static_cast<int>(threadIdx.x) + i * kSplitThreads;
      x[i] = four_of(window[i], s, by_four, k + at % (T::kK / 4) * 4);
      const int column = first_column + at % T::kEdge;
      const int depth = k + at / T::kEdge * 4;
      w[i] = {0.0F, 0.0F, 0.0F, 0.0F};
      if (column >= p.matrix.columns || depth >= s.depth) continue;
      const std::size_t place = packed_at(p.matrix.groups, first_group, depth, column);
      w[i] = __ldg(reinterpret_cast<const float4*>(p.matrix.weight + place));
    }
  }
  __device__ void store(T& tile, int buffer) {
#pragma unroll
    for (int i = 0; i < T::kFetch; ++i) {
      const int at = static_cast<int>(threadIdx.x) + i * kSplitThreads;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        tile.x[buffer][at % (T::kK / 4) * 4 + j][at / (T::kK / 4)] = part_of(x[i], j);
        tile.w[buffer][at / T::kEdge * 4 + j][at % T::kEdge] = part_of(w[i], j);
      }
    }
  }
};

template <int kCount>
__device__ inline void load_mine(const float* from, float (&to)[kCount]) {
  if constexpr (kCount == 4) {
    const float4 v = *reinterpret_cast<const float4*>(from);
    to[0] = v.x;
    to[1] = v.y;
    to[2] = v.z;
    to[3] = v.w;
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) to[i] = from[i];
  }
}

// sum += tile, terms in order.
template <class T>
__device__ inline void multiply_tile(const T& tile, int buffer, int row, int column,
                                     float (&sum)[T::kMine][T::kMine]) {
#pragma unroll
  for (int k = 0; k < T::kK; ++k) {
    float x[T::kMine];
    float w[T::kMine];
    load_mine(&tile.x[buffer][k][row], x);
    load_mine(&tile.w[buffer][k][column], w);
#pragma unroll
    for (int r = 0; r < T::kMine; ++r) {
#pragma unroll
      for (int c = 0; c < T::kMine; ++c) sum[r][c] = fma(x[r], w[c], sum[r][c]);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kSplitThreads) split_chains(const Split a) {
  __shared__ T tile;
  const Product& p = a.product;
  const int chain = static_cast<int>(blockIdx.z);
  const int thread = static_cast<int>(threadIdx.x);
  const int first_column = static_cast<int>(blockIdx.x) * T::kEdge;
  const int first_row = static_cast<int>(blockIdx.y) * T::kEdge;
  const int row = thread / 16 * T::kMine;
  const int column = thread % 16 * T::kMine;
  const Source source = chain_source(p.source[0], chain);
  const bool by_four = reads_by_four(source);
  const int group = chain * (kChainTerms / 4);
  const float* window[T::kFetch];
#pragma unroll
  for (int i = 0; i < T::kFetch; ++i) {
    const int at = thread + i * kSplitThreads;
    window[i] = window_of(p.lanes, first_row + at / (T::kK / 4), 0, source);
  }
  float sum[T::kMine][T::kMine] = {};
  SplitFetch<T> next;
  next.load(p, source, window, by_four, group, first_column, 0);
  int buffer = 0;
  for (int k = 0; k < source.depth; k += T::kK) {
    next.store(tile, buffer);
    __syncthreads();
    if (k + T::kK < source.depth) {
      next.load(p, source, window, by_four, group, first_column, k + T::kK);
    }
    multiply_tile(tile, buffer, row, column, sum);
    buffer ^= 1;  // the other one was last read before the barrier that everyone has passed
  }
  const int rows = split_rows(p);
  for (int r = 0; r < T::kMine && first_row + row + r < rows; ++r) {
    float* to = a.partial + (static_cast<std::size_t>(chain) * static_cast<std::size_t>(rows) +
                             static_cast<std::size_t>(first_row + row + r)) *
                                static_cast<std::size_t>(p.matrix.columns);
#pragma unroll
    for (int c = 0; c < T::kMine; ++c) {
      const int n = first_column + column + c;
      if (n < p.matrix.columns) to[n] = sum[r][c];
    }
  }
}

static __global__ void __launch_bounds__(kSumThreads) add_chains(const Split a) {
  const Product& p = a.product;
  const int i = static_cast<int>(blockIdx.x) * kSumThreads + static_cast<int>(threadIdx.x);
  const int columns = p.matrix.columns;
  const int count = split_rows(p) * columns;
  if (i >= count) return;
  const int column = i % columns;
  const int frames = p.lanes.max_rows;
  const int item = i / columns / frames;
  const int frame = i / columns % frames;
  const int chains = chains_of(p.source[0].depth);
  float y = p.matrix.bias[column];
#pragma unroll 8
  for (int c = 0; c < chains; ++c) {
    y = add(y, a.partial[static_cast<std::size_t>(c) * static_cast<std::size_t>(count) +
                         static_cast<std::size_t>(i)]);
  }
  const std::size_t row =
      static_cast<std::size_t>(item) * static_cast<std::size_t>(p.out_channels) +
      static_cast<std::size_t>(column % p.out_channels);
  a.y[row * static_cast<std::size_t>(frames * a.phases) +
      static_cast<std::size_t>(frame * a.phases + column / p.out_channels)] = y;
}

template <class T>
dim3 split_grid(const Product& p) {
  return dim3(static_cast<unsigned>(ceil_div(p.matrix.columns, T::kEdge)),
              static_cast<unsigned>(ceil_div(split_rows(p), T::kEdge)),
              static_cast<unsigned>(chains_of(p.source[0].depth)));
}

inline cudaError_t split_product(const Split& a, cudaStream_t stream) {
  const Product& p = a.product;
  const dim3 large = split_grid<LargeTile>(p);
  const bool enough = large.x * large.y * large.z >= kSplitEnough;
  const cudaError_t error =
      enough ? launch(split_chains<LargeTile>, large, kSplitThreads, stream, a)
             : launch(split_chains<SmallTile>, split_grid<SmallTile>(p), kSplitThreads, stream, a);
  if (error != cudaSuccess) return error;
  const int sums = ceil_div(split_rows(p) * p.matrix.columns, kSumThreads);
  return launch(add_chains, dim3(static_cast<unsigned>(sums)), kSumThreads, stream, a);
}

}  // namespace hopcodec::kernels::cuda
