// Transposes tiles of 32 channels by 32 columns in shared memory, so that global memory is read and
// written along rows.
#pragma once

#include "kernels/cuda/columns.hpp"
#include "kernels/cuda/index.hpp"
#include "kernels/cuda/pointwise.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kEdge = 32;
inline constexpr int kTransposeThreads = 256;

using TransposeTile =
    float[kEdge][kEdge + 1];  // the pitch of 33 puts a column on 32 different banks

// The inverse of alpha is computed as in layers/activation.cpp.
__device__ inline float activate_column(Pointwise kind, const float* alpha, float x, int channel) {
  if (kind != Pointwise::kSnake) return activate({kind, nullptr, nullptr}, x, channel);
  const float a = alpha[channel];
  return snake(x, a, div(1.0F, add(a, 1e-9F)));
}

// Column t of [state | f(x)].
__device__ inline float column_of(const Columns& s, int item, int channel, int t) {
  const std::size_t row = static_cast<std::size_t>(item) * static_cast<std::size_t>(s.channels) +
                          static_cast<std::size_t>(channel);
  if (t >= s.held) {
    const float x =
        s.x[row * static_cast<std::size_t>(s.time) + static_cast<std::size_t>(t - s.held)];
    return activate_column(s.activation, s.alpha, x, channel);
  }
  return s.state == nullptr
             ? 0.0F
             : s.state[row * static_cast<std::size_t>(s.held) + static_cast<std::size_t>(t)];
}

HOPCODEC_HOST_DEVICE inline int tiles_across(const Columns& s) {
  return ceil_div(s.held + s.time, kEdge);
}

HOPCODEC_HOST_DEVICE inline int tiles_of(const Columns& s) {
  return tiles_across(s) * ceil_div(s.channels, kEdge) * s.batch;
}

// Transposes tile `index` of tiles_of(s) with a block of kTransposeThreads threads.
__device__ inline void transpose_columns(const Columns& s, const ColumnsTo& to, int index,
                                         TransposeTile& tile) {
  const int across = tiles_across(s);
  const int down = ceil_div(s.channels, kEdge);
  const int item = index / (across * down);
  const int first_c = index / across % down * kEdge;
  const int first_t = index % across * kEdge;
  const int lane = static_cast<int>(threadIdx.x) % kEdge;
  const int total = s.held + s.time;
  for (int i = static_cast<int>(threadIdx.x) / kEdge; i < kEdge; i += kTransposeThreads / kEdge) {
    const int c = first_c + i;
    const int t = first_t + lane;
    if (c >= s.channels || t >= total) continue;
    const float value = column_of(s, item, c, t);
    tile[i][lane] = value;
    const int kept = t - (total - to.kept);
    if (to.next == nullptr || kept < 0) continue;
    const std::size_t row = static_cast<std::size_t>(item) * static_cast<std::size_t>(s.channels) +
                            static_cast<std::size_t>(c);
    to.next[row * static_cast<std::size_t>(to.kept) + static_cast<std::size_t>(kept)] = value;
  }
  __syncthreads();
  float* rows = to.rows + static_cast<std::size_t>(item) * to.step;
  for (int i = static_cast<int>(threadIdx.x) / kEdge; i < kEdge; i += kTransposeThreads / kEdge) {
    const int c = first_c + lane;
    const int t = first_t + i;
    if (c >= s.channels || t >= total) continue;
    rows[static_cast<std::size_t>(t) * static_cast<std::size_t>(s.channels) +
         static_cast<std::size_t>(c)] = tile[lane][i];
  }
}

}  // namespace hopcodec::kernels::cuda
