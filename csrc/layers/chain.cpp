#include "layers/chain.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

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
  std::unique_ptr<Layer> operator()(const std::shared_ptr<const ResidualWeights>& w) const {
    return std::make_unique<Residual>(*w, plan);
  }
};

bool is_instant(const LayerWeights& weights) {
  const auto* conv = std::get_if<Conv1dWeights>(&weights);
  return conv != nullptr && conv->shape.reach() == 1 && conv->shape.stride == 1;
}

}  // namespace

Chain::Chain(const std::vector<LayerWeights>& weights, Plan& plan) {
  for (const LayerWeights& w : weights) layers_.push_back(std::visit(Build{plan}, w));
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
  in_channels_ = static_cast<std::size_t>(plan.channels);
  const auto most_in = static_cast<std::size_t>(plan.max_rows);
  inlet_at_ = plan.scratch.take(most_in * in_channels_);
  header_at_ = plan.state.take(floats_of<Header>());

  // Both sides see the same input: the second is planned from where the first began.
  const Plan before = plan;
  branch_ = std::make_unique<Chain>(weights.branch, plan);
  const Plan after_branch = plan;
  plan.channels = before.channels;
  plan.max_rows = before.max_rows;
  plan.row_samples = before.row_samples;
  plan.lookahead_samples = before.lookahead_samples;
  shortcut_ = std::make_unique<Chain>(weights.shortcut, plan);
  if (plan.channels != after_branch.channels) {
    throw std::invalid_argument("residual: expected branch and shortcut to agree, got " +
                                std::to_string(after_branch.channels) + " and " +
                                std::to_string(plan.channels) + " channels");
  }
  if (after_branch.row_samples != before.row_samples) {
    throw std::invalid_argument(
        "residual: expected a branch that gives a row per row, got one of " +
        std::to_string(before.row_samples / after_branch.row_samples));
  }
  out_channels_ = static_cast<std::size_t>(plan.channels);
  // The branch emits at most max_rows after it was silent: what it held, the queue must hold.
  const int most_out = std::max(plan.max_rows, after_branch.max_rows);
  max_queued_ = most_out - before.max_rows + 1;
  queue_at_ = plan.state.take(static_cast<std::size_t>(max_queued_) * out_channels_);
  queue_scratch_at_ = plan.scratch.take(static_cast<std::size_t>(2 * most_out + 1) * out_channels_);
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

void Residual::open(const Tile& tile, float** inlet) const noexcept {
  for (int i = 0; i < tile.streams; ++i) inlet[i] = tile.scratch[i] + inlet_at_;
}

void Residual::run(const Tile& tile, int* rows, float* const* outlet) const noexcept {
  float* queue[kTile];
  float* behind[kTile];
  float* branch_in[kTile];
  float* shortcut_in[kTile];
  int branch_rows[kTile];
  branch_->open(tile, branch_in);
  for (int i = 0; i < tile.streams; ++i) {
    const Header& header = state_as<Header>(tile.state[i], header_at_);
    const auto queued = static_cast<std::size_t>(header.queued) * out_channels_;
    queue[i] = tile.scratch[i] + queue_scratch_at_;
    behind[i] = queue[i] + queued;
    std::memcpy(queue[i], tile.state[i] + queue_at_, queued * sizeof(float));
    std::memcpy(branch_in[i], tile.scratch[i] + inlet_at_,
                static_cast<std::size_t>(rows[i]) * in_channels_ * sizeof(float));
    branch_rows[i] = rows[i];
  }
  if (shortcut_->empty()) {
    std::copy_n(behind, tile.streams, shortcut_in);
  } else {
    shortcut_->open(tile, shortcut_in);
  }
  for (int i = 0; i < tile.streams; ++i) {
    std::memcpy(shortcut_in[i], tile.scratch[i] + inlet_at_,
                static_cast<std::size_t>(rows[i]) * in_channels_ * sizeof(float));
  }
  if (!shortcut_->empty()) shortcut_->run(tile, rows, behind);
  branch_->run(tile, branch_rows, outlet);
  for (int i = 0; i < tile.streams; ++i) {
    Header& header = state_as<Header>(tile.state[i], header_at_);
    const int ready = std::min(branch_rows[i], header.queued + rows[i]);
    const std::size_t floats = static_cast<std::size_t>(ready) * out_channels_;
    tile.compute.kernels.add(queue[i], outlet[i], floats);
    header.queued += rows[i] - ready;
    if (!tile.last) {
      std::memcpy(tile.state[i] + queue_at_, queue[i] + floats,
                  static_cast<std::size_t>(header.queued) * out_channels_ * sizeof(float));
    }
    rows[i] = ready;
  }
}

}  // namespace hopcodec::layers
