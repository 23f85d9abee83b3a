#define HOPCODEC_ISA cuda
#include "kernels/cuda/rows.hpp"

#include "kernels/cuda/index.hpp"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/pointwise.cuh"
#include "kernels/cuda/rows.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kThreads = 128;

unsigned blocks(std::size_t n) { return static_cast<unsigned>((n + kThreads - 1) / kThreads); }

__global__ void pad(const Pad p) {
  const int lane = static_cast<int>(blockIdx.y);
  const Padding padding =
      p.table[static_cast<std::size_t>(lane) * static_cast<std::size_t>(p.table_step)];
  float* buffer = p.scratch + static_cast<std::size_t>(lane) * p.scratch_step + p.at;
  const int c = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (c >= p.row_floats) return;
  // One thread per channel: rows padded on the right may mirror rows padded on the left.
  for (int j = 0; j < padding.left; ++j) {
    const int from = left_source(j, padding.left, padding.total);
    buffer[j * p.row_floats + c] =
        from < 0 ? 0.0F : buffer[(padding.left + from) * p.row_floats + c];
  }
  for (int i = 0; i < padding.right; ++i) {
    const int back = padding.reflect != 0
                         ? right_source(i, padding.widest_left, padding.right, padding.total)
                         : 0;
    buffer[(padding.end + i) * p.row_floats + c] =
        back == 0 ? 0.0F : buffer[(padding.end - back) * p.row_floats + c];
  }
}

__global__ void zero(const Zeros z) {
  const int place = static_cast<int>(blockIdx.x);
  const int lane = static_cast<int>(blockIdx.y);
  const Padding padding =
      z.table[static_cast<std::size_t>(lane) * static_cast<std::size_t>(z.table_step) +
              static_cast<std::size_t>(place)];
  if (padding.reflect != 0) return;
  const PadPlace p = z.places[place];
  float* to = z.scratch + static_cast<std::size_t>(lane) * z.scratch_step + p.at +
              static_cast<std::ptrdiff_t>(padding.end) * p.row_floats;
  const int floats = padding.right * p.row_floats;
  for (int i = static_cast<int>(threadIdx.x); i < floats; i += kThreads) to[i] = 0.0F;
}

__device__ inline void feed_row(const Feed& f, int i, int lane) {
  const Lanes& lanes = f.lanes;
  const Part part =
      lanes.table == nullptr
          ? lanes.fixed
          : lanes
                .table[static_cast<std::size_t>(lane) * static_cast<std::size_t>(lanes.table_step)];
  if (i >= part.rows * f.channels) return;
  const float x = f.rows[static_cast<std::size_t>(lane) * f.lane_step +
                         static_cast<std::size_t>(part.begin * f.channels + i)];
  float* scratch = lanes.scratch + static_cast<std::size_t>(lane) * lanes.scratch_step;
#pragma unroll
  for (int s = 0; s < kMaxSinks; ++s) {
    if (s >= f.sinks) break;
    scratch[f.sink[s].at + static_cast<std::size_t>(part.to[s] * f.channels + i)] =
        activate(f.sink[s].activation, x, i % f.channels);
  }
}

// The first blocks of a lane load its state, the others write its rows.
__global__ void feed_rows(const Moves m, const Feed f) {
  const int block = static_cast<int>(blockIdx.x);
  const int lane = static_cast<int>(blockIdx.y);
  if (block < m.count) return open_state(m, block, lane, kThreads);
  feed_row(f, (block - m.count) * kThreads + static_cast<int>(threadIdx.x), lane);
}

__global__ void gather_rows(const Moves m, const GatherRows g) {
  const int block = static_cast<int>(blockIdx.x);
  const int lane = static_cast<int>(blockIdx.y);
  if (block < m.count) {
    return close_state(m, block, lane, lane < m.lanes ? slot_of(m, lane) : -1, kThreads);
  }
  const std::size_t i = static_cast<std::size_t>(block - m.count) * kThreads + threadIdx.x;
  if (i >= g.floats || lane >= g.lanes) return;
  const auto l = static_cast<std::size_t>(lane);
  g.to[l * g.lane_step + i] = g.scratch[l * g.scratch_step + g.at + i];
}

dim3 grid(unsigned x, std::int32_t lanes) { return dim3(x, static_cast<unsigned>(lanes)); }

}  // namespace

cudaError_t pad_rows(const Pad& p, cudaStream_t stream) {
  return launch(pad, grid(blocks(static_cast<std::size_t>(p.row_floats)), p.lanes), kThreads,
                stream, p);
}

cudaError_t pad_zeros(const Zeros& z, cudaStream_t stream) {
  if (z.count == 0) return cudaSuccess;
  return launch(zero, grid(static_cast<unsigned>(z.count), z.lanes), kThreads, stream, z);
}

cudaError_t feed(const Feed& f, cudaStream_t stream, const Moves& opened) {
  const std::size_t floats =
      static_cast<std::size_t>(f.lanes.max_rows) * static_cast<std::size_t>(f.channels);
  const unsigned count = static_cast<unsigned>(opened.count) + blocks(floats);
  if (count == 0) return cudaSuccess;
  return launch(feed_rows, grid(count, f.lanes.count), kThreads, stream, opened, f);
}

cudaError_t gather(const GatherRows& g, cudaStream_t stream, const Moves& closed) {
  const unsigned count = static_cast<unsigned>(closed.count) + blocks(g.floats);
  if (count == 0) return cudaSuccess;
  const std::int32_t lanes = closed.count > 0 && closed.lanes > g.lanes ? closed.lanes : g.lanes;
  return launch(gather_rows, grid(count, lanes), kThreads, stream, closed, g);
}

}  // namespace hopcodec::kernels::cuda
