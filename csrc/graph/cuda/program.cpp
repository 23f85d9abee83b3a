#include "graph/cuda/program.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "base/integers.hpp"
#include "graph/cuda/trace_memory.hpp"
#include "layers/expect.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;
using base::usize;

namespace {

bool has_norm(const std::vector<layers::LayerWeights>& chain) {
  return std::any_of(chain.begin(), chain.end(), [](const layers::LayerWeights& w) {
    if (std::holds_alternative<layers::GroupNormWeights>(w)) return true;
    const auto* residual = std::get_if<std::shared_ptr<const layers::ResidualWeights>>(&w);
    return residual != nullptr &&
           (has_norm((*residual)->branch) || has_norm((*residual)->shortcut));
  });
}

// Whether the layer emits exactly one row per input row.
bool keeps_rows(const layers::LayerWeights& w) {
  if (const auto* conv = std::get_if<layers::Conv1dWeights>(&w)) return conv->shape.stride == 1;
  const auto* norm = std::get_if<layers::GroupNormWeights>(&w);
  return norm != nullptr && norm->trim_left == 0 && norm->trim_right == 0;
}

// Windows of `depth` contiguous floats, `step` floats apart, in rows of `row_floats`.
gpu::Source single_tap(std::size_t at, int depth, int row_floats, int step) {
  return {.at = at,
          .depth = depth,
          .taps = 1,
          .tap_length = depth,
          .tap_stride = 0,
          .row_floats = row_floats,
          .step_floats = step};
}

}  // namespace

void refuse(const std::string& expected) {
  throw std::invalid_argument("cuda: expected " + expected);
}

Program::~Program() = default;

Program::Program(const std::vector<layers::LayerWeights>& chain, bool zero_start, int channels,
                 int max_rows, std::size_t own_state, Constants& constants)
    : constants_(constants),
      zero_start_(zero_start),
      own_state_at_(state_.take(own_state)),
      memory_(std::make_unique<TraceMemory>()) {
  if (chain.empty()) throw std::invalid_argument("session: expected at least one layer, got none");
  add_edge(channels, max_rows, 1.0, 0.0);
  if (has_norm(chain)) gather();
  out_edge_ = compile(chain, 0);
  const Edge& out = edges_[usize(out_edge_)];
  add_inlet(out_edge_, scratch_.take(usize(out.max_rows) * usize(out.channels)), {});
  ++operations_;  // the outlet
  resolve_sinks();
  if (!pads_.empty()) zeroed_ = constants_.array(pads_);
  memory_->edges.resize(edges_.size());
  memory_->whole.resize(edges_.size());
  memory_->inlet_rows.resize(inlets_.size());
  memory_->conv.resize(nodes_.size());
  memory_->transpose.resize(nodes_.size());
  memory_->queue.resize(queues_.size());
}

int Program::add_edge(int channels, std::int64_t max_rows, double row_samples, double lookahead) {
  edges_.push_back(
      {channels, layers::expect_rows("cuda", max_rows, channels), row_samples, lookahead});
  return static_cast<int>(edges_.size()) - 1;
}

int Program::add_inlet(int edge, std::size_t at, const gpu::Activation& activation) {
  inlets_.push_back({edge, at, activation});
  return static_cast<int>(inlets_.size()) - 1;
}

int Program::add_pad(std::size_t at, int row_floats) {
  pads_.push_back({at, row_floats});
  return static_cast<int>(pads_.size()) - 1;
}

int Program::add_node(Node node) {
  nodes_.push_back(std::move(node));
  const int index = static_cast<int>(nodes_.size()) - 1;
  launches_.push_back({{index, 0}, 1});
  return index;
}

int Program::producer_of(int edge) const {
  const auto made = [edge](const Node& node) { return node.out == edge; };
  return static_cast<int>(std::find_if(nodes_.begin(), nodes_.end(), made) - nodes_.begin());
}

int Program::compile(const std::vector<layers::LayerWeights>& chain, int edge) {
  for (const layers::LayerWeights& weights : chain) {
    edge = std::visit([&](const auto& w) { return add(w, edge); }, weights);
  }
  return edge;
}

int Program::add(const layers::Conv1dWeights& w, int in) {
  const Edge from = edges_[usize(in)];
  w.shape.check();
  layers::Conv1dShape shape = w.shape;
  if (zero_start_) shape.reflect = false;
  const ConvPlan plan(shape);
  const int c = shape.in_channels;
  if (c != from.channels) {
    refuse(std::to_string(from.channels) + " input channels, got " + std::to_string(c));
  }
  const int flush_rows = from.flush == kNone ? 0 : edges_[usize(from.flush)].max_rows;
  Node node{.layer = ConvNode{plan},
            .in = in,
            .operation = operations_++,
            .state_part = static_cast<int>(state_parts_.size())};
  node.header_at = state_.take(layers::floats_of<layers::Conv1d::Header>());
  const std::size_t held_at = state_.take(usize(plan.max_held) * usize(c));
  const int capacity = shape.left + plan.max_held + from.max_rows + flush_rows + plan.max_right;
  node.buffer_at = scratch_.take(usize(capacity) * usize(c));
  node.pad = add_pad(node.buffer_at, c);
  state_parts_.push_back({held_at, node.buffer_at, c});
  node.inlet = add_inlet(in, node.buffer_at, constants_.activation(w.input, c));
  node.max_windows = shape.most_out(from.max_rows, plan.max_held);
  node.out = add_edge(
      shape.out_channels, node.max_windows, from.row_samples * shape.stride,
      from.lookahead + std::max(0, shape.reach() - shape.stride - shape.left) * from.row_samples);

  gpu::Product& p = node.product;
  p.matrix = constants_.layer(w.matrix);
  const int depth = shape.kernel * c;
  p.source[0] = single_tap(node.buffer_at, depth, c, shape.stride * c);
  if (shape.dilation > 1) {
    p.source[0].taps = shape.kernel;
    p.source[0].tap_length = c;
    p.source[0].tap_stride = shape.dilation * c;
  }
  p.sources = 1;
  p.out_channels = shape.out_channels;
  p.output = constants_.activation(w.output, shape.out_channels);
  p.add_at = -1;
  const int index = add_node(std::move(node));
  if (from.flush != kNone) {
    const int windows = shape.most_out(flush_rows, plan.max_held);
    add_flush(index, windows, windows);
  }
  return nodes_[usize(index)].out;
}

int Program::add(const layers::ConvTranspose1dWeights& w, int in) {
  const Edge from = edges_[usize(in)];
  w.shape.check();
  const layers::ConvTranspose1dShape& shape = w.shape;
  const int c = shape.in_channels;
  const int history = shape.taps() - 1;
  if (c != from.channels) {
    refuse(std::to_string(from.channels) + " input channels, got " + std::to_string(c));
  }
  const int flush_rows = from.flush == kNone ? 0 : edges_[usize(from.flush)].max_rows;
  Node node{.layer = TransposeNode{shape},
            .in = in,
            .operation = operations_++,
            .state_part = static_cast<int>(state_parts_.size()),
            .max_windows = from.max_rows + history};
  node.header_at = state_.take(layers::floats_of<layers::ConvTranspose1d::Header>());
  const std::size_t held_at = state_.take(usize(history) * usize(c));
  node.buffer_at = scratch_.take(usize(2 * history + from.max_rows + flush_rows) * usize(c));
  node.pad = add_pad(node.buffer_at, c);
  state_parts_.push_back({held_at, node.buffer_at, c});
  node.inlet = add_inlet(in, node.buffer_at, constants_.activation(w.input, c));
  const double row_samples = from.row_samples / shape.stride;
  node.out = add_edge(shape.out_channels, (std::int64_t{from.max_rows} + history) * shape.stride,
                      row_samples, from.lookahead + shape.trim_left * row_samples);
  gpu::Product& p = node.product;
  p.matrix = constants_.layer(w.matrix);
  const int depth = shape.taps() * c;
  p.source[0] = single_tap(node.buffer_at, depth, c, c);
  p.sources = 1;
  p.out_channels = shape.out_channels;
  p.add_at = -1;
  const int index = add_node(std::move(node));
  if (from.flush != kNone) {
    add_flush(index, flush_rows + history, (std::int64_t{flush_rows} + history) * shape.stride);
  }
  return nodes_[usize(index)].out;
}

int Program::add(const layers::LstmWeights& w, int in) {
  const Edge from = edges_[usize(in)];
  const int n = w.channels;
  if (n != from.channels) {
    refuse(std::to_string(from.channels) + " input channels, got " + std::to_string(n));
  }
  LstmNode lstm{.units = n, .products = {}, .cells = {}};
  Node node{.layer = LstmNode{},
            .in = in,
            .operation = operations_++,
            .state_part = static_cast<int>(state_parts_.size()),
            .max_windows = from.max_rows};
  const std::size_t rows = usize(from.max_rows) * usize(n);
  std::vector<std::size_t> state_at;
  for (std::size_t s = 0; s < w.stages.size(); ++s) state_at.push_back(state_.take(2 * usize(n)));
  const std::size_t inlet_at = scratch_.take(rows);
  node.inlet = add_inlet(in, inlet_at, {});
  std::size_t x_at = inlet_at;
  for (std::size_t s = 0; s < w.stages.size(); ++s) {
    const std::size_t hidden_at = scratch_.take(rows + usize(n));
    const std::size_t cell_at = scratch_.take(usize(n));
    state_parts_.push_back({state_at[s], hidden_at, n});
    state_parts_.push_back({state_at[s] + usize(n), cell_at, n});
    gpu::Product p{};
    p.matrix = constants_.gates(w.stages[s].input, w.stages[s].recurrent);
    p.source[0] = single_tap(x_at, n, n, n);
    p.source[1] = single_tap(hidden_at, n, n, n);
    p.sources = 2;
    p.out_channels = n;
    p.add_at = -1;
    const bool last = s + 1 == w.stages.size();
    lstm.products.push_back(p);
    lstm.cells.push_back({.units = n,
                          .step = 0,
                          .cell_at = cell_at,
                          .hidden_at = hidden_at,
                          .skip_at = last && w.skip ? static_cast<std::ptrdiff_t>(inlet_at) : -1});
    x_at = hidden_at + usize(n);  // the hidden vectors are the input of the next stage
  }
  node.layer = std::move(lstm);
  node.out = add_edge(n, from.max_rows, from.row_samples, from.lookahead);
  return nodes_[usize(add_node(std::move(node)))].out;
}

// The shortcut of a residual does not depend on the branch. Its launch is merged with the first
// launch of the branch. If the branch has only one launch, or the shortcut several, the shortcut is
// launched before the branch.
void Program::merge_shortcut(std::ptrdiff_t first, std::ptrdiff_t branch_end) {
  const auto begin = launches_.begin() + first;
  const auto shortcut = launches_.begin() + branch_end;
  const bool alone = launches_.end() - shortcut == 1 && shortcut - begin > 1;
  if (alone && begin->count + shortcut->count <= 2) {
    begin->node[begin->count++] = shortcut->node[0];
    launches_.pop_back();
  } else {
    std::rotate(begin, shortcut, launches_.end());
  }
}

int Program::add(const std::shared_ptr<const layers::ResidualWeights>& w, int in) {
  if (w->branch.empty() || !std::all_of(w->branch.begin(), w->branch.end(), keeps_rows)) {
    refuse("a residual branch of convolutions of stride 1 and norms, got another layer");
  }
  if (!std::all_of(w->shortcut.begin(), w->shortcut.end(), keeps_rows)) {
    refuse("a shortcut of convolutions of stride 1 and norms, got another layer");
  }
  const Edge from = edges_[usize(in)];
  Queue queue{};
  queue.header_at = state_.take(layers::floats_of<layers::Residual::Header>());
  const auto first_launch = static_cast<std::ptrdiff_t>(launches_.size());
  queue.branch = compile(w->branch, in);
  queue.joins = producer_of(queue.branch);
  const auto branch_end = static_cast<std::ptrdiff_t>(launches_.size());
  queue.shortcut = compile(w->shortcut, in);
  merge_shortcut(first_launch, branch_end);
  Edge& branch = edges_[usize(queue.branch)];
  const Edge& shortcut = edges_[usize(queue.shortcut)];
  if (branch.channels != shortcut.channels || branch.row_samples != from.row_samples) {
    refuse("a residual with equal channels of branch and shortcut, got " +
           std::to_string(branch.channels) + " and " + std::to_string(shortcut.channels));
  }
  const int most_out = std::max(shortcut.max_rows, branch.max_rows);
  const int max_queued = most_out - from.max_rows + 1;
  const auto channels = usize(branch.channels);
  const std::size_t queue_at = state_.take(usize(max_queued) * channels);
  const int flush_rows = shortcut.flush == kNone ? 0 : edges_[usize(shortcut.flush)].max_rows;
  const std::size_t rows_at = scratch_.take(usize(2 * most_out + 1 + flush_rows) * channels);
  branch.max_rows = most_out;
  branch.lookahead = std::max(branch.lookahead, shortcut.lookahead);
  queue.state_part = static_cast<int>(state_parts_.size());
  state_parts_.push_back({queue_at, rows_at, branch.channels});
  queue.inlet = add_inlet(queue.shortcut, rows_at, {});
  nodes_[usize(queue.joins)].product.add_at = static_cast<std::ptrdiff_t>(rows_at);
  queues_.push_back(queue);
  if (edges_[usize(queue.branch)].flush != kNone) add_flush(queue, rows_at);
  return queue.branch;
}

int Program::sinks_of(int edge, gpu::Sink* sinks) const {
  int count = 0;
  for (const Inlet& inlet : inlets_) {
    if (inlet.edge != edge) continue;
    if (count == gpu::kMaxSinks) refuse("at most two readers of a layer's rows, got more");
    sinks[count++] = {inlet.at, inlet.activation};
  }
  return count;
}

int Program::most_rows() const {
  int most = 0;
  for (const Edge& edge : edges_) most = std::max(most, edge.max_rows);
  return most;
}

void Program::resolve_sinks() {
  for (Node& node : nodes_) {
    gpu::Product& p = std::holds_alternative<LstmNode>(node.layer)
                          ? std::get<LstmNode>(node.layer).products.back()
                          : node.product;
    p.sinks = sinks_of(node.out, p.sink);
  }
}

}  // namespace hopcodec::graph::cuda
