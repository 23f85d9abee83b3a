// Residual vector quantisation (layers/rvq.hpp), many frames at once: score, best entry, subtract,
// next codebook. Scores are x . e - |e|^2 / 2; the lowest index wins ties.
//
// Euclidean: one launch for all codebooks, where a GPU has clusters of blocks (compute capability
// 9.0) and the shared memory of a data centre's: a cluster holds the residuals of some frames, each
// of its blocks scores a share of every codebook's entries, and they tell each other what they
// found (rvq_cluster.cuh). Elsewhere one launch per codebook: blocks take a share of the entries
// each; which entry won is found at the start of the next launch, by every block for itself, so
// that nothing waits in between. Projected (DAC): a codebook is small, and one block does all
// stages of a frame.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/product.hpp"
#include "kernels/cuda/rows.hpp"

namespace hopcodec::kernels::cuda {

inline constexpr int kMaxSearchDim = 512;      // of a Euclidean search, held in shared memory
inline constexpr int kMaxProjectedDim = 2048;  // of a latent, likewise
inline constexpr int kMaxInnerDim = 32;        // of a projected entry

struct Best {
  float score;
  std::int32_t index;
};

// The frames of a step: lane by lane, `lanes.max_rows` each, latents in the scratch.
struct Frames {
  Lanes lanes;
  std::size_t latents_at;
  std::int32_t dim;
};

struct Book {
  Matrix search;         // depth inner, columns size: the entries, normalised when projected
  const float* entries;  // (size, inner)
  Matrix project;        // depth dim, columns inner; weight null when not projected
  Matrix unproject;      // depth inner, columns dim
};

struct RvqEncode {
  Frames frames;
  const Book* books;  // on the host
  std::int32_t size;
  std::int32_t inner;
  std::int32_t n_q;
  float* residual;       // 2 * frames * dim
  Best* best;            // 2 * frames * chunks_of(size)
  std::uint16_t* codes;  // (frame, n_q)
};

// How many shares the entries of a codebook may be cut into: what `best` must hold per frame.
int most_chunks(int size);

cudaError_t rvq_encode(const RvqEncode& encode, cudaStream_t stream);

// latent = sum of the first n_q entries, in codebook order from zero, given to the sinks. n_q is
// read per lane, because the caller may change it from push to push.
struct RvqDecode {
  const Book* books;           // on the device
  const std::uint16_t* codes;  // (lane, frames_step, books_step)
  const std::int32_t* n_q;     // per lane
  std::int32_t books_step;
  std::int32_t frames_step;
  std::int32_t size;
  std::int32_t inner;
  std::int32_t dim;
  Sink sink[kMaxSinks];
  std::int32_t sinks;
  Lanes lanes;
};

// The same launch puts states into the scratch, as feed() does.
cudaError_t rvq_decode(const RvqDecode& decode, cudaStream_t stream, const Moves& opened = {});

}  // namespace hopcodec::kernels::cuda
