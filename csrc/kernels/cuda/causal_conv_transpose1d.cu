// One product, as in layers/conv_transpose1d: the `stride` outputs that become final with an input
// are a window of `taps` inputs times a matrix of stride * out columns.
#define HOPCODEC_ISA cuda
#include "kernels/cuda/causal_conv_transpose1d.hpp"

#include "kernels/cuda/prepare.cuh"

namespace hopcodec::kernels::cuda {
namespace {

struct TransposeWeights {
  const float* weight;  // (in, out, kernel)
  const float* bias_of;
  std::int32_t in;
  std::int32_t out;
  std::int32_t kernel;
  std::int32_t stride;
  std::int32_t taps;

  // Row `tap` of a window is the input from taps - 1 - tap steps ago; column = (phase, channel).
  __device__ float at(int group, int j, int column) const {
    const int k = group * 4 + j;
    if (k >= in * taps || column >= out * stride) return 0.0F;
    const int place = column / out + (taps - 1 - k / in) * stride;
    if (place >= kernel) return 0.0F;
    const std::size_t row = static_cast<std::size_t>(k % in) * static_cast<std::size_t>(out) +
                            static_cast<std::size_t>(column % out);
    return __ldg(weight + row * static_cast<std::size_t>(kernel) + static_cast<std::size_t>(place));
  }
  __device__ float bias(int column) const {
    return bias_of == nullptr || column >= out * stride ? 0.0F : bias_of[column % out];
  }
};

struct WorkspaceLayout {
  std::size_t out_at;  // in the part of an item
  std::size_t step;
  std::size_t weight_at;
  std::size_t bias_at;
  std::size_t floats;
};

// The product without its addresses.
Product product_of(const CausalConvTranspose1d& op) {
  const int in = op.input.channels;
  const int depth = op.taps() * in;
  const int time = op.input.time;
  Product p{};
  p.matrix = {nullptr, nullptr, op.out * op.stride, groups_of(depth)};
  p.source[0] = {0, depth, 1, depth, 0, in, in};
  p.sources = 1;
  p.out_channels = op.out;
  p.add_at = -1;
  p.sinks = 1;
  p.lanes = {
      nullptr, 0, op.input.batch, time, nullptr, 0, {time, 0, 0, time * op.stride, {0, 0}, 0}};
  return p;
}

WorkspaceLayout workspace_layout(const CausalConvTranspose1d& op, const Product& p) {
  WorkspaceLayout at{};
  const auto time = static_cast<std::size_t>(op.input.time);
  at.out_at = aligned(static_cast<std::size_t>(op.input.held + op.input.time) *
                      static_cast<std::size_t>(op.input.channels));
  at.step = at.out_at + aligned(time * static_cast<std::size_t>(p.matrix.columns));
  at.weight_at = at.step * static_cast<std::size_t>(op.input.batch);
  const auto columns = static_cast<std::size_t>(padded_columns(p.matrix.columns));
  at.bias_at = at.weight_at + aligned(columns * static_cast<std::size_t>(p.matrix.groups) * 4);
  at.floats = at.bias_at + aligned(columns);
  return at;
}

}  // namespace

std::size_t causal_conv_transpose1d_workspace(const CausalConvTranspose1d& op) {
  return workspace_layout(op, product_of(op)).floats;
}

cudaError_t causal_conv_transpose1d(const CausalConvTranspose1d& op, cudaStream_t stream) {
  if (op.input.batch == 0) return cudaSuccess;
  Product p = product_of(op);
  const WorkspaceLayout at = workspace_layout(op, p);
  const Packing packing{op.workspace + at.weight_at, op.workspace + at.bias_at,
                        padded_columns(p.matrix.columns), p.matrix.groups};
  const TransposeWeights weights{op.weight, op.bias,   op.input.channels, op.out,
                                 op.kernel, op.stride, op.taps()};
  cudaError_t error = launch_prepare(op.input, {op.workspace, at.step, op.next, op.input.held},
                                     weights, packing, stream);
  if (error != cudaSuccess || op.input.time == 0) return error;
  p.matrix.weight = packing.weight;
  p.matrix.bias = packing.bias;
  p.lanes.scratch = op.workspace;
  p.lanes.scratch_step = at.step;
  p.sink[0] = {at.out_at, {Pointwise::kNone, nullptr, nullptr}};
  error = product(&p, 1, stream);
  if (error != cudaSuccess) return error;
  const int rows = op.input.time * op.stride;
  return columns_from_rows({op.workspace + at.out_at, at.step, op.y, op.input.batch, op.out, rows},
                           stream);
}

}  // namespace hopcodec::kernels::cuda
