#include "graph/cuda/program.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "graph/cuda/walk.hpp"
#include "layers/expect.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;

namespace {

gpu::HostMatrix unpacked(const layers::Packed& packed) {
  gpu::HostMatrix host{{}, {}, packed.depth(), packed.columns()};
  packed.unpack(host.weight, host.bias);
  return host;
}

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument("cuda: expected " + what);
}

std::size_t usize(int n) { return static_cast<std::size_t>(n); }

}  // namespace

gpu::Matrix Constants::matrix(const gpu::PackedMatrix& packed) {
  const float* weight = array(packed.weight);
  return {weight, array(packed.bias), packed.columns, packed.groups};
}

gpu::Activation Constants::activation(const layers::Activation& a, int channels) {
  gpu::Activation result{gpu::Pointwise::kNone, nullptr, nullptr};
  switch (a.kind()) {
    case layers::Nonlinearity::kNone:
      break;
    case layers::Nonlinearity::kElu:
      result.kind = gpu::Pointwise::kElu;
      break;
    case layers::Nonlinearity::kTanh:
      result.kind = gpu::Pointwise::kTanh;
      break;
    case layers::Nonlinearity::kSnake:
      result.kind = gpu::Pointwise::kSnake;
      result.alpha = array(std::vector<float>(a.alpha(), a.alpha() + channels));
      result.inverse_alpha =
          array(std::vector<float>(a.inverse_alpha(), a.inverse_alpha() + channels));
      break;
  }
  return result;
}

Program::~Program() = default;

Program::Program(const std::vector<layers::LayerWeights>& chain, bool zero_start, int channels,
                 int max_rows, std::size_t own_state, Constants& constants)
    : constants_(constants),
      zero_start_(zero_start),
      own_state_at_(state_.take(own_state)),
      walk_(std::make_unique<Walk>()) {
  if (chain.empty()) throw std::invalid_argument("session: expected at least one layer, got none");
  out_edge_ = compile(chain, add_edge(channels, max_rows, 1.0, 0.0));
  const Edge& out = edges_[usize(out_edge_)];
  add_inlet(out_edge_, scratch_.take(usize(out.max_rows) * usize(out.channels)), {});
  ++operations_;  // the outlet
  resolve_sinks();
  walk_->edges.resize(edges_.size());
  walk_->inlet_rows.resize(inlets_.size());
  walk_->conv.resize(stages_.size());
  walk_->transpose.resize(stages_.size());
  walk_->queue.resize(queues_.size());
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
  Stage stage{Conv{plan}, in, 0, operations_++, 0, static_cast<int>(holds_.size()), pads_++, 0,
              0,          0,  {}};
  stage.header_at = state_.take(layers::floats_of<layers::Conv1d::Header>());
  const std::size_t held_at = state_.take(usize(plan.max_held) * usize(c));
  const int capacity = shape.left + plan.max_held + from.max_rows + plan.max_right;
  stage.buffer_at = scratch_.take(usize(capacity) * usize(c));
  holds_.push_back({held_at, stage.buffer_at, c});
  stage.inlet = add_inlet(in, stage.buffer_at, constants_.activation(w.input, c));
  stage.max_windows = shape.most_out(from.max_rows, plan.max_held);
  stage.out = add_edge(
      shape.out_channels, stage.max_windows, from.row_samples * shape.stride,
      from.lookahead + std::max(0, shape.reach() - shape.stride - shape.left) * from.row_samples);

  gpu::Product& p = stage.product;
  p.matrix = constants_.matrix(gpu::pack({unpacked(*w.matrix)}));
  const int depth = shape.kernel * c;
  p.source[0] = shape.dilation == 1
                    ? gpu::Source{stage.buffer_at, depth, 1, depth, 0, c, shape.stride * c}
                    : gpu::Source{stage.buffer_at,    depth, shape.kernel,    c,
                                  shape.dilation * c, c,     shape.stride * c};
  p.sources = 1;
  p.out_channels = shape.out_channels;
  p.output = constants_.activation(w.output, shape.out_channels);
  p.add_at = -1;
  stages_.push_back(std::move(stage));
  launches_.push_back({{static_cast<int>(stages_.size()) - 1, 0}, 1});
  return stages_.back().out;
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
  Stage stage{Transpose{shape},
              in,
              0,
              operations_++,
              0,
              static_cast<int>(holds_.size()),
              pads_++,
              from.max_rows + history,
              0,
              0,
              {}};
  stage.header_at = state_.take(layers::floats_of<layers::ConvTranspose1d::Header>());
  const std::size_t held_at = state_.take(usize(history) * usize(c));
  stage.buffer_at = scratch_.take(usize(2 * history + from.max_rows) * usize(c));
  holds_.push_back({held_at, stage.buffer_at, c});
  stage.inlet = add_inlet(in, stage.buffer_at, constants_.activation(w.input, c));
  const double row_samples = from.row_samples / shape.stride;
  stage.out = add_edge(shape.out_channels, (std::int64_t{from.max_rows} + history) * shape.stride,
                       row_samples, from.lookahead + shape.trim_left * row_samples);
  gpu::Product& p = stage.product;
  p.matrix = constants_.matrix(gpu::pack({unpacked(*w.matrix)}));
  const int depth = shape.taps() * c;
  p.source[0] = {stage.buffer_at, depth, 1, depth, 0, c, c};
  p.sources = 1;
  p.out_channels = shape.out_channels;
  p.add_at = -1;
  stages_.push_back(std::move(stage));
  launches_.push_back({{static_cast<int>(stages_.size()) - 1, 0}, 1});
  return stages_.back().out;
}

int Program::add(const layers::LstmWeights& w, int in) {
  const Edge from = edges_[usize(in)];
  const int n = w.channels;
  if (n != from.channels) {
    refuse(std::to_string(from.channels) + " input channels, got " + std::to_string(n));
  }
  Lstm lstm{n, {}, {}};
  Stage stage{Lstm{}, in, 0, operations_++, 0, static_cast<int>(holds_.size()), -1, from.max_rows,
              0,      0,  {}};
  const std::size_t rows = usize(from.max_rows) * usize(n);
  std::vector<std::size_t> state_at;
  for (std::size_t s = 0; s < w.stages.size(); ++s) state_at.push_back(state_.take(2 * usize(n)));
  const std::size_t inlet_at = scratch_.take(rows);
  stage.inlet = add_inlet(in, inlet_at, {});
  std::size_t x_at = inlet_at;
  for (std::size_t s = 0; s < w.stages.size(); ++s) {
    const std::size_t hidden_at = scratch_.take(rows + usize(n));
    const std::size_t cell_at = scratch_.take(usize(n));
    holds_.push_back({state_at[s], hidden_at, n});
    holds_.push_back({state_at[s] + usize(n), cell_at, n});
    gpu::Product p{};
    p.matrix = constants_.matrix(gpu::pack(
        {unpacked(*w.stages[s].input), unpacked(*w.stages[s].recurrent)}, gpu::gate_order(n)));
    p.source[0] = {x_at, n, 1, n, 0, n, n};
    p.source[1] = {hidden_at, n, 1, n, 0, n, n};
    p.sources = 2;
    p.out_channels = n;
    p.add_at = -1;
    const bool last = s + 1 == w.stages.size();
    lstm.products.push_back(p);
    lstm.cells.push_back(
        {n, 0, cell_at, hidden_at, last && w.skip ? static_cast<std::ptrdiff_t>(inlet_at) : -1});
    x_at = hidden_at + usize(n);  // a row's hidden vector is the next stage's input
  }
  stage.layer = std::move(lstm);
  stage.out = add_edge(n, from.max_rows, from.row_samples, from.lookahead);
  stages_.push_back(std::move(stage));
  launches_.push_back({{static_cast<int>(stages_.size()) - 1, 0}, 1});
  return stages_.back().out;
}

int Program::add(const std::shared_ptr<const layers::ResidualWeights>& w, int in) {
  const auto is_conv = [](const layers::LayerWeights& layer) {
    const auto* conv = std::get_if<layers::Conv1dWeights>(&layer);
    return conv != nullptr && conv->shape.stride == 1;
  };
  if (w->branch.empty() || !std::all_of(w->branch.begin(), w->branch.end(), is_conv)) {
    refuse("a residual branch of convolutions of stride 1, got another layer");
  }
  if (w->shortcut.size() > 1 || !std::all_of(w->shortcut.begin(), w->shortcut.end(), is_conv)) {
    refuse("a shortcut of at most one convolution of stride 1, got another");
  }
  const Edge from = edges_[usize(in)];
  Queue queue{};
  queue.header_at = state_.take(layers::floats_of<layers::Residual::Header>());
  const auto first_launch = static_cast<std::ptrdiff_t>(launches_.size());
  queue.branch = compile(w->branch, in);
  const int joins = static_cast<int>(stages_.size()) - 1;
  queue.shortcut = compile(w->shortcut, in);
  if (!w->shortcut.empty()) {
    // The shortcut needs nothing of the branch: it goes along with the branch's first launch, or,
    // if that is already the last, ahead of it.
    const Launch own = launches_.back();
    launches_.pop_back();
    if (w->branch.size() > 1) {
      Launch& shared = launches_[static_cast<std::size_t>(first_launch)];
      shared.stage[shared.count++] = own.stage[0];
    } else {
      launches_.insert(launches_.begin() + first_launch, own);
    }
  }
  Edge& branch = edges_[usize(queue.branch)];
  const Edge& shortcut = edges_[usize(queue.shortcut)];
  if (branch.channels != shortcut.channels || branch.row_samples != from.row_samples) {
    refuse("a residual's branch and shortcut to agree, got " + std::to_string(branch.channels) +
           " and " + std::to_string(shortcut.channels) + " channels");
  }
  const int most_out = std::max(shortcut.max_rows, branch.max_rows);
  const int max_queued = most_out - from.max_rows + 1;
  const auto channels = usize(branch.channels);
  const std::size_t queue_at = state_.take(usize(max_queued) * channels);
  const std::size_t rows_at = scratch_.take(usize(2 * most_out + 1) * channels);
  branch.max_rows = most_out;
  branch.lookahead = std::max(branch.lookahead, shortcut.lookahead);
  queue.hold = static_cast<int>(holds_.size());
  holds_.push_back({queue_at, rows_at, branch.channels});
  queue.inlet = add_inlet(queue.shortcut, rows_at, {});
  stages_[usize(joins)].product.add_at = static_cast<std::ptrdiff_t>(rows_at);
  queues_.push_back(queue);
  return queue.branch;
}

int Program::add(const layers::GroupNormWeights& /*w*/, int /*in*/) {
  refuse("a codec without group norm, got one");
}

int Program::add(const std::shared_ptr<const layers::TruncatedWeights>& /*w*/, int /*in*/) {
  refuse("a codec with its own look-ahead, got a truncated one");
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
  for (Stage& stage : stages_) {
    gpu::Product& p = std::holds_alternative<Lstm>(stage.layer)
                          ? std::get<Lstm>(stage.layer).products.back()
                          : stage.product;
    p.sinks = sinks_of(stage.out, p.sink);
  }
}

}  // namespace hopcodec::graph::cuda
