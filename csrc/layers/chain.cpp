#include "layers/chain.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "layers/expect.hpp"
#include "layers/parallel.hpp"
#include "layers/pieces.hpp"
#include "layers/truncated.hpp"

namespace hopcodec::layers {
namespace {

struct Build {
  Plan& plan;
  std::unique_ptr<Layer> operator()(const Conv1dWeights& w) const {
    return std::make_unique<Conv1d>(w, plan);
  }
  std::unique_ptr<Layer> operator()(const ConvTranspose1dWeights& w) const {
    return std::make_unique<ConvTranspose1d>(w, plan);
  }
  std::unique_ptr<Layer> operator()(const LstmWeights& w) const {
    return std::make_unique<Lstm>(w, plan);
  }
  std::unique_ptr<Layer> operator()(const GroupNormWeights& w) const {
    return std::make_unique<GroupNorm>(w, plan);
  }
  std::unique_ptr<Layer> operator()(const std::shared_ptr<const ResidualWeights>& w) const {
    return std::make_unique<Residual>(*w, plan);
  }
  std::unique_ptr<Layer> operator()(const std::shared_ptr<const TruncatedWeights>& w) const {
    return std::make_unique<Truncated>(*w, plan);
  }
};

// Whether the layer emits exactly one row per input row, in the same order. A residual's queue
// pairs rows of shortcut and branch first in, first out, which is right only for such layers.
bool keeps_rows(const LayerWeights& weights) {
  if (const auto* conv = std::get_if<Conv1dWeights>(&weights)) return conv->shape.stride == 1;
  if (const auto* norm = std::get_if<GroupNormWeights>(&weights)) {
    return norm->trim_left == 0 && norm->trim_right == 0;
  }
  // An inner residual checks its own layers when it is constructed.
  return !std::holds_alternative<ConvTranspose1dWeights>(weights) &&
         !std::holds_alternative<std::shared_ptr<const TruncatedWeights>>(weights);
}

bool is_instant(const LayerWeights& weights) {
  // A group norm is in a stream that comes whole, so it never lags.
  if (std::holds_alternative<GroupNormWeights>(weights)) return keeps_rows(weights);
  const auto* conv = std::get_if<Conv1dWeights>(&weights);
  return conv != nullptr && conv->shape.reach() == 1 && conv->shape.stride == 1;
}

bool has_norm(std::span<const LayerWeights> weights) {
  return std::any_of(weights.begin(), weights.end(), [](const LayerWeights& w) {
    if (std::holds_alternative<GroupNormWeights>(w)) return true;
    const auto* residual = std::get_if<std::shared_ptr<const ResidualWeights>>(&w);
    return residual != nullptr &&
           (has_norm((*residual)->branch) || has_norm((*residual)->shortcut));
  });
}

void copy_rows(const Compute& compute, const float* from, float* to, std::size_t rows,
               std::size_t channels) noexcept {
  parallel_rows(compute.pool, rows, channels, [=](std::size_t first, std::size_t count) noexcept {
    std::memcpy(to + first * channels, from + first * channels, count * channels * sizeof(float));
  });
}

void add_rows(const Compute& compute, const float* x, float* y, std::size_t rows,
              std::size_t channels) noexcept {
  parallel_rows(compute.pool, rows, channels, [=, &compute](std::size_t first, std::size_t count) {
    compute.kernels.add(x + first * channels, y + first * channels, count * channels);
  });
}

}  // namespace

Chain::Chain(std::span<const LayerWeights> weights, Plan& plan) {
  if (!plan.whole && has_norm(weights)) {
    auto gather = std::make_unique<Gather>(plan);
    gather_ = gather.get();
    layers_.push_back(std::move(gather));
  }
  if (plan.whole) {
    add_sharing_scratch(weights, plan);
  } else {
    add_in_pieces(weights, plan);
  }
}

void Chain::add(const LayerWeights& weights, Plan& plan) {
  layers_.push_back(std::visit(Build{plan}, weights));
  plan.step = 1;  // the layer may emit any number of rows per call
}

// A whole stream takes megabytes at each layer, but a layer's scratch is unused once the next layer
// has run. Layers therefore alternate between the two ends of one block that is as large as the
// largest pair of neighbours.
void Chain::add_sharing_scratch(std::span<const LayerWeights> weights, Plan& plan) {
  std::vector<std::size_t> sizes;
  Plan trial = plan;
  for (const LayerWeights& w : weights) {
    trial.scratch.resume(0);
    std::visit(Build{trial}, w);
    sizes.push_back(trial.scratch.floats());
  }
  std::size_t block = sizes.empty() ? 0 : sizes.back();
  for (std::size_t k = 0; k + 1 < sizes.size(); ++k)
    block = std::max(block, sizes[k] + sizes[k + 1]);
  const std::size_t begin = plan.scratch.floats();
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    plan.scratch.resume(begin + (k % 2 == 0 ? 0 : block - sizes[k]));
    add(weights[k], plan);
  }
  plan.scratch.resume(begin + block);
}

void Chain::add_in_pieces(std::span<const LayerWeights> weights, Plan& plan) {
  bool grown = false;
  while (!weights.empty()) {
    const Cut cut = cut_of(weights, plan, grown);
    if (cut.layers > 0) {
      layers_.push_back(std::make_unique<Pieces>(weights.first(cut.layers), cut.most, plan));
    } else {
      add(weights.front(), plan);
    }
    grown = std::holds_alternative<ConvTranspose1dWeights>(weights.front());
    weights = weights.subspan(std::max<std::size_t>(cut.layers, 1));
  }
}

void Chain::reset(float* state) const noexcept {
  for (const auto& layer : layers_) layer->reset(state);
}

bool Chain::valid(const float* state) const noexcept {
  return std::all_of(layers_.begin(), layers_.end(),
                     [state](const auto& layer) { return layer->valid(state); });
}

void Chain::open(const Tile& tile, float** inlet) const noexcept {
  layers_.front()->open(tile, inlet);
}

void Chain::run(const Tile& tile, int* rows, float* const* outlet) const noexcept {
  for (std::size_t k = 0; k + 1 < layers_.size(); ++k) {
    float* between[kTile];
    layers_[k + 1]->open(tile, between);
    layers_[k]->run(tile, rows, between);
  }
  layers_.back()->run(tile, rows, outlet);
}

Residual::Residual(const ResidualWeights& weights, Plan& plan) {
  if (weights.branch.empty()) throw std::invalid_argument("residual: expected a branch, got none");
  if (!std::all_of(weights.shortcut.begin(), weights.shortcut.end(), is_instant)) {
    throw std::invalid_argument(
        "residual: expected a shortcut of 1x1 convolutions or none, got another layer");
  }
  if (!std::all_of(weights.branch.begin(), weights.branch.end(), keeps_rows)) {
    throw std::invalid_argument(
        "residual: expected branch layers that emit one row per input row (stride 1, no transposed "
        "convolution, no trimmed norm), got a layer that changes the rate");
  }
  in_channels_ = static_cast<std::size_t>(plan.channels);
  const auto most_in = static_cast<std::size_t>(plan.max_rows);
  // With an identity shortcut the caller writes directly into the queue.
  if (!weights.shortcut.empty()) inlet_at_ = plan.scratch.take(most_in * in_channels_);
  header_at_ = plan.state.take(floats_of<Header>());

  // Both chains read the same input, so the plan of the shortcut starts from the input of the
  // branch.
  const Plan before = plan;
  branch_ = std::make_unique<Chain>(weights.branch, plan);
  const Plan after_branch = plan;
  plan.channels = before.channels;
  plan.max_rows = before.max_rows;
  plan.row_samples = before.row_samples;
  plan.lookahead_samples = before.lookahead_samples;
  // The two run one after the other and can share scratch.
  if (plan.whole) plan.scratch.resume(before.scratch.floats());
  shortcut_ = std::make_unique<Chain>(weights.shortcut, plan);
  plan.scratch.resume(std::max(plan.scratch.floats(), after_branch.scratch.floats()));
  if (plan.channels != after_branch.channels) {
    throw std::invalid_argument("residual: expected branch and shortcut with equal channels, got " +
                                std::to_string(after_branch.channels) + " and " +
                                std::to_string(plan.channels));
  }
  out_channels_ = static_cast<std::size_t>(plan.channels);
  // The branch emits at most max_rows at once after a pause. The queue must hold what the branch
  // held back.
  const int most_out = std::max(plan.max_rows, after_branch.max_rows);
  max_queued_ = most_out - before.max_rows + 1;
  const int most_held =
      expect_rows("residual", std::int64_t{max_queued_} + most_out, plan.channels);
  queue_at_ = plan.state.take(static_cast<std::size_t>(max_queued_) * out_channels_);
  queue_scratch_at_ = plan.scratch.take(static_cast<std::size_t>(most_held) * out_channels_);
  plan.max_rows = most_out;
  plan.lookahead_samples = std::max(plan.lookahead_samples, after_branch.lookahead_samples);
}

void Residual::reset(float* state) const noexcept {
  branch_->reset(state);
  shortcut_->reset(state);
}

bool Residual::valid(const float* state) const noexcept {
  const Header& h = state_as<Header>(state, header_at_);
  return h.queued >= 0 && h.queued <= max_queued_ && branch_->valid(state) &&
         shortcut_->valid(state);
}

// Copies the queue from the state to the scratch and returns the position behind its last row.
float* Residual::open_queue(const Tile& tile, int stream) const noexcept {
  const Header& header = state_as<Header>(tile.state[stream], header_at_);
  const auto queued = static_cast<std::size_t>(header.queued) * out_channels_;
  float* queue = tile.scratch[stream] + queue_scratch_at_;
  std::memcpy(queue, tile.state[stream] + queue_at_, queued * sizeof(float));
  return queue + queued;
}

void Residual::open(const Tile& tile, float** inlet) const noexcept {
  for (int i = 0; i < tile.streams; ++i) {
    float* behind = open_queue(tile, i);
    inlet[i] = shortcut_->empty() ? behind : tile.scratch[i] + inlet_at_;
  }
}

void Residual::copy_inlets(const Tile& tile, const int* rows, float* const* from,
                           float* const* to) const noexcept {
  for (int i = 0; i < tile.streams; ++i) {
    copy_rows(tile.compute, from[i], to[i], static_cast<std::size_t>(rows[i]), in_channels_);
  }
}

void Residual::run(const Tile& tile, int* rows, float* const* outlet) const noexcept {
  float* queue[kTile];
  float* behind[kTile];
  float* inlet[kTile];
  float* side[kTile];
  int branch_rows[kTile];
  for (int i = 0; i < tile.streams; ++i) {
    const Header& header = state_as<Header>(tile.state[i], header_at_);
    queue[i] = tile.scratch[i] + queue_scratch_at_;
    behind[i] = queue[i] + static_cast<std::size_t>(header.queued) * out_channels_;
    inlet[i] = shortcut_->empty() ? behind[i] : tile.scratch[i] + inlet_at_;
    branch_rows[i] = rows[i];
  }
  if (!shortcut_->empty()) {
    shortcut_->open(tile, side);
    copy_inlets(tile, rows, inlet, side);
    shortcut_->run(tile, rows, behind);
  }
  // Only now: in streams that come whole, the branch reuses the scratch of the shortcut.
  branch_->open(tile, side);
  copy_inlets(tile, branch_rows, inlet, side);
  branch_->run(tile, branch_rows, outlet);
  for (int i = 0; i < tile.streams; ++i) {
    Header& header = state_as<Header>(tile.state[i], header_at_);
    const int ready = std::min(branch_rows[i], header.queued + rows[i]);
    const std::size_t floats = static_cast<std::size_t>(ready) * out_channels_;
    add_rows(tile.compute, queue[i], outlet[i], static_cast<std::size_t>(ready), out_channels_);
    // A forged state may claim a branch that lags more than it can.
    header.queued = std::min(header.queued + rows[i] - ready, max_queued_);
    if (!tile.last) {
      std::memcpy(tile.state[i] + queue_at_, queue[i] + floats,
                  static_cast<std::size_t>(header.queued) * out_channels_ * sizeof(float));
    }
    rows[i] = ready;
  }
}

}  // namespace hopcodec::layers
