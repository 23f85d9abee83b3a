// Group norms in a Program. A chain with a group norm runs once, on the whole stream.
#include <algorithm>
#include <cmath>
#include <string>

#include "base/integers.hpp"
#include "graph/cuda/walk.hpp"
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
    throw std::invalid_argument("group_norm: expected its stream gathered beforehand");
  }
  const std::size_t channels = usize(w.channels);
  Norm norm{w, {}};
  norm.norm.at = scratch_.take(usize(from.max_rows) * channels);
  norm.norm.channels = w.channels;
  norm.norm.weight = constants_.floats(w.weight, channels);
  norm.norm.bias = constants_.floats(w.bias, channels);
  norm.norm.eps = w.eps;
  norm.norm.moments_at = scratch_.take(2 * channels * layers::floats_of<double>());
  norm.norm.map_at = scratch_.take(2 * channels * layers::floats_of<double>());
  Stage stage{Norm{}, in, 0, operations_++, 0, kNone, kNone, from.max_rows, norm.norm.at, 0, {}};
  stage.inlet = add_inlet(in, norm.norm.at, {});
  stage.product.add_at = -1;
  stage.out = add_edge(w.channels, from.max_rows, from.row_samples, from.lookahead);
  stage.layer = std::move(norm);
  return stages_[usize(add_stage(std::move(stage)))].out;
}

gpu::Part Program::walk_norm(const Stage& stage, const Norm& norm, Walk& walk) const {
  const Passage& in = walk.edges[usize(stage.in)];
  const int trim_left = norm.weights.trim_left;
  const int rows = std::max(0, in.rows() - trim_left - norm.weights.trim_right);
  walk.edges[usize(stage.out)] = {0, rows, in.last};
  walk.inlet_rows[usize(stage.inlet)] = 0;
  return {in.rows(), 0, trim_left, rows, {}, 0};
}

void Program::enqueue_norm(const Stage& stage, const Lanes& lanes, cudaStream_t stream) const {
  gpu::SegmentNorm norm = std::get<Norm>(stage.layer).norm;
  norm.add_at = stage.product.add_at;
  norm.sinks = stage.product.sinks;
  std::copy_n(stage.product.sink, norm.sinks, norm.sink);
  norm.lanes = lanes_of(lanes, stage.operation, stage.max_windows);
  check(gpu::segment_norm(norm, stream), "normalise a segment");
}

}  // namespace hopcodec::graph::cuda
