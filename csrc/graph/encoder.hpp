// Encodes audio to codes, for one stream or many: the analysis chain and the quantiser.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "graph/session.hpp"
#include "layers/rvq.hpp"

namespace hopcodec::graph {

// The part of a push that concerns one stream. Channel c of the audio starts at audio + c *
// channel_step. The code of codebook q and frame f is written to codes[q * book_step + f *
// frame_step]. If `latents` is not null, the frames of `dim` floats before quantisation are written
// there too.
struct EncodeItem {
  int stream;
  const float* audio;
  std::ptrdiff_t channel_step;
  std::int64_t samples;
  std::uint16_t* codes;
  std::ptrdiff_t book_step;
  std::ptrdiff_t frame_step;
  float* latents;
  std::int64_t frames;  // in and out: new frames are appended, so start with 0
  // Frames that fit in the outputs. A push that could give more is refused. The default means that
  // the caller guarantees enough room.
  std::int64_t capacity = std::numeric_limits<std::int64_t>::max();
};

class Encoder : public Session {
 public:
  // The start of a stream's state; part of every snapshot.
  struct Header {
    std::int64_t taken;    // samples since the start
    std::int64_t emitted;  // frames since the start
    std::int32_t pending;  // samples that do not fill a hop yet, stored behind this header
    std::int32_t finished;

    // Whether a stream can have these counts. Frames that came and were not emitted are in its
    // state, so they are fewer than its floats.
    bool possible(int hop, std::size_t state_bytes) const noexcept;
  };

  Encoder(const std::vector<layers::LayerWeights>& chain, const layers::RvqWeights& quantizer,
          int channels, int hop_samples, const SessionOptions& options);

  int channels() const { return channels_; }
  int hop_samples() const { return hop_; }
  int latent_dim() const { return rvq_.weights().dim; }
  int codebooks() const { return rvq_.weights().codebooks(); }

  // Upper bound of the frames that a push of `samples`, or a flush, gives for this stream.
  std::int64_t most_frames(int stream, std::int64_t samples, bool last) const noexcept;

  // A stream may occur at most once per call. n_q is in [0, codebooks()].
  HOPCODEC_REALTIME Outcome push(EncodeItem* items, int count, int n_q) noexcept;
  HOPCODEC_REALTIME Outcome flush(EncodeItem* items, int count, int n_q) noexcept;

 private:
  Header& header(int stream) const noexcept {
    return layers::state_as<Header>(state(stream), own_state_at_);
  }
  std::size_t pending_at() const noexcept;  // in a state
  float* pending(int stream) const noexcept;
  bool valid(const float* state) const noexcept override;
  Outcome check(const EncodeItem* items, int count, bool last) const noexcept;
  void push_tile(EncodeItem* items, int count, int n_q) noexcept;
  void step(EncodeItem* items, int count, const int* rows_in, int n_q, bool last) noexcept;

  int channels_;
  int hop_;
  layers::Rvq rvq_;
  std::vector<layers::Rvq::Frame> frames_;  // sized once
};

}  // namespace hopcodec::graph
