#include "layers/group_norm.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels/group_norm.hpp"
#include "layers/expect.hpp"

namespace hopcodec::layers {
namespace {

constexpr const char* kGroupNorm = "group_norm";

}  // namespace

Gather::Gather(Plan& plan)
    : max_held_(plan.max_rows), channels_(static_cast<std::size_t>(plan.channels)) {
  header_at_ = plan.state.take(floats_of<Header>());
  held_at_ = plan.state.take(static_cast<std::size_t>(max_held_) * channels_);
  plan.lookahead_samples += max_held_ * plan.row_samples;
  plan.whole = true;
}

void Gather::reset(float*) const noexcept {}  // all zero: no rows held

bool Gather::valid(const float* state) const noexcept {
  const Header& h = state_as<Header>(state, header_at_);
  return h.held >= 0 && h.held <= max_held_;
}

int Gather::held(const float* state) const noexcept {
  return state_as<Header>(state, header_at_).held;
}

void Gather::open(const Tile& tile, float** inlet) const noexcept {
  for (int i = 0; i < tile.streams; ++i) {
    const Header& header = state_as<Header>(tile.state[i], header_at_);
    inlet[i] = tile.state[i] + held_at_ + static_cast<std::size_t>(header.held) * channels_;
  }
}

void Gather::run(const Tile& tile, int* rows, float* const* outlet) const noexcept {
  for (int i = 0; i < tile.streams; ++i) {
    Header& header = state_as<Header>(tile.state[i], header_at_);
    header.held += rows[i];
    rows[i] = tile.last ? header.held : 0;
    std::memcpy(outlet[i], tile.state[i] + held_at_,
                static_cast<std::size_t>(rows[i]) * channels_ * sizeof(float));
  }
}

GroupNorm::GroupNorm(const GroupNormWeights& weights, Plan& plan) : weights_(weights) {
  expect(weights_.channels >= 1 && weights_.channels <= kMostSize, kGroupNorm,
         "1 <= channels <= 2^20", weights_.channels);
  expect(weights_.trim_left >= 0 && weights_.trim_left <= kMostSize, kGroupNorm,
         "0 <= trim_left <= 2^20", weights_.trim_left);
  expect(weights_.trim_right >= 0 && weights_.trim_right <= kMostSize, kGroupNorm,
         "0 <= trim_right <= 2^20", weights_.trim_right);
  if (!(weights_.eps > 0.0F) || !std::isfinite(weights_.eps)) {
    throw std::invalid_argument("group_norm: expected a finite eps > 0, got " +
                                std::to_string(weights_.eps));
  }
  expect_channels(kGroupNorm, plan.channels, weights_.channels);
  if (!plan.whole) {
    throw std::invalid_argument("group_norm: expected a Gather before it, got none");
  }
  const auto channels = static_cast<std::size_t>(weights_.channels);
  inlet_at_ = plan.scratch.take(static_cast<std::size_t>(plan.max_rows) * channels);
  moments_at_ = plan.scratch.take(2 * channels * floats_of<double>());
  map_at_ = plan.scratch.take(2 * channels * floats_of<double>());
}

void GroupNorm::reset(float*) const noexcept {}  // no state

bool GroupNorm::valid(const float*) const noexcept { return true; }

void GroupNorm::open(const Tile& tile, float** inlet) const noexcept {
  for (int i = 0; i < tile.streams; ++i) inlet[i] = tile.scratch[i] + inlet_at_;
}

void GroupNorm::run(const Tile& tile, int* rows, float* const* outlet) const noexcept {
  const auto channels = static_cast<std::size_t>(weights_.channels);
  for (int i = 0; i < tile.streams; ++i) {
    if (rows[i] == 0) continue;
    const float* x = tile.scratch[i] + inlet_at_;
    double* sum = &state_as<double>(tile.scratch[i], moments_at_);
    double* scale = &state_as<double>(tile.scratch[i], map_at_);
    const auto taken = static_cast<std::size_t>(rows[i]);
    std::fill_n(sum, 2 * channels, 0.0);
    tile.compute.kernels.add_moments(x, taken, channels, sum, sum + channels);
    kernels::normalising_map(sum, sum + channels, taken, channels, /*groups=*/1,
                             weights_.weight.get(), weights_.bias.get(), weights_.eps, scale,
                             scale + channels);
    rows[i] = std::max(0, rows[i] - weights_.trim_left - weights_.trim_right);
    if (rows[i] == 0) continue;  // all rows are trimmed: `trim_left` may be beyond the last row
    tile.compute.kernels.map_channels(x + static_cast<std::size_t>(weights_.trim_left) * channels,
                                      outlet[i], static_cast<std::size_t>(rows[i]), channels, scale,
                                      scale + channels);
  }
}

}  // namespace hopcodec::layers
