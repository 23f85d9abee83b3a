// DAC's search. Each codebook has a space of its own, small enough for one block to process a
// frame.
#pragma once

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/rvq.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kProjectedThreads = 128;

struct Projected {
  Frames frames;
  Book books[32];
  std::int32_t size;
  std::int32_t inner;
  std::int32_t first;  // index of the first of these books
  std::int32_t count;
  std::int32_t n_q;
  const float* residual;  // residual after the books before; null for the latents
  float* after;
  std::uint16_t* codes;
};

// L2 normalisation as on the CPU (kernels/fold.cpp), in double with the terms in order.
__device__ inline void normalise(float* x, int n) {
  double sum = 0.0;
  for (int i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const double root = sqrt(sum);
  const double length = root > 1e-12 ? root : 1e-12;
  for (int i = 0; i < n; ++i) x[i] = static_cast<float>(static_cast<double>(x[i]) / length);
}

__global__ void __launch_bounds__(kProjectedThreads) search_projected(const Projected p) {
  __shared__ float latent[kMaxProjectedDim];
  __shared__ float inner[kMaxInnerDim];
  __shared__ float partial[kMaxInnerDim * (kMaxProjectedDim / kChainTerms)];
  __shared__ Best best[kProjectedThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const int frame = static_cast<int>(blockIdx.x);
  const int dim = p.frames.dim;
  const int chains = chains_of(dim);
  const Row row = locate(p.frames.lanes, frame, 0);
  const float* from =
      p.residual != nullptr
          ? p.residual + static_cast<std::size_t>(frame) * static_cast<std::size_t>(dim)
          : row.scratch + p.frames.latents_at + static_cast<std::size_t>(row.t * dim);
  for (int d = thread; d < dim; d += kProjectedThreads) latent[d] = row.live ? from[d] : 0.0F;
  for (int q = 0; q < p.count; ++q) {
    const Book& book = p.books[q];
    __syncthreads();
    for (int i = thread; i < p.inner * chains; i += kProjectedThreads) {
      const int n = i / chains;
      const float* weight = book.project.weight + packed_at(book.project.groups, 0, 0, n);
      const int end = (i % chains + 1) * kChainTerms;
      float sum = 0.0F;
      for (int k = i % chains * kChainTerms; k < (end < dim ? end : dim); ++k) {
        sum = fma(latent[k], weight[k / 4 * 16 + k % 4], sum);
      }
      partial[i] = sum;
    }
    __syncthreads();
    if (thread == 0) {
      for (int n = 0; n < p.inner; ++n) {
        float total = book.project.bias[n];
        for (int c = 0; c < chains; ++c) total = add(total, partial[n * chains + c]);
        inner[n] = total;
      }
      normalise(inner, p.inner);
    }
    __syncthreads();
    Best mine = no_candidate();
    for (int entry = thread; entry < p.size; entry += kProjectedThreads) {
      float score[1];
      dot<1>(book.search, p.inner, entry, inner, 0, score);
      const Best other{score[0], entry};
      if (beats(other, mine)) mine = other;
    }
    best[thread] = mine;
    reduce<1, kProjectedThreads, kProjectedThreads>(best);
    const int winner = best[0].index;
    if (thread == 0 && row.live) {
      p.codes[frame * p.n_q + p.first + q] = static_cast<std::uint16_t>(winner);
    }
    for (int d = thread; d < dim; d += kProjectedThreads) {
      float back[1];
      dot<1>(book.unproject, p.inner, d, book.entries + winner * p.inner, 0, back);
      latent[d] = sub(latent[d], back[0]);
    }
  }
  if (p.after == nullptr) return;
  for (int d = thread; d < dim; d += kProjectedThreads) {
    p.after[static_cast<std::size_t>(frame) * static_cast<std::size_t>(dim) +
            static_cast<std::size_t>(d)] = latent[d];
  }
}

inline cudaError_t projected(const RvqEncode& e, int count, cudaStream_t stream) {
  constexpr int kBooks = 32;  // books that fit in the parameters of a launch
  for (int first = 0; first < e.n_q; first += kBooks) {
    const int books = e.n_q - first < kBooks ? e.n_q - first : kBooks;
    Projected p{e.frames,   {},     e.size, e.inner,
                first,      books,  e.n_q,  first > 0 ? e.residual : nullptr,
                e.residual, e.codes};
    for (int q = 0; q < books; ++q) p.books[q] = e.books[first + q];
    const cudaError_t error =
        launch(search_projected, dim3(static_cast<unsigned>(count)), kProjectedThreads, stream, p);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace hopcodec::kernels::cuda
