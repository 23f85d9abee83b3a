// The product for few rows, which is bound by reading weights. Every weight is read once per kRows
// rows, and the chains of a column are distributed over threads.
//
//   thread = (column, chain group, row lane); partial sums are added in order in shared memory.
#pragma once

#include "kernels/cuda/epilogue.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kThinThreads = 256;

// columns * groups * lanes <= kThinThreads; columns a multiple of four.
struct ThinShape {
  std::int32_t columns;
  std::int32_t groups;
  std::int32_t lanes;
};

// sum[r] = the chain of terms [from, to) of `source`, in order. kAhead loads are issued before the
// first is used, because with so little arithmetic the bytes in flight limit the speed.
template <int kRows>
__device__ inline void chain(const float* const (&x)[kRows], const Source& source,
                             const float* weight, int from, int to, float (&sum)[kRows]) {
  constexpr int kAhead = 4;
  int k = from;
  if (reads_by_four(source)) {
    for (; k + 4 * kAhead <= to; k += 4 * kAhead) {
      float4 w[kAhead];
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        w[i] = __ldg(reinterpret_cast<const float4*>(weight + (k / 4 + i) * 16));
      }
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        const int offset = window_offset(source, k + 4 * i);
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
          const float4 v = *reinterpret_cast<const float4*>(x[r] + offset);
          sum[r] = fma(v.x, w[i].x, sum[r]);
          sum[r] = fma(v.y, w[i].y, sum[r]);
          sum[r] = fma(v.z, w[i].z, sum[r]);
          sum[r] = fma(v.w, w[i].w, sum[r]);
        }
      }
    }
  }
#pragma unroll 4
  for (; k < to; ++k) {
    const float w = weight[k / 4 * 16 + k % 4];
    const int offset = window_offset(source, k);
#pragma unroll
    for (int r = 0; r < kRows; ++r) sum[r] = fma(x[r][offset], w, sum[r]);
  }
}

// Computes total[r] of this thread's column, complete in the threads of group 0. The chains of both
// sources are one list, so the recurrent part of an LSTM does not wait for its input part.
template <int kRows>
__device__ inline void thin_total(const Product& p, const ThinShape& shape, int column, int group,
                                  int first_row, int step, float* partial, float (&total)[kRows]) {
  const bool inside = column < p.matrix.columns;
  const int panel_column = inside ? column : 0;
  const float bias = p.matrix.bias[panel_column];
#pragma unroll
  for (int r = 0; r < kRows; ++r) total[r] = bias;
  const int in_first = chains_of(p.source[0].depth);
  const int chains = in_first + (p.sources > 1 ? chains_of(p.source[1].depth) : 0);
  for (int base = 0; base < chains; base += shape.groups) {
    float sum[kRows] = {};
    const int c = base + group;
    if (inside && c < chains) {
      const bool second = c >= in_first;
      const Source source = second ? p.source[1] : p.source[0];
      const int first_group = second ? groups_of(p.source[0].depth) : 0;
      const int from = (second ? c - in_first : c) * kChainTerms;
      const int to = from + kChainTerms < source.depth ? from + kChainTerms : source.depth;
      const float* x[kRows];
#pragma unroll
      for (int r = 0; r < kRows; ++r) x[r] = window_of(p.lanes, first_row + r, step, source);
      chain<kRows>(x, source,
                   p.matrix.weight + packed_at(p.matrix.groups, first_group, 0, panel_column), from,
                   to, sum);
    }
    if (shape.groups == 1) {
#pragma unroll
      for (int r = 0; r < kRows; ++r) total[r] = add(total[r], sum[r]);
      continue;
    }
#pragma unroll
    for (int r = 0; r < kRows; ++r) partial[threadIdx.x * kRows + r] = sum[r];
    __syncthreads();
    if (group == 0) {
      for (int g = 0; g < shape.groups && base + g < chains; ++g) {
        const float* other = partial + (threadIdx.x + g * shape.columns) * kRows;
#pragma unroll
        for (int r = 0; r < kRows; ++r) total[r] = add(total[r], other[r]);
      }
    }
    __syncthreads();
  }
}

struct ThinPlace {
  int column;
  int group;
  int first_row;
};

__device__ inline ThinPlace thin_place(const ThinShape& shape, int rows) {
  const int thread = static_cast<int>(threadIdx.x);
  const int in_lane = thread % (shape.columns * shape.groups);
  const int lane = thread / (shape.columns * shape.groups);
  return {static_cast<int>(blockIdx.y) * shape.columns + in_lane % shape.columns,
          in_lane / shape.columns, (static_cast<int>(blockIdx.x) * shape.lanes + lane) * rows};
}

struct Pair {
  Product product[2];
  ThinShape shape[2];
};

template <int kRows>
__global__ void __launch_bounds__(kThinThreads) thin(const Pair pair) {
  __shared__ float partial[kThinThreads * kRows];
  const Product& p = pair.product[blockIdx.z];
  const ThinShape& shape = pair.shape[blockIdx.z];
  const ThinPlace place = thin_place(shape, kRows);
  float total[kRows];
  thin_total<kRows>(p, shape, place.column, place.group, place.first_row, 0, partial, total);
  if (place.group != 0 || place.column >= p.matrix.columns) return;
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const Row row = locate(p.lanes, place.first_row + r, 0);
    if (row.live) finish(p, row, place.column, total[r]);
  }
}

template <int kRows>
__global__ void __launch_bounds__(kThinThreads)
    thin_cell(const Product p, const Cell cell, const ThinShape shape) {
  __shared__ float partial[kThinThreads * kRows];
  const ThinPlace place = thin_place(shape, kRows);
  float total[kRows];
  thin_total<kRows>(p, shape, place.column, place.group, place.first_row, cell.step, partial,
                    total);
  // The four gates of a unit are four neighbouring threads.
#pragma unroll
  for (int r = 0; r < kRows; ++r) partial[threadIdx.x * kRows + r] = total[r];
  __syncthreads();
  if (place.group != 0 || place.column % 4 != 0 || place.column >= p.matrix.columns) return;
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const Row row = locate(p.lanes, place.first_row + r, cell.step);
    if (!row.live) continue;
    float gate[4];
#pragma unroll
    for (int g = 0; g < 4; ++g) gate[g] = partial[(threadIdx.x + g) * kRows + r];
    finish_cell(p, cell, row, place.column / 4, gate);
  }
}

}  // namespace hopcodec::kernels::cuda
