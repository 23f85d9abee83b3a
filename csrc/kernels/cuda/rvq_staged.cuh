// The Euclidean search, with one launch per codebook.
#pragma once

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/rvq.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kNarrow = 32;  // entries per block when frames are few
inline constexpr int kBroad = 128;  // entries per block when frames are many
inline constexpr int kShared = 8;   // frames that share a read of the entries

// The search of one codebook, and the subtraction of the previous codebook's winner.
struct Stage {
  Frames frames;
  Matrix search;          // weight null after the last codebook: only find its winner
  const float* previous;  // entries of the previous codebook; null for the first
  std::int32_t q;
  std::int32_t n_q;
  std::int32_t chunks;
  std::int32_t count;      // frames of all lanes
  const float* residual;   // residual before the subtraction
  float* after;            // residual after the subtraction
  const Best* candidates;  // candidates of the previous codebook
  Best* best;
  std::uint16_t* codes;
};

template <int kFrames, int kEntries>
__global__ void __launch_bounds__(kEntries, 4) search(const Stage s) {
  __shared__ float query[kFrames * kMaxSearchDim];
  __shared__ Best best[kFrames * kEntries];
  const int thread = static_cast<int>(threadIdx.x);
  const int chunk = static_cast<int>(blockIdx.y);
  const int first = static_cast<int>(blockIdx.x) * kFrames;
  const int dim = s.frames.dim;
  if (s.previous != nullptr) {
    for (int f = 0; f < kFrames; ++f) {
      Best mine = no_candidate();
      for (int c = thread; first + f < s.count && c < s.chunks; c += kEntries) {
        const Best other = s.candidates[(first + f) * s.chunks + c];
        if (beats(other, mine)) mine = other;
      }
      best[f * kEntries + thread] = mine;
    }
    reduce<kFrames, kEntries, kEntries>(best);
    if (chunk == 0 && thread < kFrames && first + thread < s.count) {
      s.codes[(first + thread) * s.n_q + s.q - 1] =
          static_cast<std::uint16_t>(best[thread * kEntries].index);
    }
  }
  if (s.search.weight == nullptr) return;
  for (int i = thread; i < kFrames * dim; i += kEntries) {
    const int f = i / dim;
    const int d = i % dim;
    float x = 0.0F;
    if (first + f < s.count) {
      const Row row = locate(s.frames.lanes, first + f, 0);
      if (s.previous == nullptr) {
        x = row.live ? row.scratch[s.frames.latents_at + static_cast<std::size_t>(row.t * dim + d)]
                     : 0.0F;
      } else {
        const int entry = best[f * kEntries].index;
        x = sub(s.residual[(first + f) * dim + d], s.previous[entry * dim + d]);
      }
      if (chunk == 0) s.after[(first + f) * dim + d] = x;
    }
    query[f * kMaxSearchDim + d] = x;
  }
  __syncthreads();
  const int entry = chunk * kEntries + thread;
  float score[kFrames];
  const bool exists = entry < s.search.columns;
  dot<kFrames>(s.search, dim, exists ? entry : 0, query, kMaxSearchDim, score);
  for (int f = 0; f < kFrames; ++f) {
    best[f * kEntries + thread] = exists ? Best{score[f], entry} : no_candidate();
  }
  reduce<kFrames, kEntries, kEntries>(best);
  if (thread < kFrames && first + thread < s.count) {
    s.best[(first + thread) * s.chunks + chunk] = best[thread * kEntries];
  }
}

template <int kFrames, int kEntries>
cudaError_t euclidean(const RvqEncode& e, int count, cudaStream_t stream) {
  const int chunks = ceil_div(e.size, kEntries);
  const std::size_t residuals =
      static_cast<std::size_t>(count) * static_cast<std::size_t>(e.frames.dim);
  const std::size_t candidates = static_cast<std::size_t>(count) * static_cast<std::size_t>(chunks);
  for (int q = 0; q <= e.n_q; ++q) {
    const bool last = q == e.n_q;
    Stage stage{e.frames, {},      nullptr, q,       e.n_q,   chunks,
                count,    nullptr, nullptr, nullptr, nullptr, e.codes};
    if (!last) stage.search = e.books[q].search;
    if (q > 0) stage.previous = e.books[q - 1].entries;
    stage.residual = e.residual + static_cast<std::size_t>(q % 2) * residuals;
    stage.after = e.residual + static_cast<std::size_t>((q + 1) % 2) * residuals;
    stage.candidates = e.best + static_cast<std::size_t>((q + 1) % 2) * candidates;
    stage.best = e.best + static_cast<std::size_t>(q % 2) * candidates;
    const dim3 grid(static_cast<unsigned>(ceil_div(count, kFrames)),
                    last ? 1U : static_cast<unsigned>(chunks));
    const cudaError_t error = launch(search<kFrames, kEntries>, grid, kEntries, stream, stage);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace hopcodec::kernels::cuda
