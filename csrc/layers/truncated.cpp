#include "layers/truncated.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "layers/expect.hpp"

namespace hopcodec::layers {
namespace {

constexpr const char* kTruncated = "truncated";
constexpr int kMostAhead = 1024;
constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();

// A group norm emits the whole stream at its end, so there are no steps to truncate.
void expect_no_norm(const Plan& plan) {
  if (plan.whole) {
    throw std::invalid_argument(
        "truncated: expected a chain without group norm (it waits for the whole stream), got one "
        "with a group norm");
  }
}

}  // namespace

void TruncatedWeights::check() const {
  expect(step >= 1 && step <= kMostSize, kTruncated, "1 <= step <= 2^20", step);
  expect(ahead >= 0 && ahead <= kMostAhead, kTruncated, "0 <= ahead <= 1024", ahead);
  expect(!layers.empty(), kTruncated, "at least one layer", 0);
}

Truncated::Truncated(const TruncatedWeights& weights, Plan& plan)
    : step_(weights.step),
      ahead_(weights.ahead),
      in_channels_(static_cast<std::size_t>(plan.channels)) {
  weights.check();
  expect(plan.step % step_ == 0, kTruncated,
         "to be the first layer, and a hop that is a multiple of the step", plan.step);
  expect_no_norm(plan);
  const Plan before = plan;
  inlet_at_ = plan.scratch.take(static_cast<std::size_t>(plan.max_rows) * in_channels_);
  header_at_ = plan.state.take(floats_of<Header>());
  state_begin_ = plan.state.floats();
  plan.max_rows = plan.step = step_;
  chain_ = std::make_unique<Chain>(weights.layers, plan);
  expect_no_norm(plan);
  state_end_ = plan.state.floats();
  out_channels_ = static_cast<std::size_t>(plan.channels);
  copy_at_ = plan.scratch.take(state_end_);
  rows_at_ = plan.scratch.take(static_cast<std::size_t>(plan.max_rows) * out_channels_);

  const double step_samples = step_ * before.row_samples;
  const double rows_per_step = step_samples / plan.row_samples;
  rows_per_step_ = static_cast<int>(std::lround(rows_per_step));
  if (std::fabs(rows_per_step - rows_per_step_) > 1e-9) {
    throw std::invalid_argument("truncated: expected a whole number of output rows per step, got " +
                                std::to_string(rows_per_step));
  }
  const double ahead = ahead_ * step_samples;
  const double whole = plan.lookahead_samples - before.lookahead_samples;
  if (ahead >= whole) {
    throw std::invalid_argument("truncated: expected ahead below the chain's look-ahead of " +
                                std::to_string(whole / step_samples) + " steps, got " +
                                std::to_string(ahead_));
  }
  plan.lookahead_samples = before.lookahead_samples + ahead;
  // The rows of each step, plus the rows that a flush of the chain emits.
  plan.max_rows = expect_rows(
      kTruncated, plan.max_rows + std::int64_t{before.max_rows} / step_ * rows_per_step_,
      plan.channels);
}

void Truncated::reset(float* state) const noexcept { chain_->reset(state); }

bool Truncated::valid(const float* state) const noexcept {
  const Header& h = state_as<Header>(state, header_at_);
  return h.steps >= 0 && h.steps < kLongest / rows_per_step_ && h.exact >= 0 &&
         h.exact <= h.emitted && h.emitted <= (h.steps + 1) * rows_per_step_ &&
         chain_->valid(state);
}

void Truncated::open(const Tile& tile, float** inlet) const noexcept {
  for (int i = 0; i < tile.streams; ++i) inlet[i] = tile.scratch[i] + inlet_at_;
}

// Runs one step of the chain itself; counts[j] rows are in the scratch. Most of them were emitted
// before with less look-ahead. The last can be new if the look-ahead is truncated by less than a
// step.
void Truncated::advance(const Tile& tile, const ActiveStreams& active, const int* taken,
                        int* counts) const noexcept {
  Tile part{
      .compute = tile.compute, .streams = active.count, .state = {}, .scratch = {}, .last = false};
  float* inlet[kTile] = {};
  float* sink[kTile] = {};
  for (int j = 0; j < active.count; ++j) {
    part.state[j] = tile.state[active.of[j]];
    part.scratch[j] = tile.scratch[active.of[j]];
  }
  chain_->open(part, inlet);
  for (int j = 0; j < active.count; ++j) {
    const auto behind = static_cast<std::size_t>(taken[active.of[j]]) * in_channels_;
    std::memcpy(inlet[j], part.scratch[j] + inlet_at_ + behind,
                static_cast<std::size_t>(step_) * in_channels_ * sizeof(float));
    sink[j] = part.scratch[j] + rows_at_;
    counts[j] = step_;
  }
  chain_->run(part, counts, sink);
  for (int j = 0; j < active.count; ++j) {
    Header& h = header(part, j);
    h.exact += counts[j];
    ++h.steps;
  }
}

// Flushes a copy of each stream's state, as if the streams ended here; counts[j] rows are in the
// scratch.
void Truncated::flush_copy(const Tile& tile, const ActiveStreams& active,
                           int* counts) const noexcept {
  Tile part{
      .compute = tile.compute, .streams = active.count, .state = {}, .scratch = {}, .last = true};
  float* inlet[kTile] = {};
  float* sink[kTile] = {};
  for (int j = 0; j < active.count; ++j) {
    part.scratch[j] = tile.scratch[active.of[j]];
    part.state[j] = part.scratch[j] + copy_at_;
    sink[j] = part.scratch[j] + rows_at_;
    counts[j] = 0;
    std::memcpy(part.state[j] + state_begin_, tile.state[active.of[j]] + state_begin_,
                (state_end_ - state_begin_) * sizeof(float));
  }
  chain_->open(part, inlet);
  chain_->run(part, counts, sink);
}

// Flushes the streams themselves at their end; counts[i] rows are in the scratch.
void Truncated::flush(const Tile& tile, const int* taken, const int* rows,
                      int* counts) const noexcept {
  float* inlet[kTile] = {};
  float* sink[kTile] = {};
  chain_->open(tile, inlet);
  for (int i = 0; i < tile.streams; ++i) {
    counts[i] = rows[i] - taken[i];
    std::memcpy(inlet[i],
                tile.scratch[i] + inlet_at_ + static_cast<std::size_t>(taken[i]) * in_channels_,
                static_cast<std::size_t>(counts[i]) * in_channels_ * sizeof(float));
    sink[i] = tile.scratch[i] + rows_at_;
  }
  chain_->run(tile, counts, sink);
}

// The scratch holds `count` rows, the first of which has number `from`. Emits those not emitted
// before, up to number `until`, and returns how many.
int Truncated::emit(const Tile& tile, int lane, std::int64_t until, std::int64_t from, int count,
                    float* to) const noexcept {
  Header& h = header(tile, lane);
  const std::int64_t skip = std::clamp<std::int64_t>(h.emitted - from, 0, count);
  const std::int64_t rows = std::clamp<std::int64_t>(until - h.emitted, 0, count - skip);
  std::memcpy(to, tile.scratch[lane] + rows_at_ + static_cast<std::size_t>(skip) * out_channels_,
              static_cast<std::size_t>(rows) * out_channels_ * sizeof(float));
  h.emitted += rows;
  return static_cast<int>(rows);
}

void Truncated::run(const Tile& tile, int* rows, float* const* outlet) const noexcept {
  int taken[kTile] = {};
  int emitted_rows[kTile] = {};
  int counts[kTile] = {};
  const auto emit_rows = [&](int i, std::int64_t until, std::int64_t from, int count) {
    float* to = outlet[i] + static_cast<std::size_t>(emitted_rows[i]) * out_channels_;
    emitted_rows[i] += emit(tile, i, until, from, count, to);
  };
  while (true) {
    ActiveStreams ready{{}, 0};
    for (int i = 0; i < tile.streams; ++i) {
      if (rows[i] - taken[i] >= step_) ready.of[ready.count++] = i;
    }
    if (ready.count == 0) break;
    advance(tile, ready, taken, counts);
    ActiveStreams flushing{{}, 0};
    for (int j = 0; j < ready.count; ++j) {
      const int i = ready.of[j];
      const Header& h = header(tile, i);
      taken[i] += step_;
      if (h.steps <= ahead_) continue;
      emit_rows(i, due(h), h.exact - counts[j], counts[j]);
      flushing.of[flushing.count++] = i;
    }
    if (flushing.count == 0) continue;
    flush_copy(tile, flushing, counts);
    for (int j = 0; j < flushing.count; ++j) {
      const Header& h = header(tile, flushing.of[j]);
      emit_rows(flushing.of[j], due(h), h.exact, counts[j]);
    }
  }
  if (tile.last) {
    flush(tile, taken, rows, counts);
    for (int i = 0; i < tile.streams; ++i) {
      emit_rows(i, kAll, header(tile, i).exact, counts[i]);
    }
  }
  std::copy_n(emitted_rows, tile.streams, rows);
}

}  // namespace hopcodec::layers
