// With few rows, as in a stream, one launch reads torch's layouts directly. With many rows, a first
// launch converts rows and weights to the kernels' layout, and the product is that of the codecs
// (product.hpp).
#define HOPCODEC_ISA cuda
#include "kernels/cuda/causal_conv1d.hpp"

#include "kernels/cuda/causal_conv1d_few.cuh"
#include "kernels/cuda/prepare.cuh"
#include "kernels/cuda/split.cuh"

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

// Torch's layout has the taps next to each other, ours has them farthest apart. A block transposes
// a range of channels of one panel in shared memory, so that every float is read once.
struct PackStretches {
  static constexpr int kStretch = 4 * kTransposeThreads;  // floats of one column
  static constexpr int kPitch = kStretch + 9;             // avoids bank conflicts between columns
  static constexpr int kFloats = kPanelColumns * kPitch;

  static bool can(const ConvWeights& w) {
    return w.kernel > 1 && w.in % 4 == 0 && w.kernel <= kStretch / 4;
  }
  HOPCODEC_HOST_DEVICE static int channels(const ConvWeights& w) {
    return kStretch / w.kernel / 4 * 4;
  }
  static int blocks(const ConvWeights& w, const Packing& to) {
    return to.columns / kPanelColumns * ceil_div(w.in, channels(w));
  }
  __device__ static void run(const ConvWeights& w, const Packing& to, int block, float* tile) {
    const int thread = static_cast<int>(threadIdx.x);
    const int stretches = ceil_div(w.in, channels(w));
    const int panel = block / stretches;
    const int first = block % stretches * channels(w);
    const int count = first + channels(w) < w.in ? channels(w) : w.in - first;
#pragma unroll
    for (int n = 0; n < kPanelColumns; ++n) {
      const int column = panel * kPanelColumns + n;
      const float* from =
          w.weight + (static_cast<std::size_t>(column) * static_cast<std::size_t>(w.in) +
                      static_cast<std::size_t>(first)) *
                         static_cast<std::size_t>(w.kernel);
#pragma unroll
      for (int j = 0; j < kStretch / kTransposeThreads; ++j) {
        const int i = thread + j * kTransposeThreads;
        if (i >= count * w.kernel) continue;
        tile[n * kPitch + i] = column < w.out ? __ldg(from + i) : 0.0F;
      }
    }
    __syncthreads();
    auto* packed = reinterpret_cast<float4*>(to.weight) + static_cast<std::size_t>(panel) *
                                                              static_cast<std::size_t>(to.groups) *
                                                              kPanelColumns;
    for (int i = thread; i < count * w.kernel; i += kTransposeThreads) {
      const int tap = i / count;
      const int group = i % count / 4;
      const float* x = tile + i % 4 * kPitch + group * 4 * w.kernel + tap;
      packed[((tap * w.in + first) / 4 + group) * kPanelColumns + i % 4] = {
          x[0], x[w.kernel], x[2 * w.kernel], x[3 * w.kernel]};
    }
    const int column = panel * kPanelColumns + thread;
    if (first == 0 && thread < kPanelColumns) to.bias[column] = w.bias(column);
  }
};

// Offsets in the workspace: for each item its rows, and its results or chain sums; then weights and
// bias.
struct WorkspaceLayout {
  std::size_t out_at;  // in the part of an item
  std::size_t step;
  std::size_t partial_at;
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
  const bool split = can_split(p);
  at.out_at =
      aligned(static_cast<std::size_t>(op.total()) * static_cast<std::size_t>(op.input.channels));
  at.step =
      at.out_at +
      (split ? 0
             : aligned(static_cast<std::size_t>(op.frames()) * static_cast<std::size_t>(op.out)));
  at.partial_at = at.step * static_cast<std::size_t>(op.input.batch);
  at.weight_at = at.partial_at + (split ? aligned(split_floats(p)) : 0);
  const auto columns = static_cast<std::size_t>(padded_columns(op.out));
  at.bias_at = at.weight_at + aligned(columns * static_cast<std::size_t>(p.matrix.groups) * 4);
  at.floats = at.bias_at + aligned(columns);
  return at;
}

cudaError_t many_rows(const CausalConv1d& op, cudaStream_t stream) {
  Product p = product_of(op);
  const WorkspaceLayout at = workspace_layout(op, p);
  const Packing packing{op.workspace + at.weight_at, op.workspace + at.bias_at,
                        padded_columns(op.out), p.matrix.groups};
  const ConvWeights weights{op.weight, op.bias, op.input.channels, op.out, op.kernel};
  const ColumnsTo rows{op.workspace, at.step, op.next, op.kept()};
  cudaError_t error = PackStretches::can(weights)
                          ? launch_prepare<PackStretches>(op.input, rows, weights, packing, stream)
                          : launch_prepare<PackEach>(op.input, rows, weights, packing, stream);
  if (error != cudaSuccess || op.frames() == 0) return error;
  p.matrix.weight = packing.weight;
  p.matrix.bias = packing.bias;
  p.lanes.scratch = op.workspace;
  p.lanes.scratch_step = at.step;
  if (can_split(p)) return split_product({p, op.workspace + at.partial_at, op.y, 1}, stream);
  p.sink[0] = {at.out_at, {Pointwise::kNone, nullptr, nullptr}};
  error = product(&p, 1, stream);
  if (error != cudaSuccess) return error;
  return columns_from_rows(
      {op.workspace + at.out_at, at.step, op.y, op.input.batch, op.out, op.frames()}, stream);
}

}  // namespace

std::size_t causal_conv1d_workspace(const CausalConv1d& op) {
  return few_shape(op).rows > 0 ? 0 : workspace_layout(op, product_of(op)).floats;
}

cudaError_t causal_conv1d(const CausalConv1d& op, cudaStream_t stream) {
  if (op.input.batch == 0) return cudaSuccess;
  const FewShape shape = few_shape(op);
  if (shape.rows == 0) return many_rows(op, stream);
  const dim3 grid(static_cast<unsigned>(ceil_div(op.out, shape.columns)),
                  static_cast<unsigned>(shape.row_blocks));
  return launch(few, grid, kFewThreads, stream, op, shape);
}

}  // namespace hopcodec::kernels::cuda
