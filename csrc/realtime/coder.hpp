// Encoder and decoder as one step: it takes a hop of audio and returns the coded hop, delayed by
// the codec's look-ahead. The delay is constant. Without sessions it passes audio through.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "graph/decoder.hpp"
#include "graph/encoder.hpp"

namespace hopcodec::realtime {

class Coder {
 public:
  // The sessions must have one stream each, and `owner` keeps them alive. If both are null, the
  // coder passes audio through. Throws std::invalid_argument if the sessions do not fit together.
  Coder(graph::Encoder* encoder, graph::Decoder* decoder, std::shared_ptr<void> owner, int channels,
        int sample_rate_hz, int hop_samples);

  int sample_rate_hz() const { return rate_; }
  int hop() const { return hop_; }
  int channels() const { return channels_; }
  int codebooks() const { return encoder_ == nullptr ? 0 : encoder_->codebooks(); }
  // Delay of the output, in samples.
  int delay() const { return delay_; }
  bool passes_through() const { return encoder_ == nullptr; }

  // Codes one hop of planar audio; all arrays are (channels, hop). `dry` receives the input with
  // the same delay as `coded`. Returns false if a session refused the hop; `coded` is then silence.
  HOPCODEC_REALTIME bool step(const float* audio, int n_q, float* coded, float* dry) noexcept;
  // Returns to the state after construction.
  HOPCODEC_REALTIME void reset() noexcept;

 private:
  static constexpr int kMostFrames = 64;  // of one push; an exact start gives 8 at once

  std::int64_t decode(const float* audio, int n_q, bool* ok) noexcept;

  graph::Encoder* encoder_;
  graph::Decoder* decoder_;
  std::shared_ptr<void> owner_;
  int channels_;
  int rate_;
  int hop_;
  int delay_;
  std::vector<std::uint16_t> codes_;
  std::int64_t room_;         // capacity of ready_, samples per channel
  std::vector<float> ready_;  // (channels, room): decoded, not yet due
  std::vector<float> past_;   // (channels, delay + hop): delayed input
  std::int64_t ready_count_ = 0;
  std::int64_t ready_at_ = 0;  // position in the stream of ready_[0]
  std::int64_t due_ = 0;  // position of the next sample to emit; negative before the stream begins
};

}  // namespace hopcodec::realtime
