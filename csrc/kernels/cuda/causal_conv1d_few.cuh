// A causal convolution for a few rows. A block computes some output channels, whose weights are
// contiguous in torch's layout, for some rows. It reads both once, through shared memory.
//
//   thread = (column, row, chain); the chain sums are added in order in shared memory.
#pragma once

#include "kernels/cuda/causal_conv1d.hpp"
#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/index.hpp"

namespace hopcodec::kernels::cuda {

inline constexpr int kFewThreads = 256;
inline constexpr int kFewFloats = 12 * 1024;  // shared memory that every GPU gives a block
inline constexpr int kFewColumns = 4;
inline constexpr int kFewRows = 8;
inline constexpr int kFewBlocks = 128;  // about one per processor of a large GPU

struct FewShape {
  std::int32_t columns;     // output channels of a block
  std::int32_t rows;        // rows of a block; 0 if this kernel does not suit the problem
  std::int32_t row_blocks;  // at most two, so that weights are read no more than twice
  std::int32_t all_rows;
  std::int32_t frames;
  std::int32_t kept;
  std::int32_t chains;
};

// Extra floats per column and per chain avoid bank conflicts between neighbouring threads.
inline constexpr int kColumnGap = 4;
HOPCODEC_HOST_DEVICE constexpr int few_floats(int depth, int columns, int rows) {
  const int chains = chains_of(depth);
  return columns * (depth + kColumnGap) + rows * (depth + chains) + columns * rows * chains;
}

inline FewShape few_shape(const CausalConv1d& op) {
  FewShape s{};
  s.frames = op.frames();
  s.kept = op.kept();
  s.chains = chains_of(op.depth());
  if (op.depth() > kFewFloats) return s;
  s.all_rows = op.input.batch * s.frames;
  if (s.all_rows > 2 * kFewRows) return s;
  int wanted = ceil_div(op.out, kFewBlocks);
  if (wanted > kFewColumns) wanted = kFewColumns;
  for (int rows = kFewRows; rows >= 1; rows /= 2) {
    if (rows >= 2 * s.all_rows && rows > 1) continue;  // half as many would do
    if (s.all_rows > 2 * rows) break;
    int columns = wanted;
    while (columns > 1 && few_floats(op.depth(), columns, rows) > kFewFloats) --columns;
    if (few_floats(op.depth(), columns, rows) > kFewFloats) continue;
    s.columns = columns;
    s.rows = rows;
    s.row_blocks = s.all_rows > rows ? 2 : 1;
    return s;
  }
  return s;
}

// The weights of a block. All loads are issued before the first store, because the bytes in flight
// limit the speed. `count` floats are contiguous at `from`.
struct FewWeights {
  static constexpr int kMost = kFewFloats / 4 / kFewThreads;
  float4 four[kMost];

  __device__ static bool can(const float* from, int depth) {
    return reinterpret_cast<std::uintptr_t>(from) % sizeof(float4) == 0 && depth % 4 == 0;
  }
  __device__ void load(const float* from, int count) {
#pragma unroll
    for (int j = 0; j < kMost; ++j) {
      const int i = static_cast<int>(threadIdx.x) + j * kFewThreads;
      if (4 * i < count) four[j] = __ldg(reinterpret_cast<const float4*>(from) + i);
    }
  }
  __device__ void store(float* to, int count, int depth) const {
#pragma unroll
    for (int j = 0; j < kMost; ++j) {
      const int at = 4 * (static_cast<int>(threadIdx.x) + j * kFewThreads);
      if (at >= count) continue;
      const int column = (at >= depth) + (at >= 2 * depth) + (at >= 3 * depth);
      *reinterpret_cast<float4*>(to + at + column * kColumnGap) = four[j];
    }
  }
};
static_assert(kFewColumns == 4, "FewWeights::store compares with so many");

// Row `row` of the product in the order (tap, channel), activated.
__device__ inline void load_window(const CausalConv1d& op, const FewShape& s, int row, float* to) {
  constexpr int kAhead = 8;
  const Columns& input = op.input;
  const int in = input.channels;
  const int depth = in * op.kernel;
  const int item = row / s.frames;
  const int begin = row % s.frames * op.stride;
  for (int first = static_cast<int>(threadIdx.x); first < depth; first += kAhead * kFewThreads) {
    float value[kAhead];
    int channel[kAhead];
    int t[kAhead];
#pragma unroll
    for (int j = 0; j < kAhead; ++j) {
      const int k = first + j * kFewThreads;
      channel[j] = k % in;
      t[j] = begin + k / in * op.dilation;
      if (k < depth) value[j] = raw_column(input, item, channel[j], t[j]);
    }
#pragma unroll
    for (int j = 0; j < kAhead; ++j) {
      const int k = first + j * kFewThreads;
      if (k >= depth) continue;
      to[k + k / kChainTerms] =
          t[j] < input.held ? value[j]
                            : activate_column(input.activation, input.alpha, value[j], channel[j]);
    }
  }
}

__device__ inline void load_few(const CausalConv1d& op, const FewShape& s, int first_column,
                                int first_row, float* weights, float* windows) {
  const int depth = op.input.channels * op.kernel;
  const float* from =
      op.weight + static_cast<std::size_t>(first_column) * static_cast<std::size_t>(depth);
  const int columns = first_column + s.columns < op.out ? s.columns : op.out - first_column;
  const bool by_four = FewWeights::can(from, depth);
  FewWeights held;
  if (by_four) held.load(from, columns * depth);
  for (int r = 0; r < s.rows && first_row + r < s.all_rows; ++r) {
    load_window(op, s, first_row + r, windows + r * (depth + s.chains));
  }
  if (by_four) return held.store(weights, columns * depth, depth);
  for (int n = 0; n < columns; ++n) {
#pragma unroll 8
    for (int i = static_cast<int>(threadIdx.x); i < depth; i += kFewThreads) {
      weights[n * (depth + kColumnGap) + i] = __ldg(from + n * depth + i);
    }
  }
}

// Terms of one chain, in the order (tap, channel), of torch's weight (channel, tap).
__device__ inline float few_chain(const float* window, const float* weight, int chain, int in,
                                  int kernel) {
  int k = chain * kChainTerms;
  const int end = k + kChainTerms < in * kernel ? k + kChainTerms : in * kernel;
  const float* x = window + k + chain;
  float sum = 0.0F;
  int tap = k / in;
  int channel = k % in;
  while (k < end) {
    const int run = in - channel < end - k ? in - channel : end - k;
    const float* w = weight + channel * kernel + tap;
#pragma unroll 8
    for (int i = 0; i < run; ++i) sum = fma(x[i], w[i * kernel], sum);
    x += run;
    k += run;
    channel = 0;
    ++tap;
  }
  return sum;
}

static __global__ void __launch_bounds__(kFewThreads, 2)
    few(const CausalConv1d op, const FewShape s) {
  __shared__ float4 memory[kFewFloats / 4];
  const int thread = static_cast<int>(threadIdx.x);
  const int first_column = static_cast<int>(blockIdx.x) * s.columns;
  const int first_row = static_cast<int>(blockIdx.y) * s.rows;
  const int in = op.input.channels;
  const int depth = in * op.kernel;
  float* weights = &memory[0].x;
  float* windows = weights + s.columns * (depth + kColumnGap);
  float* partial = windows + s.rows * (depth + s.chains);
  load_few(op, s, first_column, first_row, weights, windows);

  const int blocks = ceil_div(op.out, s.columns) * s.row_blocks;
  const int block =
      static_cast<int>(blockIdx.y) * ceil_div(op.out, s.columns) + static_cast<int>(blockIdx.x);
  const int first_kept = op.input.held + op.input.time - s.kept;
  for (int i = block * kFewThreads + thread; i < op.input.batch * in * s.kept;
       i += blocks * kFewThreads) {
    op.next[i] = column_of(op.input, i / s.kept / in, i / s.kept % in, first_kept + i % s.kept);
  }
  __syncthreads();
  const int outputs = s.columns * s.rows;
  for (int i = thread; i < outputs * s.chains; i += kFewThreads) {
    const int row = i / s.columns % s.rows;
    partial[i] =
        few_chain(windows + row * (depth + s.chains),
                  weights + i % s.columns * (depth + kColumnGap), i / outputs, in, op.kernel);
  }
  __syncthreads();
  if (thread >= outputs) return;
  const int column = first_column + thread % s.columns;
  const int row = first_row + thread / s.columns;
  if (column >= op.out || row >= s.all_rows) return;
  float y = op.bias == nullptr ? 0.0F : op.bias[column];
  for (int c = 0; c < s.chains; ++c) y = add(y, partial[c * outputs + thread]);
  op.y[(static_cast<std::size_t>(row / s.frames) * static_cast<std::size_t>(op.out) +
        static_cast<std::size_t>(column)) *
           static_cast<std::size_t>(s.frames) +
       static_cast<std::size_t>(row % s.frames)] = y;
}

}  // namespace hopcodec::kernels::cuda
