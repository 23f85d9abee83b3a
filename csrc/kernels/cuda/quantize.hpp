// Quantisers as stand-alone operators on torch's layouts: latents (dim, time), codes (n_q, time).
// Searches, and their bits, are those of rvq.hpp.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace hopcodec::kernels::cuda {

struct Quantize {
  const float* x;          // (dim, time)
  const float* codebooks;  // (n_q, size, dim)
  std::int32_t dim;        // at most kMaxSearchDim
  std::int32_t time;
  std::int32_t n_q;
  std::int32_t size;
  bool normalised;   // L2-normalise both sides before the search; only with one codebook
  void* codes;       // (n_q, time)
  bool wide;         // codes are int32, else uint16
  float* workspace;  // quantize_workspace floats, aligned to 16 bytes
};

std::size_t quantize_workspace(const Quantize& op);

cudaError_t quantize(const Quantize& op, cudaStream_t stream);

// x[d, t] = sum over q, in order, of codebooks[q, codes[q, t], d]. The codes are in device memory
// and cannot be checked without waiting for it, so a code beyond its codebook gives NaN.
struct Dequantize {
  const void* codes;  // (n_q, time), int32 or uint16
  bool wide;
  const float* codebooks;  // (>= n_q, size, dim)
  std::int32_t dim;
  std::int32_t time;
  std::int32_t n_q;
  std::int32_t size;
  float* x;  // (dim, time)
};

cudaError_t dequantize(const Dequantize& op, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
