// An encoder and a decoder as one step: a hop of audio in, the hop it became out, always as long
// after as the codec looks ahead. Without sessions it passes audio through.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "graph/decoder.hpp"
#include "graph/encoder.hpp"

namespace hopcodec::realtime {

class Coder {
 public:
  // Sessions of one stream, kept alive by `owner`; both null: pass-through. Throws
  // std::invalid_argument when they do not fit each other.
  Coder(graph::Encoder* encoder, graph::Decoder* decoder, std::shared_ptr<void> owner, int channels,
        int sample_rate_hz, int hop_samples);

  int sample_rate_hz() const { return rate_; }
  int hop() const { return hop_; }
  int channels() const { return channels_; }
  int codebooks() const { return encoder_ == nullptr ? 0 : encoder_->codebooks(); }
  // Samples by which the output lags the input.
  int delay() const { return delay_; }
  bool passes_through() const { return encoder_ == nullptr; }

  // One hop of planar audio, (channels, hop) each. `dry` is the input, as late as `coded` is. False
  // if a session refused; `coded` is then silence.
  HOPCODEC_REALTIME bool step(const float* audio, int n_q, float* coded, float* dry) noexcept;
  // As after construction.
  HOPCODEC_REALTIME void reset() noexcept;

 private:
  static constexpr int kMostFrames = 64;  // that a push may give at once: an exact start gives 8

  std::int64_t decode(const float* audio, int n_q, bool* ok) noexcept;

  graph::Encoder* encoder_;
  graph::Decoder* decoder_;
  std::shared_ptr<void> owner_;
  int channels_;
  int rate_;
  int hop_;
  int delay_;
  std::vector<std::uint16_t> codes_;
  std::int64_t room_;         // samples per channel in ready_
  std::vector<float> ready_;  // (channels, room): decoded, not yet due
  std::vector<float> past_;   // (channels, delay + hop): the dry input
  std::int64_t ready_count_ = 0;
  std::int64_t ready_at_ = 0;  // position in the stream of ready_[0]
  std::int64_t due_ = 0;       // position of the next sample to give; negative: before the stream
};

}  // namespace hopcodec::realtime
