// A truncated chain (layers/truncated.hpp) on the GPU. It runs one step at a time.
//
// Each layer has a second node that computes what the layer would emit if the stream ended here. It
// works in the same buffer, behind the rows of the step, and its rows are never copied back to the
// state. The two nodes do not depend on each other and share a launch. So no state is copied, and
// with one stream the flush adds hardly a launch.
#include <algorithm>
#include <cmath>
#include <string>

#include "base/integers.hpp"
#include "graph/cuda/trace_memory.hpp"
#include "layers/truncated.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;
using base::usize;

void Program::add_flush(int node, int max_windows, std::int64_t out_rows) {
  Node flush = nodes_[usize(node)];
  const Edge out = edges_[usize(flush.out)];
  flush.flush_of = node;
  flush.in = edges_[usize(flush.in)].flush;
  flush.operation = operations_++;
  flush.inlet = add_inlet(flush.in, flush.buffer_at, inlets_[usize(flush.inlet)].activation);
  flush.state_part = kNone;
  flush.pad = add_pad(flush.buffer_at, flush.product.source[0].row_floats);
  flush.max_windows = max_windows;
  flush.out = add_edge(out.channels, out_rows, out.row_samples, out.lookahead);
  edges_[usize(nodes_[usize(node)].out)].flush = flush.out;
  nodes_.push_back(std::move(flush));
  Launch& launch = launches_.back();
  launch.node[launch.count++] = static_cast<int>(nodes_.size()) - 1;
}

void Program::add_flush(Queue queue, std::size_t rows_at) {
  queue.flush_of = static_cast<int>(queues_.size()) - 1;
  queue.shortcut = edges_[usize(queue.shortcut)].flush;
  queue.branch = edges_[usize(queue.branch)].flush;
  queue.joins = producer_of(queue.branch);
  queue.state_part = kNone;
  queue.inlet = add_inlet(queue.shortcut, rows_at, {});
  nodes_[usize(queue.joins)].product.add_at = static_cast<std::ptrdiff_t>(rows_at);
  queues_.push_back(queue);
}

int Program::add(const std::shared_ptr<const layers::TruncatedWeights>& w, int in) {
  w->check();
  const Edge from = edges_[usize(in)];
  if (!nodes_.empty() || w->step != from.max_rows) {
    refuse("a truncated chain that is first and takes one frame per step, got one with " +
           std::to_string(w->step) + " rows per step behind " + std::to_string(nodes_.size()) +
           " layers");
  }
  const auto is_lstm = [](const auto& l) { return std::holds_alternative<layers::LstmWeights>(l); };
  // An LSTM updates its cell in place, so a flush would change the state.
  if (std::any_of(w->layers.begin(), w->layers.end(), is_lstm)) {
    refuse("a truncated chain without LSTM, got one with an LSTM");
  }
  const std::size_t header_at = state_.take(layers::floats_of<layers::Truncated::Header>());
  const int flush = add_edge(from.channels, 0, from.row_samples, from.lookahead);
  edges_[usize(in)].flush = flush;
  const int made = compile(w->layers, in);
  const Edge out = edges_[usize(made)];

  const double step_samples = w->step * from.row_samples;
  const double rows_per_step = step_samples / out.row_samples;
  const double ahead = w->ahead * step_samples;
  if (std::fabs(rows_per_step - std::round(rows_per_step)) > 1e-9 ||
      ahead >= out.lookahead - from.lookahead) {
    refuse("a truncated chain with a whole number of rows per step and a look-ahead of more than " +
           std::to_string(w->ahead) + " steps, got " + std::to_string(rows_per_step) +
           " rows and a look-ahead of " +
           std::to_string((out.lookahead - from.lookahead) / step_samples));
  }
  EmitNode emit{.step = w->step,
                .ahead = w->ahead,
                .rows_per_step = static_cast<int>(std::lround(rows_per_step)),
                .flush_inlet = 0};
  Node node{.layer = EmitNode{},
            .in = made,
            .operation = operations_++,
            .max_windows = out.max_rows + emit.rows_per_step};
  const int rows = out.max_rows + edges_[usize(out.flush)].max_rows;
  node.header_at = header_at;
  node.buffer_at = scratch_.take(usize(rows) * usize(out.channels));
  node.inlet = add_inlet(made, node.buffer_at, {});
  emit.flush_inlet = add_inlet(out.flush, node.buffer_at, {});
  node.out = add_edge(out.channels, node.max_windows, out.row_samples, from.lookahead + ahead);
  node.layer = emit;
  return nodes_[usize(add_node(std::move(node)))].out;
}

// Returns how many rows have been emitted once `taken` rows have come: the rows that are due,
// limited to those that the chain makes of a signal that ends there. `edge` is the output of the
// chain.
std::int64_t Program::emitted_by(const EmitNode& emit, int edge, std::int64_t taken,
                                 TraceMemory& memory) const {
  const std::int64_t steps = taken / emit.step;
  if (steps <= emit.ahead) return 0;
  memory.whole[0] = {0, taken, true};
  for (const Node& node : nodes_) {
    if (node.flush_of != kNone) continue;
    const Passage& from = memory.whole[usize(node.in)];
    Passage& out = memory.whole[usize(node.out)];
    if (const ConvNode* conv = std::get_if<ConvNode>(&node.layer)) {
      out = conv_step(conv->plan, from).out;
    } else if (const TransposeNode* transpose = std::get_if<TransposeNode>(&node.layer)) {
      out = transpose_step(transpose->shape, from).out;
    }
    if (node.out == edge) break;
  }
  return std::min((steps - emit.ahead) * emit.rows_per_step, memory.whole[usize(edge)].after);
}

gpu::Part Program::trace_emit(const Node& node, const EmitNode& emit, TraceMemory& memory) const {
  const Passage& in = memory.edges[0];
  const Passage& made = memory.edges[usize(node.in)];
  const std::int64_t before = emitted_by(emit, node.in, in.before, memory);
  const std::int64_t after =
      in.last ? std::max(before, made.after) : emitted_by(emit, node.in, in.after, memory);
  memory.edges[usize(node.out)] = {before, after, in.last};
  memory.inlet_rows[usize(node.inlet)] = 0;
  memory.inlet_rows[usize(emit.flush_inlet)] = made.rows();
  const int rows = static_cast<int>(after - before);
  return {.rows = rows,
          .begin = static_cast<int>(before - made.before),
          .skip = 0,
          .emit = rows,
          .to = {},
          .add = 0};
}

void Program::enqueue_emit(const Node& node, const StepLanes& lanes, cudaStream_t stream) const {
  gpu::Feed feed{};
  feed.rows = lanes.scratch + node.buffer_at;
  feed.lane_step = scratch_.floats();
  feed.channels = edges_[usize(node.out)].channels;
  feed.sinks = node.product.sinks;
  std::copy_n(node.product.sink, feed.sinks, feed.sink);
  feed.lanes = lanes_of(lanes, node.operation, node.max_windows);
  check(gpu::feed(feed, stream), "emit rows");
}

}  // namespace hopcodec::graph::cuda
