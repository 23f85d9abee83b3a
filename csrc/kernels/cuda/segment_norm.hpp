// Group normalisation over all channels and all rows of a segment (layers/group_norm.hpp), for many
// lanes. Sums are float64, per channel, rows in order: the CPU's, and so are the bits.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/lane.hpp"

namespace hopcodec::kernels::cuda {

// Of a lane's Part: `rows` take part in the statistics, `emit` of them are given from `skip` on.
struct SegmentNorm {
  std::size_t at;  // the rows
  std::int32_t channels;
  const float* weight;
  const float* bias;
  float eps;
  std::size_t moments_at;  // two doubles per channel: sums, squares
  std::size_t map_at;      // likewise: scale, shift
  std::ptrdiff_t add_at;   // rows added to the result, or -1
  Sink sink[kMaxSinks];
  std::int32_t sinks;
  Lanes lanes;
};

cudaError_t segment_norm(const SegmentNorm& norm, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
