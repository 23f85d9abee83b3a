// A first launch converts torch's layouts of input and weights to the kernels' own, the product is
// that of the codecs (product.hpp), and a last launch converts the result.
#define HOPCODEC_ISA cuda
#include "kernels/cuda/causal_conv1d.hpp"

#include "kernels/cuda/prepare.cuh"

namespace hopcodec::kernels::cuda {
namespace {

struct ConvWeights {
  const float* weight;  // (out, in, kernel)
  const float* bias_of;
  std::int32_t in;
  std::int32_t out;
  std::int32_t kernel;

  __device__ float at(int group, int j, int column) const {
    const int k = group * 4 + j;
    if (k >= in * kernel || column >= out) return 0.0F;
    const std::size_t row = static_cast<std::size_t>(column) * static_cast<std::size_t>(in) +
                            static_cast<std::size_t>(k % in);
    return __ldg(weight + row * static_cast<std::size_t>(kernel) +
                 static_cast<std::size_t>(k / in));
  }
  __device__ float bias(int column) const {
    return bias_of == nullptr || column >= out ? 0.0F : bias_of[column];
  }
};

// Offsets in the workspace: for each item its rows and its results; then weights and bias.
struct WorkspaceLayout {
  std::size_t out_at;  // in the part of an item
  std::size_t step;
  std::size_t weight_at;
  std::size_t bias_at;
  std::size_t floats;
};

// The product without its addresses.
Product product_of(const CausalConv1d& op) {
  const int in = op.input.channels;
  const int frames = op.frames();
  Product p{};
  p.matrix = {nullptr, nullptr, op.out, groups_of(op.depth())};
  p.source[0] = {0, op.depth(), 1, op.depth(), 0, in, op.stride * in};
  if (op.dilation > 1) {
    p.source[0].taps = op.kernel;
    p.source[0].tap_length = in;
    p.source[0].tap_stride = op.dilation * in;
  }
  p.sources = 1;
  p.out_channels = op.out;
  p.add_at = -1;
  p.sinks = 1;
  p.lanes = {nullptr, 0, op.input.batch, frames, nullptr, 0, {frames, 0, 0, frames, {0, 0}, 0}};
  return p;
}

WorkspaceLayout workspace_layout(const CausalConv1d& op, const Product& p) {
  WorkspaceLayout at{};
  at.out_at =
      aligned(static_cast<std::size_t>(op.total()) * static_cast<std::size_t>(op.input.channels));
  at.step =
      at.out_at + aligned(static_cast<std::size_t>(op.frames()) * static_cast<std::size_t>(op.out));
  at.weight_at = at.step * static_cast<std::size_t>(op.input.batch);
  const auto columns = static_cast<std::size_t>(padded_columns(op.out));
  at.bias_at = at.weight_at + aligned(columns * static_cast<std::size_t>(p.matrix.groups) * 4);
  at.floats = at.bias_at + aligned(columns);
  return at;
}

}  // namespace

std::size_t causal_conv1d_workspace(const CausalConv1d& op) {
  return workspace_layout(op, product_of(op)).floats;
}

cudaError_t causal_conv1d(const CausalConv1d& op, cudaStream_t stream) {
  if (op.input.batch == 0) return cudaSuccess;
  Product p = product_of(op);
  const WorkspaceLayout at = workspace_layout(op, p);
  const Packing packing{op.workspace + at.weight_at, op.workspace + at.bias_at,
                        padded_columns(op.out), p.matrix.groups};
  const ConvWeights weights{op.weight, op.bias, op.input.channels, op.out, op.kernel};
  const ColumnsTo rows{op.workspace, at.step, op.next, op.kept()};
  cudaError_t error = launch_prepare(op.input, rows, weights, packing, stream);
  if (error != cudaSuccess || op.frames() == 0) return error;
  p.matrix.weight = packing.weight;
  p.matrix.bias = packing.bias;
  p.lanes.scratch = op.workspace;
  p.lanes.scratch_step = at.step;
  p.sink[0] = {at.out_at, {Pointwise::kNone, nullptr, nullptr}};
  error = product(&p, 1, stream);
  if (error != cudaSuccess) return error;
  return columns_from_rows(
      {op.workspace + at.out_at, at.step, op.y, op.input.batch, op.out, op.frames()}, stream);
}

}  // namespace hopcodec::kernels::cuda
