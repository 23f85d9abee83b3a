#include "layers/lstm.hpp"

#include <algorithm>
#include <cstring>

#include "layers/expect.hpp"

namespace hopcodec::layers {
namespace {

// Transposes (4n, n) to (n, 4n): in a packed product the input vector is on the left.
std::shared_ptr<const Packed> pack_gates(std::size_t n, const float* weight, const float* bias,
                                         Storage storage) {
  std::vector<float> matrix(n * 4 * n);
  for (std::size_t gate = 0; gate < 4 * n; ++gate) {
    for (std::size_t k = 0; k < n; ++k) matrix[k * 4 * n + gate] = weight[gate * n + k];
  }
  return std::make_shared<Packed>(matrix.data(), bias, n, 4 * n, storage);
}

}  // namespace

LstmWeights::Stage pack_lstm(int channels, const float* weight_ih, const float* weight_hh,
                             const float* bias_ih, const float* bias_hh, Storage storage) {
  const auto n = static_cast<std::size_t>(channels);
  std::vector<float> bias(4 * n);
  std::transform(bias_ih, bias_ih + 4 * n, bias_hh, bias.begin(),
                 [](float a, float b) { return a + b; });
  return {pack_gates(n, weight_ih, bias.data(), storage),
          pack_gates(n, weight_hh, nullptr, storage)};
}

Lstm::Lstm(const LstmWeights& weights, Plan& plan)
    : channels_(weights.channels), skip_(weights.skip), stages_(weights.stages) {
  expect_channels("lstm", plan.channels, channels_);
  const auto n = static_cast<std::size_t>(channels_);
  const auto max_rows =
      static_cast<std::size_t>(expect_rows("lstm", plan.max_rows, std::int64_t{4} * channels_));
  for (std::size_t s = 0; s < stages_.size(); ++s) hidden_at_.push_back(plan.state.take(2 * n));
  inlet_at_ = plan.scratch.take(max_rows * n);
  gates_at_ = plan.scratch.take(max_rows * 4 * n);
  rows_at_ = plan.scratch.take(max_rows * n);
}

void Lstm::reset(float*) const noexcept {}  // hidden and cell start at zero

bool Lstm::valid(const float*) const noexcept { return true; }  // the state has no indices

void Lstm::open(const Tile& tile, float** inlet) const noexcept {
  for (int i = 0; i < tile.streams; ++i) inlet[i] = tile.scratch[i] + inlet_at_;
}

void Lstm::run_stage(const Tile& tile, const int* rows, std::size_t stage,
                     const std::size_t from) const noexcept {
  const int n = channels_;
  RowBlock blocks[kTile] = {};
  int longest = 0;
  for (int i = 0; i < tile.streams; ++i) {
    blocks[i] = {.a = tile.scratch[i] + from,
                 .a_step = n,
                 .c = tile.scratch[i] + gates_at_,
                 .c_step = 4 * n,
                 .rows = rows[i]};
    longest = std::max(longest, rows[i]);
  }
  stages_[stage].input->multiply(tile.compute, {1, n, 0}, blocks, tile.streams);
  for (int t = 0; t < longest; ++t) {
    int active = 0;
    for (int i = 0; i < tile.streams; ++i) {
      if (t >= rows[i]) continue;
      float* gates = tile.scratch[i] + gates_at_ + t * 4 * n;
      blocks[active++] = {.a = tile.state[i] + hidden_at_[stage],
                          .a_step = n,
                          .c = gates,
                          .c_step = 4 * n,
                          .rows = 1};
    }
    stages_[stage].recurrent->multiply(tile.compute, {1, n, 0}, blocks, active, /*resume=*/true);
    for (int i = 0; i < tile.streams; ++i) {
      if (t >= rows[i]) continue;
      float* hidden = tile.state[i] + hidden_at_[stage];
      tile.compute.kernels.lstm_cell(tile.scratch[i] + gates_at_ + t * 4 * n, hidden + n, hidden,
                                     static_cast<std::size_t>(n));
      std::memcpy(tile.scratch[i] + rows_at_ + t * n, hidden,
                  static_cast<std::size_t>(n) * sizeof(float));
    }
  }
}

void Lstm::run(const Tile& tile, int* rows, float* const* outlet) const noexcept {
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    run_stage(tile, rows, s, s == 0 ? inlet_at_ : rows_at_);
  }
  for (int i = 0; i < tile.streams; ++i) {
    const auto floats = static_cast<std::size_t>(rows[i] * channels_);
    std::memcpy(outlet[i], tile.scratch[i] + rows_at_, floats * sizeof(float));
    if (skip_) tile.compute.kernels.add(tile.scratch[i] + inlet_at_, outlet[i], floats);
  }
}

}  // namespace hopcodec::layers
