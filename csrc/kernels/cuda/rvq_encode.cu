#define HOPCODEC_ISA cuda
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/rvq.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kFewFrames = 8;
constexpr int kNarrow = 32;  // entries per block when frames are few
constexpr int kBroad = 128;  // and when they are many
constexpr int kShared = 8;   // frames that share a read of the entries

// One codebook's search, and the subtraction that the one before it left to do.
struct Stage {
  Frames frames;
  Matrix search;          // weight null: only settle the stage before
  const float* previous;  // entries of the stage before; null at the first
  std::int32_t q;
  std::int32_t n_q;
  std::int32_t chunks;
  std::int32_t count;      // frames of all lanes
  const float* residual;   // before the subtraction
  float* after;            // and after it
  const Best* candidates;  // of the stage before
  Best* best;
  std::uint16_t* codes;
};

template <int kFrames, int kEntries>
__global__ void __launch_bounds__(kEntries) search(const Stage s) {
  __shared__ float query[kFrames * kMaxSearchDim];
  __shared__ Best best[kFrames * kEntries];
  const int thread = static_cast<int>(threadIdx.x);
  const int chunk = static_cast<int>(blockIdx.x);
  const int first = static_cast<int>(blockIdx.y) * kFrames;
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
    const dim3 grid(last ? 1U : static_cast<unsigned>(chunks),
                    static_cast<unsigned>(ceil_div(count, kFrames)));
    const cudaError_t error = launch(search<kFrames, kEntries>, grid, kEntries, stream, stage);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

constexpr int kProjectedThreads = 128;

struct Projected {
  Frames frames;
  Book books[32];
  std::int32_t size;
  std::int32_t inner;
  std::int32_t first;  // of these books
  std::int32_t count;
  std::int32_t n_q;
  const float* residual;  // what the books before left; null: the latents
  float* after;
  std::uint16_t* codes;
};

// L2 normalisation as on the CPU (kernels/fold.cpp): in double, terms in order.
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

cudaError_t projected(const RvqEncode& e, int count, cudaStream_t stream) {
  constexpr int kBooks = 32;  // that fit a launch's parameters
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

}  // namespace

int most_chunks(int size) { return ceil_div(size, kNarrow); }

cudaError_t rvq_encode(const RvqEncode& e, cudaStream_t stream) {
  const int count = e.frames.lanes.count * e.frames.lanes.max_rows;
  if (count == 0 || e.n_q == 0) return cudaSuccess;
  if (e.books[0].project.weight != nullptr) return projected(e, count, stream);
  if (count <= kFewFrames) return euclidean<1, kNarrow>(e, count, stream);
  return euclidean<kShared, kBroad>(e, count, stream);
}

}  // namespace hopcodec::kernels::cuda
