// Residual vector quantisation (layers/rvq.hpp) of many frames at once: score, find the best entry,
// subtract it, and go on with the next codebook. Scores are x . e - |e|^2 / 2. The lowest index
// wins ties.
//
// Euclidean codebooks: one launch per codebook (rvq_staged.cuh). Each block scores a
// part of the entries. The next launch begins by reducing the results, in every block, so that no
// launch waits for a reduction.
//
// Projected codebooks (DAC) are small, and one block runs all codebooks of a frame
// (rvq_projected.cuh).
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/product.hpp"
#include "kernels/cuda/rows.hpp"

namespace hopcodec::kernels::cuda {

// Of a Euclidean search; a frame is kept in shared memory.
inline constexpr int kMaxSearchDim = 512;
inline constexpr int kMaxProjectedDim = 2048;  // of a latent; it is kept in shared memory
inline constexpr int kMaxInnerDim = 32;        // of a projected entry

struct Best {
  float score;
  std::int32_t index;
};

// The frames of a step, lane by lane, `lanes.max_rows` each. The latents are in the scratch.
struct Frames {
  Lanes lanes;
  std::size_t latents_at;
  std::int32_t dim;
};

struct Book {
  Matrix search;         // depth inner, columns size: the entries, normalised if projected
  const float* entries;  // (size, inner)
  Matrix project;        // depth dim, columns inner; weight null if not projected
  Matrix unproject;      // depth inner, columns dim
};

struct RvqEncode {
  Frames frames;
  const Book* books;  // host memory
  std::int32_t size;
  std::int32_t inner;
  std::int32_t n_q;
  float* residual;       // 2 * frames * dim
  Best* best;            // 2 * frames * chunks_of(size)
  std::uint16_t* codes;  // (frame, n_q)
};

// Upper bound of the parts that a codebook is split into; `best` needs room for this many per
// frame.
int most_chunks(int size);

cudaError_t rvq_encode(const RvqEncode& encode, cudaStream_t stream);

// latent = sum of the first n_q entries, added to zero in the order of the codebooks and written to
// the sinks. n_q is read per lane, because the caller may change it from push to push.
struct RvqDecode {
  const Book* books;           // device memory
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

// The same launch loads states into the scratch, like feed().
cudaError_t rvq_decode(const RvqDecode& decode, cudaStream_t stream, const Moves& opened = {});

}  // namespace hopcodec::kernels::cuda
