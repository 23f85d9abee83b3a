// Codes in, audio out: the codebooks and the synthesis chain, for one stream or many.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "graph/session.hpp"
#include "layers/rvq.hpp"

namespace hopcodec::graph {

// One stream's part of a push; addressing as in EncodeItem. `n_q` may change from push to push.
struct DecodeItem {
  int stream;
  const std::uint16_t* codes;
  std::ptrdiff_t book_step;
  std::ptrdiff_t frame_step;
  int n_q;
  std::int64_t frames;
  float* audio;
  std::ptrdiff_t channel_step;
  std::int64_t samples;  // result: written behind those already there, so begin with 0
  // Samples per channel that fit; a push that could give more is refused. By default the caller
  // vouches for it.
  std::int64_t capacity = std::numeric_limits<std::int64_t>::max();
  // Frames of `latent_dim` floats to use instead of codes, which are then not looked at.
  const float* latents = nullptr;
};

class Decoder : public Session {
 public:
  // The front of a stream's state; part of every snapshot.
  struct Header {
    std::int64_t taken;    // frames
    std::int64_t emitted;  // samples
    std::int32_t finished;
  };

  Decoder(const std::vector<layers::LayerWeights>& chain, const layers::RvqWeights& quantizer,
          int channels, int hop_samples, const SessionOptions& options);

  int channels() const { return channels_; }
  int hop_samples() const { return hop_; }
  int latent_dim() const { return rvq_.weights().dim; }
  int codebooks() const { return rvq_.weights().codebooks(); }
  // The chain counts in its own input, which is frames.
  double lookahead_samples() const { return Session::lookahead_samples() * hop_; }

  // Most samples per channel that a push of `frames`, or a flush, can give for this stream.
  std::int64_t most_samples(int stream, std::int64_t frames) const noexcept;

  // Each stream at most once per call.
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
