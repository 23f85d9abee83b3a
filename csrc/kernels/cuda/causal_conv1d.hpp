// The causal convolution as a stand-alone operator on torch's layouts. It takes and returns the
// state:
//
//   y[b, n, t] = bias[n] + sum_{c, k} weight[n, c, k] [state | f(x)][b, c, t * stride + k *
//   dilation]
//
// The bits are those of the CPU: the products of an output are added in the order (k, c), in chains
// of 256.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "kernels/cuda/columns.hpp"

namespace hopcodec::kernels::cuda {

struct CausalConv1d {
  Columns input;
  const float* weight;  // (out, in, kernel)
  const float* bias;    // (out); null for zeros
  std::int32_t out;
  std::int32_t kernel;
  std::int32_t stride;
  std::int32_t dilation;
  float* y;          // (batch, out, frames)
  float* next;       // (batch, in, kept)
  float* workspace;  // causal_conv1d_workspace floats, aligned to 16 bytes

  int depth() const { return kernel * input.channels; }
  int total() const { return input.held + input.time; }
  int frames() const {
    const int reach = (kernel - 1) * dilation + 1;
    return total() < reach ? 0 : (total() - reach) / stride + 1;
  }
  int kept() const { return total() - frames() * stride; }
};

// Size of the workspace in floats. All pointers of `op` may be null here.
std::size_t causal_conv1d_workspace(const CausalConv1d& op);

cudaError_t causal_conv1d(const CausalConv1d& op, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
