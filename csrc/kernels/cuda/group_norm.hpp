// Group normalisation of (batch, channels, time): statistics over a group's channels and all of
// time, in float64 as on the CPU (kernels/group_norm.hpp).
//
// The sums are a fixed tree over threads here, while the CPU adds rows in order. The statistics
// agree to about 1e-15, so a result may differ from the CPU's in its last bit.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace hopcodec::kernels::cuda {

struct GroupNorm {
  const float* x;
  const float* weight;  // (channels)
  const float* bias;
  std::int32_t batch;
  std::int32_t channels;
  std::int32_t time;
  std::int32_t groups;  // divides channels
  float eps;
  float* y;
  double* workspace;  // group_norm_workspace doubles
};

std::size_t group_norm_workspace(const GroupNorm& op);

cudaError_t group_norm(const GroupNorm& op, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
