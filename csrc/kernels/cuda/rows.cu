#define HOPCODEC_ISA cuda
#include "kernels/cuda/rows.hpp"

#include "kernels/cuda/index.hpp"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/pointwise.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kThreads = 128;

unsigned blocks(std::size_t n) { return static_cast<unsigned>((n + kThreads - 1) / kThreads); }

__device__ inline Move move_of(const Moves& m, int lane, int hold) {
  return m.table[static_cast<std::size_t>(lane) * static_cast<std::size_t>(m.table_step) +
                 static_cast<std::size_t>(hold)];
}

__global__ void open(const Moves m) {
  const int hold = static_cast<int>(blockIdx.x);
  const int lane = static_cast<int>(blockIdx.y);
  const int slot = m.slots[lane];
  if (slot < 0) return;
  const Hold h = m.holds[hold];
  const Move move = move_of(m, lane, hold);
  const float* from = m.states + static_cast<std::size_t>(slot) * m.state_floats + h.state_at;
  float* to = m.scratch + static_cast<std::size_t>(lane) * m.scratch_step + h.scratch_at +
              static_cast<std::ptrdiff_t>(move.open_to) * h.row_floats;
  const int floats = move.open_rows * h.row_floats;
  for (int i = static_cast<int>(threadIdx.x); i < floats; i += kThreads) to[i] = from[i];
}

__global__ void close(const Moves m) {
  const int hold = static_cast<int>(blockIdx.x);
  const int lane = static_cast<int>(blockIdx.y);
  const int slot = m.slots[lane];
  if (slot < 0) return;
  const Hold h = m.holds[hold];
  const Move move = move_of(m, lane, hold);
  float* to = m.states + static_cast<std::size_t>(slot) * m.state_floats + h.state_at;
  const float* from = m.scratch + static_cast<std::size_t>(lane) * m.scratch_step + h.scratch_at +
                      static_cast<std::ptrdiff_t>(move.close_from) * h.row_floats;
  const int floats = move.close_rows * h.row_floats;
  for (int i = static_cast<int>(threadIdx.x); i < floats; i += kThreads) to[i] = from[i];
}

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

__global__ void feed_rows(const Feed f) {
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  const int lane = static_cast<int>(blockIdx.y);
  const Lanes& lanes = f.lanes;
  const Part part =
      lanes.table == nullptr
          ? lanes.fixed
          : lanes
                .table[static_cast<std::size_t>(lane) * static_cast<std::size_t>(lanes.table_step)];
  if (i >= part.rows * f.channels) return;
  const float x =
      f.rows[static_cast<std::size_t>(lane) * f.lane_step + static_cast<std::size_t>(i)];
  float* scratch = lanes.scratch + static_cast<std::size_t>(lane) * lanes.scratch_step;
  for (int s = 0; s < f.sinks; ++s) {
    scratch[f.sink[s].at + static_cast<std::size_t>(part.to[s] * f.channels + i)] =
        activate(f.sink[s].activation, x, i % f.channels);
  }
}

__global__ void gather_rows(const Gather g) {
  const std::size_t i = static_cast<std::size_t>(blockIdx.x) * kThreads + threadIdx.x;
  const std::size_t lane = blockIdx.y;
  if (i >= g.floats) return;
  g.to[lane * g.lane_step + i] = g.scratch[lane * g.scratch_step + g.at + i];
}

dim3 grid(unsigned x, std::int32_t lanes) { return dim3(x, static_cast<unsigned>(lanes)); }

}  // namespace

cudaError_t open_states(const Moves& m, cudaStream_t stream) {
  if (m.count == 0) return cudaSuccess;
  return launch(open, grid(static_cast<unsigned>(m.count), m.lanes), kThreads, stream, m);
}

cudaError_t close_states(const Moves& m, cudaStream_t stream) {
  if (m.count == 0) return cudaSuccess;
  return launch(close, grid(static_cast<unsigned>(m.count), m.lanes), kThreads, stream, m);
}

cudaError_t pad_rows(const Pad& p, cudaStream_t stream) {
  return launch(pad, grid(blocks(static_cast<std::size_t>(p.row_floats)), p.lanes), kThreads,
                stream, p);
}

cudaError_t feed(const Feed& f, cudaStream_t stream) {
  const std::size_t floats =
      static_cast<std::size_t>(f.lanes.max_rows) * static_cast<std::size_t>(f.channels);
  if (floats == 0) return cudaSuccess;
  return launch(feed_rows, grid(blocks(floats), f.lanes.count), kThreads, stream, f);
}

cudaError_t gather(const Gather& g, cudaStream_t stream) {
  if (g.floats == 0) return cudaSuccess;
  return launch(gather_rows, grid(blocks(g.floats), g.lanes), kThreads, stream, g);
}

}  // namespace hopcodec::kernels::cuda
