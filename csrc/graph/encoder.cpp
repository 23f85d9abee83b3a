#include "graph/encoder.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/float_mode.hpp"
#include "layers/expect.hpp"

namespace hopcodec::graph {

using layers::kTile;

Encoder::Encoder(const std::vector<layers::LayerWeights>& chain,
                 const layers::RvqWeights& quantizer, int channels, int hop_samples,
                 const SessionOptions& options)
    : Session(chain, options, channels,
              checked("hop_samples", hop_samples, kMaxHop) *
                  checked("max_frames_per_push", options.max_frames, kMaxFrames),
              base::round_up(layers::floats_of<Header>(), base::kAlignFloats) +
                  static_cast<std::size_t>(checked("hop_samples", hop_samples, kMaxHop) *
                                           checked("channels", channels, kMaxChannels))),
      channels_(channels),
      hop_(hop_samples),
      rvq_(quantizer,
           layers::expect_rows("encoder", std::int64_t{plan_.max_rows} * tile_capacity(), 1)),
      frames_(static_cast<std::size_t>(plan_.max_rows * tile_capacity())) {
  if (plan_.channels != quantizer.dim) {
    throw std::invalid_argument("encoder: expected latents of " + std::to_string(quantizer.dim) +
                                " channels for the quantizer, got " +
                                std::to_string(plan_.channels));
  }
  if (plan_.row_samples != hop_samples) {
    throw std::invalid_argument("encoder: expected strides whose product is " +
                                std::to_string(hop_samples) + " samples per frame, got " +
                                std::to_string(plan_.row_samples));
  }
}

bool Encoder::Header::possible(int hop, std::size_t state_bytes) const noexcept {
  const auto most = static_cast<std::int64_t>(state_bytes / sizeof(float));
  return taken >= 0 && taken < kLongest && emitted >= 0 && emitted <= (taken + hop - 1) / hop &&
         taken / hop - emitted <= most && pending == taken % hop &&
         (finished == 0 || finished == 1);
}

bool Encoder::valid(const float* state) const noexcept {
  const Header& h = layers::state_as<Header>(state, own_state_at_);
  return h.possible(hop_, state_bytes()) &&
         all_within(state + pending_at(), std::int64_t{h.pending} * channels_,
                    most_sample(plan_.whole)) &&
         (h.finished == 1 || (chain_.gathers(state, h.taken - h.pending) && chain_.valid(state)));
}

std::size_t Encoder::pending_at() const noexcept {
  return own_state_at_ + base::round_up(layers::floats_of<Header>(), base::kAlignFloats);
}

float* Encoder::pending(int stream) const noexcept { return state(stream) + pending_at(); }

std::int64_t Encoder::most_frames(int stream, std::int64_t samples, bool last) const noexcept {
  const Header& h = header(stream);
  const std::int64_t taken = h.taken + samples;
  return (last ? (taken + hop_ - 1) / hop_ : taken / hop_) - h.emitted;
}

Outcome Encoder::check(const EncodeItem* items, int count, bool last) const noexcept {
  const float most = most_sample(plan_.whole);
  for (int i = 0; i < count; ++i) {
    const EncodeItem& item = items[i];
    if (header(item.stream).finished != 0) return {Status::kFinished, i, 0};
    const std::int64_t longest = std::int64_t{options_.max_frames} * hop_;
    if (plan_.whole && header(item.stream).taken + item.samples > longest) {
      return {Status::kTooLong, i, longest};
    }
    if (item.capacity - item.frames < most_frames(item.stream, item.samples, last)) {
      return {Status::kNoRoom, i, 0};
    }
    for (int c = 0; c < channels_; ++c) {
      const float* x = item.audio + c * item.channel_step;
      for (std::int64_t n = 0; n < item.samples; ++n) {
        // The negated comparison also refuses NaN.
        if (!(std::fabs(x[n]) <= most)) return {Status::kBadSample, i, n, x[n]};
      }
    }
  }
  return {};
}

// Runs the chain and the quantiser once over the rows that were written to the inlets.
void Encoder::step(EncodeItem* items, int count, const int* rows_in, int n_q, bool last) noexcept {
  int streams[kTile] = {};
  int rows[kTile] = {};
  float* outlet[kTile] = {};
  for (int i = 0; i < count; ++i) {
    streams[i] = items[i].stream;
    rows[i] = rows_in[i];
    outlet[i] = scratch(i) + outlet_at_;
  }
  chain_.run(tile(streams, count, last), rows, outlet);
  const std::ptrdiff_t dim = plan_.channels;
  int n = 0;
  for (int i = 0; i < count; ++i) {
    EncodeItem& item = items[i];
    rows[i] = static_cast<int>(std::min<std::int64_t>(rows[i], item.capacity - item.frames));
    if (item.latents != nullptr) {
      std::memcpy(item.latents + item.frames * dim, outlet[i],
                  static_cast<std::size_t>(rows[i] * dim) * sizeof(float));
    }
    for (int f = 0; f < rows[i]; ++f) {
      frames_[static_cast<std::size_t>(n++)] = {
          outlet[i] + f * dim, item.codes + (item.frames + f) * item.frame_step, item.book_step};
    }
    item.frames += rows[i];
    header(item.stream).emitted += rows[i];
  }
  rvq_.encode(compute_, frames_.data(), n, n_q);
}

void Encoder::push_tile(EncodeItem* items, int count, int n_q) noexcept {
  std::int64_t done[kTile] = {};
  int streams[kTile] = {};
  for (int i = 0; i < count; ++i) streams[i] = items[i].stream;
  while (true) {
    int rows[kTile] = {};
    int most = 0;
    for (int i = 0; i < count; ++i) {
      const std::int64_t have = header(items[i].stream).pending + items[i].samples - done[i];
      rows[i] = static_cast<int>(std::min<std::int64_t>(options_.max_frames, have / hop_)) * hop_;
      most = std::max(most, rows[i]);
    }
    if (most == 0) break;
    float* inlet[kTile] = {};
    chain_.open(tile(streams, count, false), inlet);
    for (int i = 0; i < count; ++i) {
      if (rows[i] == 0) continue;
      Header& h = header(items[i].stream);
      std::memcpy(inlet[i], pending(items[i].stream),
                  static_cast<std::size_t>(h.pending * channels_) * sizeof(float));
      float* to = inlet[i] + h.pending * channels_;
      const int fresh = rows[i] - h.pending;
      for (int c = 0; c < channels_; ++c) {
        const float* x = items[i].audio + c * items[i].channel_step + done[i];
        for (int t = 0; t < fresh; ++t) to[t * channels_ + c] = x[t];
      }
      done[i] += fresh;
      h.pending = 0;
    }
    step(items, count, rows, n_q, /*last=*/false);
  }
  for (int i = 0; i < count; ++i) {
    Header& h = header(items[i].stream);
    float* to = pending(items[i].stream) + h.pending * channels_;
    const auto left = static_cast<int>(items[i].samples - done[i]);
    for (int c = 0; c < channels_; ++c) {
      const float* x = items[i].audio + c * items[i].channel_step + done[i];
      for (int t = 0; t < left; ++t) to[t * channels_ + c] = x[t];
    }
    h.pending += left;
    h.taken += items[i].samples;
  }
}

Outcome Encoder::push(EncodeItem* items, int count, int n_q) noexcept {
  const Use use(busy_);
  if (!use.ours()) return {Status::kBusy, 0, 0};
  const Outcome outcome = check(items, count, /*last=*/false);
  if (outcome.status != Status::kOk) return outcome;
  const base::FlushDenormals flush;
  for (int first = 0; first < count; first += kTile) {
    push_tile(items + first, std::min(kTile, count - first), n_q);
  }
  return {};
}

Outcome Encoder::flush(EncodeItem* items, int count, int n_q) noexcept {
  const Use use(busy_);
  if (!use.ours()) return {Status::kBusy, 0, 0};
  for (int i = 0; i < count; ++i) items[i].samples = 0;
  const Outcome outcome = check(items, count, /*last=*/true);
  if (outcome.status != Status::kOk) return outcome;
  const base::FlushDenormals flush;
  for (int first = 0; first < count; first += kTile) {
    EncodeItem* part = items + first;
    const int n = std::min(kTile, count - first);
    int streams[kTile] = {};
    int rows[kTile] = {};
    float* inlet[kTile] = {};
    for (int i = 0; i < n; ++i) streams[i] = part[i].stream;
    chain_.open(tile(streams, n, true), inlet);
    for (int i = 0; i < n; ++i) {
      Header& h = header(part[i].stream);
      rows[i] = h.pending;
      std::memcpy(inlet[i], pending(part[i].stream),
                  static_cast<std::size_t>(rows[i] * channels_) * sizeof(float));
      if (options_.whole_hops && rows[i] > 0) {
        std::fill(inlet[i] + rows[i] * channels_, inlet[i] + hop_ * channels_, 0.0F);
        rows[i] = hop_;
      }
      h.finished = 1;
    }
    step(part, n, rows, n_q, /*last=*/true);
  }
  return {};
}

}  // namespace hopcodec::graph
