#define HOPCODEC_ISA cuda
#include "kernels/cuda/group_norm.hpp"

#include "kernels/cuda/index.hpp"
#include "kernels/cuda/launch.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kChunk = 4096;  // columns of one channel that a block processes

struct Moments {
  double sum;
  double squares;
};

// Returns the sum over all threads to every thread.
__device__ Moments total_of(Moments mine) {
  __shared__ Moments all[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  all[thread] = mine;
  for (int width = kThreads / 2; width >= 1; width /= 2) {
    __syncthreads();
    if (thread < width) {
      all[thread].sum += all[thread + width].sum;
      all[thread].squares += all[thread + width].squares;
    }
  }
  __syncthreads();
  return all[0];
}

int chunks_of(const GroupNorm& op) { return ceil_div(op.time, kChunk); }

// Block (channel of an item, chunk) writes workspace[channel * chunks + chunk].
__global__ void __launch_bounds__(kThreads) add_moments(const GroupNorm op, const int chunks) {
  const int block = static_cast<int>(blockIdx.x);
  const int first = block % chunks * kChunk;
  const int end = first + kChunk < op.time ? first + kChunk : op.time;
  const float* x =
      op.x + static_cast<std::size_t>(block / chunks) * static_cast<std::size_t>(op.time);
  Moments mine{0.0, 0.0};
#pragma unroll 4
  for (int t = first + static_cast<int>(threadIdx.x); t < end; t += kThreads) {
    const double v = static_cast<double>(x[t]);
    mine.sum += v;
    mine.squares += v * v;
  }
  const Moments all = total_of(mine);
  if (threadIdx.x != 0) return;
  double* to = op.workspace + 2 * static_cast<std::size_t>(block);
  to[0] = all.sum;
  to[1] = all.squares;
}

__global__ void __launch_bounds__(kThreads) map_channels(const GroupNorm op, const int chunks) {
  const int block = static_cast<int>(blockIdx.x);
  const int row = block / chunks;  // (item, channel)
  const int channel = row % op.channels;
  const int width = op.channels / op.groups;
  const int group_row = row - channel % width;
  Moments mine{0.0, 0.0};
  for (int i = static_cast<int>(threadIdx.x); i < width * chunks; i += kThreads) {
    const double* from =
        op.workspace + 2 * (static_cast<std::size_t>(group_row) * static_cast<std::size_t>(chunks) +
                            static_cast<std::size_t>(i));
    mine.sum += from[0];
    mine.squares += from[1];
  }
  const Moments all = total_of(mine);
  const double count = static_cast<double>(op.time) * static_cast<double>(width);
  const double mean = all.sum / count;
  const double spread = (all.squares - all.sum * mean) / count;
  const double variance = spread > 0.0 ? spread : 0.0;
  const double inverse = 1.0 / sqrt(variance + static_cast<double>(op.eps));
  const double scale = static_cast<double>(op.weight[channel]) * inverse;
  const double shift = static_cast<double>(op.bias[channel]) - mean * scale;
  const std::size_t at = static_cast<std::size_t>(row) * static_cast<std::size_t>(op.time);
  const int first = block % chunks * kChunk;
  const int end = first + kChunk < op.time ? first + kChunk : op.time;
  for (int t = first + static_cast<int>(threadIdx.x); t < end; t += kThreads) {
    const std::size_t i = at + static_cast<std::size_t>(t);
    op.y[i] = static_cast<float>(static_cast<double>(op.x[i]) * scale + shift);
  }
}

}  // namespace

std::size_t group_norm_workspace(const GroupNorm& op) {
  return 2 * static_cast<std::size_t>(op.batch) * static_cast<std::size_t>(op.channels) *
         static_cast<std::size_t>(chunks_of(op));
}

cudaError_t group_norm(const GroupNorm& op, cudaStream_t stream) {
  const int chunks = chunks_of(op);
  const dim3 grid(static_cast<unsigned>(op.batch * op.channels * chunks));
  if (grid.x == 0) return cudaSuccess;
  const cudaError_t error = launch(add_moments, grid, kThreads, stream, op, chunks);
  return error != cudaSuccess ? error : launch(map_channels, grid, kThreads, stream, op, chunks);
}

}  // namespace hopcodec::kernels::cuda
