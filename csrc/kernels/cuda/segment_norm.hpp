// Group normalisation over all channels and all rows of a segment (layers/group_norm.hpp) for many
// lanes. Sums are float64, one per channel, with rows in order, so the bits are those of the CPU.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/lane.hpp"

namespace hopcodec::kernels::cuda {

// In a lane's Part, `rows` count in the statistics, and `emit` rows are emitted from `skip` on.
struct SegmentNorm {
  std::size_t at;  // offset of the rows
  std::int32_t channels;
  const float* weight;
  const float* bias;
  float eps;
  std::size_t moments_at;  // two doubles per channel: sums, squares
  std::size_t map_at;      // two doubles per channel: scale, shift
  std::ptrdiff_t add_at;   // offset of rows to add to the result, or -1
  Sink sink[kMaxSinks];
  std::int32_t sinks;
  Lanes lanes;
};

cudaError_t segment_norm(const SegmentNorm& norm, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
