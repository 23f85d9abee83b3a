#define HOPCODEC_ISA cuda
#include "kernels/cuda/lstm.hpp"

#include "kernels/cuda/prepare.cuh"

namespace hopcodec::kernels::cuda {
namespace {

// The input and recurrent weights, concatenated in depth. The four gates of a unit are neighbouring
// columns.
struct GateWeights {
  const float* weight_ih;
  const float* weight_hh;
  const float* bias_ih;
  const float* bias_hh;
  std::int32_t units;

  __device__ int row_of(int column) const { return column % 4 * units + column / 4; }
  __device__ float at(int group, int j, int column) const {
    const int first = groups_of(units);
    const bool recurrent = group >= first;
    const int k = (recurrent ? group - first : group) * 4 + j;
    if (k >= units) return 0.0F;
    const std::size_t row = static_cast<std::size_t>(row_of(column));
    return __ldg((recurrent ? weight_hh : weight_ih) + row * static_cast<std::size_t>(units) +
                 static_cast<std::size_t>(k));
  }
  __device__ float bias(int column) const {
    return add(bias_ih[row_of(column)], bias_hh[row_of(column)]);
  }
};

// Offsets in the workspace: rows of x; hidden rows 0 (before the first step) to `time`; the cell;
// weights; bias.
struct WorkspaceLayout {
  std::size_t hidden_at;
  std::size_t cell_at;
  std::size_t weight_at;
  std::size_t bias_at;
  std::size_t floats;
};

WorkspaceLayout workspace_layout(const Lstm& op) {
  const auto units = static_cast<std::size_t>(op.units);
  const auto time = static_cast<std::size_t>(op.time);
  WorkspaceLayout p{};
  p.hidden_at = aligned(time * units);
  p.cell_at = p.hidden_at + aligned((time + 1) * units);
  p.weight_at = p.cell_at + aligned(units);
  p.bias_at =
      p.weight_at + aligned(4 * units * 2 * static_cast<std::size_t>(groups_of(op.units)) * 4);
  p.floats = p.bias_at + aligned(4 * units);
  return p;
}

cudaError_t copy(float* to, const float* from, int floats, cudaStream_t stream) {
  const std::size_t bytes = static_cast<std::size_t>(floats) * sizeof(float);
  if (from == nullptr) return cudaMemsetAsync(to, 0, bytes, stream);
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}

cudaError_t steps(const Lstm& op, const WorkspaceLayout& at, const Packing& packing,
                  cudaStream_t stream) {
  const int n = op.units;
  Product p{};
  p.matrix = {packing.weight, packing.bias, 4 * n, packing.groups};
  p.source[0] = {0, n, 1, n, 0, n, n};
  p.source[1] = {at.hidden_at, n, 1, n, 0, n, n};
  p.sources = 2;
  p.out_channels = n;
  p.add_at = -1;
  p.lanes = {op.workspace, 0, 1, 1, nullptr, 0, {op.time, 0, 0, op.time, {0, 0}, 0}};
  for (int t = 0; t < op.time; ++t) {
    const cudaError_t error = lstm_step(p, {n, t, at.cell_at, at.hidden_at, -1}, stream);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace

std::size_t lstm_workspace(const Lstm& op) { return workspace_layout(op).floats; }

cudaError_t lstm(const Lstm& op, cudaStream_t stream) {
  const WorkspaceLayout at = workspace_layout(op);
  const int n = op.units;
  float* hidden = op.workspace + at.hidden_at;
  float* cell = op.workspace + at.cell_at;
  const Columns columns{op.x, nullptr, nullptr, Pointwise::kNone, 1, n, op.time, 0};
  const Packing packing{op.workspace + at.weight_at, op.workspace + at.bias_at, 4 * n,
                        2 * groups_of(n)};
  const GateWeights weights{op.weight_ih, op.weight_hh, op.bias_ih, op.bias_hh, n};
  cudaError_t error = copy(hidden, op.hidden, n, stream);
  if (error == cudaSuccess) error = copy(cell, op.cell, n, stream);
  if (error == cudaSuccess) {
    error = launch_prepare(columns, {op.workspace, 0, nullptr, 0}, weights, packing, stream);
  }
  if (error == cudaSuccess) error = steps(op, at, packing, stream);
  if (error == cudaSuccess) {
    error = columns_from_rows({hidden + n, 0, op.y, 1, n, op.time}, stream);
  }
  if (error == cudaSuccess) {
    error =
        copy(op.next_hidden,
             hidden + static_cast<std::size_t>(op.time) * static_cast<std::size_t>(n), n, stream);
  }
  return error != cudaSuccess ? error : copy(op.next_cell, cell, n, stream);
}

}  // namespace hopcodec::kernels::cuda
