#include "layers/pieces.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "layers/expect.hpp"

namespace hopcodec::layers {
namespace {

// Rows of a piece, at rows of `channels` floats.
std::int64_t rows_for(const PieceSize& piece, int channels) {
  return std::max(piece.least_rows, piece.floats / channels);
}

int stride_of(const LayerWeights& weights) {
  const auto* down = std::get_if<Conv1dWeights>(&weights);
  return down == nullptr ? 1 : down->shape.stride;
}

}  // namespace

Cut cut_of(std::span<const LayerWeights> weights, const Plan& plan, bool grown) {
  if (grown) {
    const std::int64_t most = rows_for(plan.piece, plan.channels);
    return plan.max_rows > most ? Cut{weights.size(), static_cast<int>(most)} : Cut{};
  }
  Cut cut{};  // the deepest cut where a push still has more rows than a piece
  std::int64_t stride = 1;
  for (std::size_t k = 0; k < weights.size(); ++k) {
    // A truncated chain needs whole steps, which pieces do not respect.
    if (std::holds_alternative<std::shared_ptr<const TruncatedWeights>>(weights[k])) return {};
    const int s = stride_of(weights[k]);
    if (s == 1) continue;
    const int channels = std::get<Conv1dWeights>(weights[k]).shape.in_channels;
    const std::int64_t most = rows_for(plan.piece, channels) * stride;
    if (k > 0 && plan.max_rows > most) cut = {k, static_cast<int>(most)};
    stride = std::min(stride * s, kMostRows);
  }
  return cut;
}

Pieces::Pieces(std::span<const LayerWeights> weights, int most, Plan& plan)
    : most_(most), in_channels_(plan.channels) {
  inlet_at_ = plan.scratch.take(static_cast<std::size_t>(plan.max_rows) *
                                static_cast<std::size_t>(in_channels_));
  // All pieces of a call together emit as many rows as the uncut chain would.
  plan.step = 1;
  Plan uncut = plan;
  uncut.piece.least_rows = std::numeric_limits<int>::max();
  const Chain bound(weights, uncut);
  plan.max_rows = most;
  chain_ = std::make_unique<Chain>(weights, plan);
  plan.max_rows = uncut.max_rows;
  out_channels_ = plan.channels;
}

void Pieces::reset(float* state) const noexcept { chain_->reset(state); }

bool Pieces::valid(const float* state) const noexcept { return chain_->valid(state); }

void Pieces::open(const Tile& tile, float** inlet) const noexcept {
  for (int i = 0; i < tile.streams; ++i) inlet[i] = tile.scratch[i] + inlet_at_;
}

void Pieces::run(const Tile& tile, int* rows, float* const* outlet) const noexcept {
  Tile piece = tile;
  int done[kTile] = {};
  int emitted[kTile] = {};
  bool more = true;
  while (more) {
    int count[kTile];
    more = false;
    for (int i = 0; i < tile.streams; ++i) {
      count[i] = std::min(most_, rows[i] - done[i]);
      more = more || done[i] + count[i] < rows[i];
    }
    piece.last = tile.last && !more;
    float* inlet[kTile];
    float* behind[kTile];
    chain_->open(piece, inlet);
    for (int i = 0; i < tile.streams; ++i) {
      const float* from = tile.scratch[i] + inlet_at_ + std::ptrdiff_t{done[i]} * in_channels_;
      std::memcpy(inlet[i], from,
                  static_cast<std::size_t>(count[i] * in_channels_) * sizeof(float));
      behind[i] = outlet[i] + std::ptrdiff_t{emitted[i]} * out_channels_;
      done[i] += count[i];
    }
    chain_->run(piece, count, behind);
    for (int i = 0; i < tile.streams; ++i) emitted[i] += count[i];
  }
  std::copy_n(emitted, tile.streams, rows);
}

}  // namespace hopcodec::layers
