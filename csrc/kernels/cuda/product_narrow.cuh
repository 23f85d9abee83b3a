// The product for many rows and very few columns: the last layer of a decoder. Neighbouring windows
// overlap, so the windows of a block are one range of memory, which is read once. A thread computes
// all columns of one row.
#pragma once

#include "kernels/cuda/copies.cuh"
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/shared_memory.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kNarrowRows = 64;  // of one lane, and a block's threads
inline constexpr std::size_t kNarrowBytes = 96 * 1024;

// Position of float i of the range in shared memory. Most windows begin a multiple of 32 floats
// apart, so without the padding they would be on the same banks.
HOPCODEC_HOST_DEVICE inline int narrow_at(int i) { return i + i / 32 * 4; }

HOPCODEC_HOST_DEVICE inline int narrow_floats(const Source& s) {
  return groups_of(s.depth) * 16 + narrow_at((kNarrowRows - 1) * s.step_floats + s.depth);
}

HOPCODEC_HOST_DEVICE inline int narrow_blocks(const Lanes& lanes) {
  return ceil_div(lanes.max_rows, kNarrowRows);  // of a lane
}

// sum[c] = the chain of terms [from, to) of column c; `window`: where in the stretch term 0 is.
template <int kColumns>
__device__ inline void narrow_chain(const float* stretch, int window, const float* weight, int from,
                                    int to, float (&sum)[kColumns]) {
#pragma unroll 4
  for (int k = from; k < to; k += 4) {
    const float4 x = *reinterpret_cast<const float4*>(stretch + narrow_at(window + k));
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const float4 w = *reinterpret_cast<const float4*>(weight + k * 4 + c * 4);
      sum[c] = fma(x.w, w.w, fma(x.z, w.z, fma(x.y, w.y, fma(x.x, w.x, sum[c]))));
    }
  }
}

// One source of one tap, that is read by four; of at most kColumns columns.
template <int kColumns>
__global__ void __launch_bounds__(kNarrowRows) narrow(const Product p) {
  let_next_begin(p.lanes.overlaps);
  const Source& s = p.source[0];
  const int thread = static_cast<int>(threadIdx.x);
  float* weight = &shared_memory<float>();
  float* stretch = weight + groups_of(s.depth) * 16;
  for (int i = thread; i < groups_of(s.depth) * 4; i += kNarrowRows) {
    copy16(weight + i * 4, p.matrix.weight + i * 4, true);
  }
  await_previous();
  const int blocks = narrow_blocks(p.lanes);
  const int lane = static_cast<int>(blockIdx.x) / blocks;
  const int first = static_cast<int>(blockIdx.x) % blocks * kNarrowRows;
  Row row = locate(p.lanes, lane * p.lanes.max_rows + first, 0);
  const int left = row.part.rows - row.t;
  const int rows = !row.live ? 0 : left < kNarrowRows ? left : kNarrowRows;
  const int pieces = rows > 0 ? ((rows - 1) * s.step_floats + s.depth) / 4 : 0;
  const float* from = window_at(row, s);
  for (int i = thread; i < pieces; i += kNarrowRows) {
    copy16(stretch + narrow_at(i * 4), from + i * 4, true);
  }
  commit_copies();
  await_copies<0>();
  __syncthreads();
  if (thread >= rows) return;
  row.t += thread;
  float total[kColumns];
#pragma unroll
  for (int c = 0; c < kColumns; ++c) total[c] = p.matrix.bias[c];
  for (int k = 0; k < s.depth; k += kChainTerms) {
    float sum[kColumns] = {};
    narrow_chain(stretch, thread * s.step_floats, weight, k,
                 k + kChainTerms < s.depth ? k + kChainTerms : s.depth, sum);
#pragma unroll
    for (int c = 0; c < kColumns; ++c) total[c] = add(total[c], sum[c]);
  }
#pragma unroll
  for (int c = 0; c < kColumns; ++c) {
    if (c < p.matrix.columns) finish(p, row, c, total[c]);
  }
}

}  // namespace hopcodec::kernels::cuda
