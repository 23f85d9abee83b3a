#include "graph/session.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "kernels/dispatch.hpp"

namespace hopcodec::graph {
namespace {

// Snapshot layout: this header, then the stream's state.
struct SnapshotHeader {
  char magic[8];
  std::uint64_t fingerprint;
  std::uint64_t state_bytes;
  std::uint64_t checksum;
};
constexpr char kMagic[8] = {'H', 'O', 'P', 'S', 'T', 'A', 'T', '1'};

std::uint64_t checksum(const std::byte* bytes, std::size_t n) noexcept {
  std::uint64_t h = 0xcbf29ce484222325ULL;  // FNV-1a
  for (std::size_t i = 0; i < n; ++i)
    h = (h ^ static_cast<std::uint64_t>(bytes[i])) * 0x100000001b3ULL;
  return h;
}

}  // namespace

int checked(const char* what, int value, int most) {
  if (value >= 1 && value <= most) return value;
  throw std::invalid_argument(std::string(what) + ": expected 1 to " + std::to_string(most) +
                              ", got " + std::to_string(value));
}

Session::Session(const std::vector<layers::LayerWeights>& weights, const SessionOptions& options,
                 int channels, int max_rows, std::size_t own_state)
    : options_(options),
      plan_{{}, {}, channels, max_rows, options.zero_start, 1.0, 0.0},
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
  layers::Tile tile{compute_, count, {}, {}, last};
  for (int i = 0; i < count; ++i) {
    tile.state[i] = state(streams[i]);
    tile.scratch[i] = scratch(i);
  }
  return tile;
}

std::size_t Session::snapshot_bytes() const { return sizeof(SnapshotHeader) + state_bytes(); }

Status Session::snapshot(int stream, std::byte* to) const noexcept {
  const Use use(busy_);
  if (!use.ours()) return Status::kBusy;
  std::byte* body = to + sizeof(SnapshotHeader);
  std::memcpy(body, state(stream), state_bytes());
  SnapshotHeader header{{}, options_.fingerprint, state_bytes(), checksum(body, state_bytes())};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  std::memcpy(to, &header, sizeof header);
  return Status::kOk;
}

Status Session::restore(int stream, const std::byte* from, std::size_t bytes) {
  if (bytes != snapshot_bytes()) {
    throw SnapshotError("snapshot: expected " + std::to_string(snapshot_bytes()) + " bytes, got " +
                        std::to_string(bytes));
  }
  SnapshotHeader header;
  std::memcpy(&header, from, sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) {
    throw SnapshotError("snapshot: expected the mark HOPSTAT1, got something else");
  }
  if (header.fingerprint != options_.fingerprint || header.state_bytes != state_bytes()) {
    throw SnapshotError(
        "snapshot: expected one of the same codec, weights and start policy, got another's");
  }
  const std::byte* body = from + sizeof header;
  if (header.checksum != checksum(body, state_bytes())) {
    throw SnapshotError("snapshot: the checksum does not match: the bytes are damaged");
  }
  const Use use(busy_);
  if (!use.ours()) return Status::kBusy;
  // Believed only once every index in it is in bounds: a checksum stops accidents, not intent.
  const base::FloatBuffer copy = base::make_floats(plan_.state.floats());
  std::memcpy(copy.get(), body, state_bytes());
  if (!valid(copy.get()) || !chain_.valid(copy.get())) {
    throw SnapshotError("snapshot: expected positions within the stream's buffers, got others");
  }
  std::memcpy(state(stream), copy.get(), state_bytes());
  return Status::kOk;
}

}  // namespace hopcodec::graph
