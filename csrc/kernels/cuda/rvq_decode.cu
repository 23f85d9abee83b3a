#define HOPCODEC_ISA cuda
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/rows.cuh"
#include "kernels/cuda/rvq.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kAhead = 8;  // entries loaded before the first is added

// Returns y plus the terms of codebooks first, first + 1, ... < end, at most kAhead; `codes` begins
// with the code of codebook `first`.
__device__ inline float add_terms(const RvqDecode& d, const std::int32_t* codes, int first, int end,
                                  int channel, float y) {
  const float* entry[kAhead];
#pragma unroll
  for (int i = 0; i < kAhead; ++i) {
    // Repeat the last one instead of branching, so that all loads are issued together.
    const int q = first + i < end ? first + i : end - 1;
    // The codes were checked by the host; clamp the index all the same.
    const int code = codes[q - first] < d.size ? codes[q - first] : d.size - 1;
    entry[i] =
        d.books[q].entries + static_cast<std::size_t>(code) * static_cast<std::size_t>(d.inner);
  }
  if (d.books[first].unproject.weight != nullptr) {
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      if (first + i >= end) break;
      float back[1];
      dot<1>(d.books[first + i].unproject, d.inner, channel, entry[i], 0, back);
      y = add(y, back[0]);
    }
    return y;
  }
  float term[kAhead];
#pragma unroll
  for (int i = 0; i < kAhead; ++i) term[i] = __ldg(entry[i] + channel);
#pragma unroll
  for (int i = 0; i < kAhead; ++i) {
    if (first + i < end) y = add(y, term[i]);
  }
  return y;
}

// Codes may be in host memory, so a block loads all of them at once.
__global__ void __launch_bounds__(kThreads) decode(const Moves m, const RvqDecode d, int chunks) {
  __shared__ std::int32_t codes[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const int opened = m.count * m.lanes;
  int block = static_cast<int>(blockIdx.x);
  if (block < opened) return open_state(m, block % m.count, block / m.count, kThreads);
  block -= opened;
  const int flat = block / chunks;
  const int channel = block % chunks * kThreads + thread;
  const Row row = locate(d.lanes, flat, 0);
  if (!row.live) return;
  const int lane = flat / d.lanes.max_rows;
  const std::uint16_t* from = d.codes + static_cast<std::size_t>(lane * d.frames_step + row.t) *
                                            static_cast<std::size_t>(d.books_step);
  const int n_q = d.n_q[lane];
  float y = 0.0F;
  for (int first = 0; first < d.books_step; first += kThreads) {
    __syncthreads();
    if (first + thread < d.books_step) codes[thread] = from[first + thread];
    __syncthreads();
    const int end = n_q < first + kThreads ? n_q : first + kThreads;
    for (int q = first; q < end && channel < d.dim; q += kAhead) {
      y = add_terms(d, codes + (q - first), q, end, channel, y);
    }
  }
  if (channel >= d.dim) return;
#pragma unroll
  for (int s = 0; s < kMaxSinks; ++s) {
    if (s >= d.sinks) break;
    const std::size_t at = static_cast<std::size_t>((row.part.to[s] + row.t) * d.dim + channel);
    row.scratch[d.sink[s].at + at] = activate(d.sink[s].activation, y, channel);
  }
}

}  // namespace

cudaError_t rvq_decode(const RvqDecode& d, cudaStream_t stream, const Moves& opened) {
  const int chunks = ceil_div(d.dim, kThreads);
  const int blocks = opened.count * opened.lanes + d.lanes.count * d.lanes.max_rows * chunks;
  if (blocks == 0) return cudaSuccess;
  return launch(decode, dim3(static_cast<unsigned>(blocks)), kThreads, stream, opened, d, chunks);
}

}  // namespace hopcodec::kernels::cuda
