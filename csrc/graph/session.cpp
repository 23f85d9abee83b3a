#include "graph/session.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "kernels/dispatch.hpp"
#include "layers/expect.hpp"

namespace hopcodec::graph {
int checked(const char* what, int value, int most) {
  if (value >= 1 && value <= most) return value;
  throw std::invalid_argument(std::string(what) + ": expected 1 to " + std::to_string(most) +
                              ", got " + std::to_string(value));
}

bool all_within(const float* values, std::int64_t n, float most) noexcept {
  // The negated comparison also refuses NaN.
  return std::none_of(values, values + n, [most](float x) { return !(std::fabs(x) <= most); });
}

Session::Session(const std::vector<layers::LayerWeights>& weights, const SessionOptions& options,
                 int channels, int max_rows, std::size_t own_state)
    : options_(options),
      plan_{.state = {},
            .scratch = {},
            .channels = channels,
            .max_rows = layers::expect_rows("session", max_rows, channels),
            .zero_start = options.zero_start,
            .whole = false,
            .step = max_rows / options.max_frames,
            .row_samples = 1.0,
            .lookahead_samples = 0.0,
            .piece = options.piece},
      own_state_at_(plan_.state.take(own_state)),
      pool_(options.threads),
      compute_{kernels::table_of(options.isa), pool_},
      chain_(weights, plan_),
      outlet_at_(plan_.scratch.take(static_cast<std::size_t>(plan_.max_rows) *
                                    static_cast<std::size_t>(plan_.channels))),
      states_(base::make_floats(
          plan_.state.floats() *
          static_cast<std::size_t>(checked("streams", options.streams, kMaxStreams)))),
      scratch_(
          base::make_floats(plan_.scratch.floats() * static_cast<std::size_t>(tile_capacity()))) {
  if (chain_.empty()) throw std::invalid_argument("session: expected at least one layer, got none");
  options_.fingerprint ^= options.zero_start ? 0x5a65726fULL : 0;
  options_.fingerprint ^= options.whole_hops ? 0x686f7073ULL : 0;
  for (int s = 0; s < options_.streams; ++s) start(s);
}

Status Session::reset(int stream) noexcept {
  const Use use(busy_);
  if (!use.ours()) return Status::kBusy;
  start(stream);
  return Status::kOk;
}

void Session::start(int stream) noexcept {
  float* block = state(stream);
  std::memset(block, 0, state_bytes());
  chain_.reset(block);
}

layers::Tile Session::tile(const int* streams, int count, bool last) const noexcept {
  layers::Tile tile{
      .compute = compute_, .streams = count, .state = {}, .scratch = {}, .last = last};
  for (int i = 0; i < count; ++i) {
    tile.state[i] = state(streams[i]);
    tile.scratch[i] = scratch(i);
  }
  return tile;
}

std::size_t Session::snapshot_bytes() const { return snapshot_header_bytes() + state_bytes(); }

Status Session::snapshot(int stream, std::byte* to) const noexcept {
  const Use use(busy_);
  if (!use.ours()) return Status::kBusy;
  std::memcpy(to + snapshot_header_bytes(), state(stream), state_bytes());
  seal_snapshot(to, options_.fingerprint, state_bytes());
  return Status::kOk;
}

Status Session::restore(int stream, const std::byte* from, std::size_t bytes) {
  const std::byte* body = open_snapshot(from, bytes, options_.fingerprint, state_bytes());
  const Use use(busy_);
  if (!use.ours()) return Status::kBusy;
  // Check that every index is in bounds before accepting the state: a checksum detects accidents,
  // not forgery.
  const base::FloatBuffer copy = base::make_floats(plan_.state.floats());
  std::memcpy(copy.get(), body, state_bytes());
  if (!valid(copy.get())) {
    throw SnapshotError(
        "snapshot: expected positions within the stream's buffers and finite samples, got others");
  }
  std::memcpy(state(stream), copy.get(), state_bytes());
  return Status::kOk;
}

}  // namespace hopcodec::graph
