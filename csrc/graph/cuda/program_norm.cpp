// Group norms in a Program. A chain with a group norm runs once, on the whole stream.
#include <algorithm>
#include <cmath>
#include <string>

#include "base/integers.hpp"
#include "graph/cuda/trace_memory.hpp"
#include "layers/expect.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;
using base::usize;

// Reserves the part of the state that layers::Gather uses. It is unused on the device, because the
// session collects the rows on the host.
void Program::gather() {
  Edge& in = edges_[0];
  whole_ = true;
  gather_at_ = state_.take(layers::floats_of<layers::Gather::Header>());
  held_at_ = state_.take(usize(in.max_rows) * usize(in.channels));
  in.lookahead = in.max_rows * in.row_samples;
}

int Program::add(const layers::GroupNormWeights& w, int in) {
  const Edge from = edges_[usize(in)];
  layers::expect_channels("group_norm", from.channels, w.channels);
  if (!whole_) {
    throw std::invalid_argument("group_norm: expected a Gather before it, got none");
  }
  const std::size_t channels = usize(w.channels);
  NormNode norm{w, {}};
  norm.norm.at = scratch_.take(usize(from.max_rows) * channels);
  norm.norm.channels = w.channels;
  norm.norm.weight = constants_.floats(w.weight, channels);
  norm.norm.bias = constants_.floats(w.bias, channels);
  norm.norm.eps = w.eps;
  norm.norm.moments_at = scratch_.take(2 * channels * layers::floats_of<double>());
  norm.norm.map_at = scratch_.take(2 * channels * layers::floats_of<double>());
  Node node{.layer = NormNode{},
            .in = in,
            .operation = operations_++,
            .max_windows = from.max_rows,
            .buffer_at = norm.norm.at};
  node.inlet = add_inlet(in, norm.norm.at, {});
  node.product.add_at = -1;
  node.out = add_edge(w.channels, from.max_rows, from.row_samples, from.lookahead);
  node.layer = std::move(norm);
  return nodes_[usize(add_node(std::move(node)))].out;
}

gpu::Part Program::trace_norm(const Node& node, const NormNode& norm, TraceMemory& memory) const {
  const Passage& in = memory.edges[usize(node.in)];
  const int trim_left = norm.weights.trim_left;
  const int rows = std::max(0, in.rows() - trim_left - norm.weights.trim_right);
  memory.edges[usize(node.out)] = {0, rows, in.last};
  memory.inlet_rows[usize(node.inlet)] = 0;
  return {.rows = in.rows(), .begin = 0, .skip = trim_left, .emit = rows, .to = {}, .add = 0};
}

void Program::enqueue_norm(const Node& node, const StepLanes& lanes, cudaStream_t stream) const {
  gpu::SegmentNorm norm = std::get<NormNode>(node.layer).norm;
  norm.add_at = node.product.add_at;
  norm.sinks = node.product.sinks;
  std::copy_n(node.product.sink, norm.sinks, norm.sink);
  norm.lanes = lanes_of(lanes, node.operation, node.max_windows);
  check(gpu::segment_norm(norm, stream), "normalise a segment");
}

}  // namespace hopcodec::graph::cuda
