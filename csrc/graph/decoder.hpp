// Decodes codes to audio, for one stream or many: the codebooks and the synthesis chain.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "graph/session.hpp"
#include "layers/rvq.hpp"

namespace hopcodec::graph {

// The part of a push that concerns one stream. Strides are as in EncodeItem. `n_q` may change from
// push to push.
struct DecodeItem {
  int stream;
  const std::uint16_t* codes;
  std::ptrdiff_t book_step;
  std::ptrdiff_t frame_step;
  int n_q;
  std::int64_t frames;
  float* audio;
  std::ptrdiff_t channel_step;
  std::int64_t samples;  // in and out: new samples are appended, so start with 0
  // Samples per channel that fit in `audio`. A push that could give more is refused. The default
  // means that the caller guarantees enough room.
  std::int64_t capacity = std::numeric_limits<std::int64_t>::max();
  // If not null: frames of `latent_dim` floats to decode instead of codes, which are then ignored.
  const float* latents = nullptr;
};

class Decoder : public Session {
 public:
  // The start of a stream's state; part of every snapshot.
  struct Header {
    std::int64_t taken;    // frames since the start
    std::int64_t emitted;  // samples since the start
    std::int32_t finished;

    // As for an encoder's.
    bool possible(int hop, std::size_t state_bytes) const noexcept;
  };

  Decoder(const std::vector<layers::LayerWeights>& chain, const layers::RvqWeights& quantizer,
          int channels, int hop_samples, const SessionOptions& options);

  int channels() const { return channels_; }
  int hop_samples() const { return hop_; }
  int latent_dim() const { return rvq_.weights().dim; }
  int codebooks() const { return rvq_.weights().codebooks(); }
  // The chain counts in its own input rows, which are frames.
  double lookahead_samples() const { return Session::lookahead_samples() * hop_; }

  // Upper bound of the samples per channel that a push of `frames`, or a flush, gives for this
  // stream.
  std::int64_t most_samples(int stream, std::int64_t frames) const noexcept;

  // A stream may occur at most once per call.
  HOPCODEC_REALTIME Outcome push(DecodeItem* items, int count) noexcept;
  HOPCODEC_REALTIME Outcome flush(DecodeItem* items, int count) noexcept;

 private:
  Header& header(int stream) const noexcept {
    return layers::state_as<Header>(state(stream), own_state_at_);
  }
  bool valid(const float* state) const noexcept override;
  Outcome check(const DecodeItem* items, int count) const noexcept;
  void step(DecodeItem* items, int count, int* rows, bool last) noexcept;

  int channels_;
  int hop_;
  layers::Rvq rvq_;
};

}  // namespace hopcodec::graph
