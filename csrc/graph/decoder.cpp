#include "graph/decoder.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/float_mode.hpp"

namespace hopcodec::graph {

using layers::kTile;

Decoder::Decoder(const std::vector<layers::LayerWeights>& chain,
                 const layers::RvqWeights& quantizer, int channels, int hop_samples,
                 const SessionOptions& options)
    : Session(chain, options, quantizer.dim,
              checked("max_frames_per_push", options.max_frames, kMaxFrames),
              layers::floats_of<Header>()),
      channels_(channels),
      hop_(checked("hop_samples", hop_samples, kMaxHop)),
      rvq_(quantizer, 1) {
  if (plan_.channels != channels) {
    throw std::invalid_argument("decoder: expected " + std::to_string(channels) +
                                " audio channels, got " + std::to_string(plan_.channels));
  }
  if (std::fabs(plan_.row_samples * hop_samples - 1.0) > 1e-9) {
    throw std::invalid_argument("decoder: expected strides whose product is " +
                                std::to_string(hop_samples) + " samples per frame, got " +
                                std::to_string(1.0 / plan_.row_samples));
  }
}

bool Decoder::Header::possible(int hop, std::size_t state_bytes) const noexcept {
  const auto most = static_cast<std::int64_t>(state_bytes / sizeof(float));
  return taken >= 0 && taken < kLongest / hop && emitted >= 0 && emitted <= taken * hop &&
         taken - emitted / hop <= most && (finished == 0 || finished == 1);
}

bool Decoder::valid(const float* state) const noexcept {
  const Header& h = layers::state_as<Header>(state, own_state_at_);
  return h.possible(hop_, state_bytes()) &&
         (h.finished == 1 || (chain_.gathers(state, h.taken) && chain_.valid(state)));
}

std::int64_t Decoder::most_samples(int stream, std::int64_t frames) const noexcept {
  const Header& h = header(stream);
  return (h.taken + frames) * hop_ - h.emitted;
}

Outcome Decoder::check(const DecodeItem* items, int count) const noexcept {
  for (int i = 0; i < count; ++i) {
    const DecodeItem& item = items[i];
    if (header(item.stream).finished != 0) return {Status::kFinished, i, 0};
    if (plan_.whole && header(item.stream).taken + item.frames > options_.max_frames) {
      return {Status::kTooLong, i, options_.max_frames};
    }
    if (item.capacity - item.samples < most_samples(item.stream, item.frames)) {
      return {Status::kNoRoom, i, 0};
    }
    if (item.latents != nullptr) {
      const std::int64_t dim = latent_dim();
      for (std::int64_t k = 0; k < item.frames * dim; ++k) {
        const float x = item.latents[k];
        // The negated comparison also refuses NaN.
        if (!(std::fabs(x) <= kMaxLatent)) return {Status::kBadLatent, i, k / dim, x};
      }
      continue;
    }
    for (int q = 0; q < item.n_q; ++q) {
      for (std::int64_t f = 0; f < item.frames; ++f) {
        if (item.codes[q * item.book_step + f * item.frame_step] >= rvq_.weights().size) {
          return {Status::kBadCode, i, f};
        }
      }
    }
  }
  return {};
}

void Decoder::step(DecodeItem* items, int count, int* rows, bool last) noexcept {
  int streams[kTile] = {};
  float* outlet[kTile] = {};
  for (int i = 0; i < count; ++i) {
    streams[i] = items[i].stream;
    outlet[i] = scratch(i) + outlet_at_;
  }
  chain_.run(tile(streams, count, last), rows, outlet);
  for (int i = 0; i < count; ++i) {
    DecodeItem& item = items[i];
    // Emit no more than most_samples() promised, however many rows the trims of the chain leave.
    const std::int64_t room = std::min(most_samples(item.stream, 0), item.capacity - item.samples);
    rows[i] = static_cast<int>(std::min<std::int64_t>(rows[i], room));
    for (int c = 0; c < channels_; ++c) {
      float* to = item.audio + c * item.channel_step + item.samples;
      for (int t = 0; t < rows[i]; ++t) to[t] = outlet[i][t * channels_ + c];
    }
    item.samples += rows[i];
    header(item.stream).emitted += rows[i];
  }
}

Outcome Decoder::push(DecodeItem* items, int count) noexcept {
  const Use use(busy_);
  if (!use.ours()) return {Status::kBusy, 0, 0};
  const Outcome outcome = check(items, count);
  if (outcome.status != Status::kOk) return outcome;
  const base::FlushDenormals flush;
  for (int first = 0; first < count; first += kTile) {
    DecodeItem* part = items + first;
    const int n = std::min(kTile, count - first);
    std::int64_t done[kTile] = {};
    int streams[kTile] = {};
    for (int i = 0; i < n; ++i) streams[i] = part[i].stream;
    while (true) {
      int rows[kTile] = {};
      int most = 0;
      for (int i = 0; i < n; ++i) {
        rows[i] =
            static_cast<int>(std::min<std::int64_t>(options_.max_frames, part[i].frames - done[i]));
        most = std::max(most, rows[i]);
      }
      if (most == 0) break;
      float* inlet[kTile] = {};
      chain_.open(tile(streams, n, false), inlet);
      for (int i = 0; i < n; ++i) {
        const std::ptrdiff_t dim = latent_dim();
        if (part[i].latents != nullptr) {
          std::copy_n(part[i].latents + done[i] * dim, rows[i] * dim, inlet[i]);
        } else {
          for (int f = 0; f < rows[i]; ++f) {
            rvq_.decode(compute_, part[i].codes + (done[i] + f) * part[i].frame_step,
                        part[i].book_step, part[i].n_q, inlet[i] + f * dim);
          }
        }
        done[i] += rows[i];
        header(part[i].stream).taken += rows[i];
      }
      step(part, n, rows, /*last=*/false);
    }
  }
  return {};
}

Outcome Decoder::flush(DecodeItem* items, int count) noexcept {
  const Use use(busy_);
  if (!use.ours()) return {Status::kBusy, 0, 0};
  for (int i = 0; i < count; ++i) items[i].frames = 0;
  const Outcome outcome = check(items, count);
  if (outcome.status != Status::kOk) return outcome;
  const base::FlushDenormals flush;
  for (int first = 0; first < count; first += kTile) {
    DecodeItem* part = items + first;
    const int n = std::min(kTile, count - first);
    int streams[kTile] = {};
    int rows[kTile] = {};
    float* inlet[kTile] = {};
    for (int i = 0; i < n; ++i) {
      streams[i] = part[i].stream;
      header(part[i].stream).finished = 1;
    }
    chain_.open(tile(streams, n, true), inlet);
    step(part, n, rows, /*last=*/true);
  }
  return {};
}

}  // namespace hopcodec::graph
