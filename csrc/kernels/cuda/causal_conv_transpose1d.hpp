// The causal transposed convolution as a stand-alone operator on torch's layouts. It emits `stride`
// columns per input column, and the state is the last inputs. The bits are those of the CPU.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "kernels/cuda/columns.hpp"

namespace hopcodec::kernels::cuda {

struct CausalConvTranspose1d {
  Columns input;        // held = taps - 1, no activation
  const float* weight;  // (in, out, kernel)
  const float* bias;    // (out); null for zeros
  std::int32_t out;
  std::int32_t kernel;
  std::int32_t stride;
  float* y;          // (batch, out, time * stride)
  float* next;       // (batch, in, held)
  float* workspace;  // causal_conv_transpose1d_workspace floats, aligned to 16 bytes

  int taps() const { return (kernel + stride - 1) / stride; }
};

std::size_t causal_conv_transpose1d_workspace(const CausalConvTranspose1d& op);

cudaError_t causal_conv_transpose1d(const CausalConvTranspose1d& op, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
