// Finishes the results of a product: applies the output activation, adds the other side of a
// residual, and writes to the readers' buffers.
#pragma once

#include "kernels/cuda/index.hpp"
#include "kernels/cuda/pointwise.cuh"

namespace hopcodec::kernels::cuda {

// A row of a launch: its lane, and its window.
struct Row {
  float* scratch;  // scratch of the lane
  Part part;
  int t;
  bool live;
};

__device__ inline Row locate(const Lanes& lanes, int flat, int step) {
  const int lane = flat / lanes.max_rows;
  Row row;
  row.live = lane < lanes.count;
  row.t = step + flat % lanes.max_rows;
  row.scratch =
      lanes.scratch + (row.live ? static_cast<std::size_t>(lane) * lanes.scratch_step : 0);
  row.part = lanes.fixed;
  if (lanes.table != nullptr && row.live) {
    row.part =
        lanes.table[static_cast<std::size_t>(lane) * static_cast<std::size_t>(lanes.table_step)];
  }
  row.live = row.live && row.t < row.part.rows;
  return row;
}

// Start of the row's window. A row that does not exist reads the start of the buffer, and its
// result is ignored.
__device__ inline const float* window_at(const Row& row, const Source& s) {
  if (!row.live) return row.scratch + s.at;
  return row.scratch + s.at + static_cast<std::ptrdiff_t>(row.part.begin) * s.row_floats +
         static_cast<std::ptrdiff_t>(row.t) * s.step_floats;
}

__device__ inline const float* window_of(const Lanes& lanes, int flat, int step, const Source& s) {
  return window_at(locate(lanes, flat, step), s);
}

// Writes y as element `at` of the lane's result, counted from the first emitted row.
__device__ inline void deliver(const Product& p, const Row& row, std::int64_t at, int channel,
                               float y) {
#pragma unroll
  for (int s = 0; s < kMaxSinks; ++s) {
    if (s >= p.sinks) break;
    const std::int64_t first = static_cast<std::int64_t>(row.part.to[s]) * p.out_channels;
    row.scratch[static_cast<std::int64_t>(p.sink[s].at) + first + at] =
        activate(p.sink[s].activation, y, channel);
  }
}

// The values that are added to the lane's result, from its first emitted row on.
__device__ inline const float* added(const Product& p, const Row& row) {
  return row.scratch + p.add_at + static_cast<std::int64_t>(row.part.add) * p.out_channels;
}

__device__ inline void finish(const Product& p, const Row& row, int column, float y) {
  const std::int64_t at = static_cast<std::int64_t>(row.t) * p.matrix.columns + column -
                          static_cast<std::int64_t>(row.part.skip) * p.out_channels;
  if (at < 0 || at >= static_cast<std::int64_t>(row.part.emit) * p.out_channels) return;
  const int channel = column % p.out_channels;
  y = activate(p.output, y, channel);
  if (p.add_at >= 0) y = add(y, added(p, row)[at]);
  deliver(p, row, at, channel, y);
}

// Finishes four neighbouring columns, the first a multiple of four; columns beyond the matrix are
// skipped. Accesses are 16 bytes wide if the rows of the result allow it.
__device__ inline void finish_four(const Product& p, const Row& row, int column, const float4& y) {
  float four[4] = {y.x, y.y, y.z, y.w};
  if (p.out_channels % 4 != 0) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (column + i < p.matrix.columns) finish(p, row, column + i, four[i]);
    }
    return;
  }
  const std::int64_t at = static_cast<std::int64_t>(row.t) * p.matrix.columns + column -
                          static_cast<std::int64_t>(row.part.skip) * p.out_channels;
  if (at < 0 || at >= static_cast<std::int64_t>(row.part.emit) * p.out_channels) return;
  const int channel = column < p.out_channels ? column : column % p.out_channels;
#pragma unroll
  for (int i = 0; i < 4; ++i) four[i] = activate(p.output, four[i], channel + i);
  if (p.add_at >= 0) {
    const float4 other = *reinterpret_cast<const float4*>(added(p, row) + at);
    four[0] = add(four[0], other.x);
    four[1] = add(four[1], other.y);
    four[2] = add(four[2], other.z);
    four[3] = add(four[3], other.w);
  }
#pragma unroll
  for (int s = 0; s < kMaxSinks; ++s) {
    if (s >= p.sinks) break;
    const Activation& then = p.sink[s].activation;
    const std::int64_t first = static_cast<std::int64_t>(row.part.to[s]) * p.out_channels;
    float* to = row.scratch + static_cast<std::int64_t>(p.sink[s].at) + first + at;
    *reinterpret_cast<float4*>(to) = {
        activate(then, four[0], channel), activate(then, four[1], channel + 1),
        activate(then, four[2], channel + 2), activate(then, four[3], channel + 3)};
  }
}

// Finishes an LSTM unit from its four gates (Hochreiter & Schmidhuber 1997): c = f c + i g, h = o
// tanh(c).
__device__ inline void finish_cell(const Product& p, const Cell& cell, const Row& row, int unit,
                                   const float (&gate)[4]) {
  const float i = sigmoid(gate[0]);
  const float f = sigmoid(gate[1]);
  const float g = tanh(gate[2]);
  const float o = sigmoid(gate[3]);
  float* state = row.scratch + cell.cell_at + unit;
  const float c = fma(f, *state, mul(i, g));
  const float h = mul(o, tanh(c));
  *state = c;
  const std::int64_t at = static_cast<std::int64_t>(row.t) * cell.units + unit;
  row.scratch[static_cast<std::int64_t>(cell.hidden_at) + cell.units + at] = h;
  deliver(p, row, at, unit, cell.skip_at >= 0 ? add(h, row.scratch[cell.skip_at + at]) : h);
}

}  // namespace hopcodec::kernels::cuda
