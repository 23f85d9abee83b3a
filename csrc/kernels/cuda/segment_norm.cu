#define HOPCODEC_ISA cuda
#include "kernels/cuda/segment_norm.hpp"

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/launch.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kChannels = 32;  // channels of a block, read side by side by a warp

__device__ inline double* doubles(const Row& row, std::size_t at) {
  return reinterpret_cast<double*>(row.scratch + at);
}

// One thread per channel, because its two sums must be added in the order of the rows.
__global__ void moments(const SegmentNorm n) {
  const int channel = static_cast<int>(blockIdx.x) * kChannels + static_cast<int>(threadIdx.x);
  if (channel >= n.channels) return;
  const Row row = locate(n.lanes, static_cast<int>(blockIdx.y) * n.lanes.max_rows, 0);
  const float* x = row.scratch + n.at + channel;
  double sum = 0.0;
  double squares = 0.0;
#pragma unroll 16
  for (int t = 0; t < row.part.rows; ++t) {
    const auto v = static_cast<double>(x[static_cast<std::ptrdiff_t>(t) * n.channels]);
    sum += v;
    squares += v * v;
  }
  doubles(row, n.moments_at)[channel] = sum;
  doubles(row, n.moments_at)[n.channels + channel] = squares;
}

// Like kernels/group_norm.cpp, with one group.
__global__ void make_map(const SegmentNorm n) {
  __shared__ double mean;
  __shared__ double inverse;
  const int thread = static_cast<int>(threadIdx.x);
  const Row row = locate(n.lanes, static_cast<int>(blockIdx.x) * n.lanes.max_rows, 0);
  if (row.part.rows == 0) return;
  if (thread == 0) {
    const double* sum = doubles(row, n.moments_at);
    const double* squares = sum + n.channels;
    double total = 0.0;
    double square = 0.0;
    for (int c = 0; c < n.channels; ++c) {
      total += sum[c];
      square += squares[c];
    }
    const double count = static_cast<double>(static_cast<std::int64_t>(row.part.rows) * n.channels);
    const double centre = total / count;
    const double spread = (square - total * centre) / count;
    mean = centre;
    inverse = 1.0 / sqrt((spread > 0.0 ? spread : 0.0) + static_cast<double>(n.eps));
  }
  __syncthreads();
  double* scale = doubles(row, n.map_at);
  for (int c = thread; c < n.channels; c += kThreads) {
    scale[c] = static_cast<double>(n.weight[c]) * inverse;
    scale[n.channels + c] = static_cast<double>(n.bias[c]) - mean * scale[c];
  }
}

__global__ void apply(const SegmentNorm n) {
  const std::int64_t i =
      static_cast<std::int64_t>(blockIdx.x) * kThreads + static_cast<std::int64_t>(threadIdx.x);
  const Row row = locate(n.lanes, static_cast<int>(blockIdx.y) * n.lanes.max_rows, 0);
  if (i >= static_cast<std::int64_t>(row.part.emit) * n.channels) return;
  const int channel = static_cast<int>(i % n.channels);
  const double* scale = doubles(row, n.map_at);
  const float x =
      row.scratch[n.at +
                  static_cast<std::size_t>(row.part.skip) * static_cast<std::size_t>(n.channels) +
                  static_cast<std::size_t>(i)];
  float y =
      static_cast<float>(static_cast<double>(x) * scale[channel] + scale[n.channels + channel]);
  if (n.add_at >= 0) y = add(y, row.scratch[n.add_at + i]);
  for (int s = 0; s < n.sinks; ++s) {
    const std::int64_t first = static_cast<std::int64_t>(row.part.to[s]) * n.channels;
    row.scratch[static_cast<std::int64_t>(n.sink[s].at) + first + i] =
        activate(n.sink[s].activation, y, channel);
  }
}

}  // namespace

cudaError_t segment_norm(const SegmentNorm& n, cudaStream_t stream) {
  if (n.lanes.max_rows == 0) return cudaSuccess;
  const auto lanes = static_cast<unsigned>(n.lanes.count);
  const std::int64_t values = static_cast<std::int64_t>(n.lanes.max_rows) * n.channels;
  cudaError_t error =
      launch(moments, dim3(static_cast<unsigned>(ceil_div(n.channels, kChannels)), lanes),
             kChannels, stream, n);
  if (error != cudaSuccess) return error;
  error = launch(make_map, dim3(lanes), kThreads, stream, n);
  if (error != cudaSuccess) return error;
  return launch(apply, dim3(static_cast<unsigned>((values + kThreads - 1) / kThreads), lanes),
                kThreads, stream, n);
}

}  // namespace hopcodec::kernels::cuda
