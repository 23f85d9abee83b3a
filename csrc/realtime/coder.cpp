#include "realtime/coder.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace hopcodec::realtime {
namespace {

void require(bool ok, const char* what, int expected, int got) {
  if (ok) return;
  throw std::invalid_argument(std::string("coder: expected ") + what + " " +
                              std::to_string(expected) + ", got " + std::to_string(got));
}

void copy(float* to, const float* from, std::int64_t n) noexcept {
  std::memmove(to, from, static_cast<std::size_t>(n) * sizeof(float));
}

}  // namespace

Coder::Coder(graph::Encoder* encoder, graph::Decoder* decoder, std::shared_ptr<void> owner,
             int channels, int sample_rate_hz, int hop_samples)
    : encoder_(encoder),
      decoder_(decoder),
      owner_(std::move(owner)),
      channels_(graph::checked("channels", channels, graph::kMaxChannels)),
      rate_(graph::checked("sample_rate", sample_rate_hz, 768000)),
      hop_(graph::checked("hop_samples", hop_samples, graph::kMaxHop)),
      delay_(0),
      room_(0) {
  if ((encoder == nullptr) != (decoder == nullptr)) {
    throw std::invalid_argument(
        "coder: expected an encoder and a decoder, or neither, got one of them");
  }
  if (encoder != nullptr) {
    for (const graph::Session* s : {static_cast<const graph::Session*>(encoder),
                                    static_cast<const graph::Session*>(decoder)}) {
      require(s->streams() == 1, "sessions of streams", 1, s->streams());
    }
    require(encoder->channels() == channels, "channels", channels, encoder->channels());
    require(decoder->channels() == channels, "channels", channels, decoder->channels());
    require(encoder->hop_samples() == hop_, "hop_samples", hop_, encoder->hop_samples());
    require(decoder->hop_samples() == hop_, "hop_samples", hop_, decoder->hop_samples());
    // A frame is available at the end of the hop that contains its last look-ahead sample.
    const int hops = static_cast<int>(std::ceil(encoder->lookahead_samples() / hop_ - 1e-9));
    delay_ = hops * hop_ + static_cast<int>(std::ceil(decoder->lookahead_samples() - 1e-9));
    codes_.resize(static_cast<std::size_t>(encoder->codebooks() * kMostFrames));
    room_ = std::int64_t{kMostFrames} * hop_ + delay_;
    ready_.resize(static_cast<std::size_t>(channels_ * room_));
  }
  past_.resize(static_cast<std::size_t>(channels_ * (delay_ + hop_)));
  reset();
}

void Coder::reset() noexcept {
  if (encoder_ != nullptr) {
    encoder_->reset(0);
    decoder_->reset(0);
  }
  std::fill(past_.begin(), past_.end(), 0.0F);
  ready_count_ = ready_at_ = 0;
  due_ = -delay_;
}

// Codes a hop and appends the samples to ready_. Returns how many there are.
std::int64_t Coder::decode(const float* audio, int n_q, bool* ok) noexcept {
  graph::EncodeItem encode{.stream = 0,
                           .audio = audio,
                           .channel_step = hop_,
                           .samples = hop_,
                           .codes = codes_.data(),
                           .book_step = kMostFrames,
                           .frame_step = 1,
                           .latents = nullptr,
                           .frames = 0,
                           .capacity = kMostFrames};
  *ok = encoder_->push(&encode, 1, n_q).status == graph::Status::kOk;
  // The session has not taken a refused hop. Its stream continues with the next hop, one hop later.
  if (!*ok) ready_at_ += hop_;
  if (!*ok || encode.frames == 0) return 0;
  graph::DecodeItem decode{.stream = 0,
                           .codes = codes_.data(),
                           .book_step = kMostFrames,
                           .frame_step = 1,
                           .n_q = n_q,
                           .frames = encode.frames,
                           .audio = ready_.data() + ready_count_,
                           .channel_step = room_,
                           .samples = 0,
                           .capacity = room_ - ready_count_};
  *ok = decoder_->push(&decode, 1).status == graph::Status::kOk;
  if (!*ok) ready_at_ += encode.frames * hop_;
  return decode.samples;
}

bool Coder::step(const float* audio, int n_q, float* coded, float* dry) noexcept {
  const std::int64_t row = delay_ + hop_;
  for (int c = 0; c < channels_; ++c) {
    float* past = past_.data() + c * row;
    copy(past, past + hop_, delay_);
    copy(past + delay_, audio + std::ptrdiff_t{c} * hop_, hop_);
    copy(dry + std::ptrdiff_t{c} * hop_, past, hop_);
  }
  if (encoder_ == nullptr) {
    copy(coded, dry, std::int64_t{channels_} * hop_);
    return true;
  }
  bool ok = true;
  ready_count_ += decode(audio, n_q, &ok);
  // Emit what is due: silence before the stream begins, then each sample at its own time. Samples
  // that an exact start held back are overdue when they come, and are dropped.
  std::fill_n(coded, std::ptrdiff_t{channels_} * hop_, 0.0F);
  const std::int64_t from = std::max(due_, ready_at_);
  const std::int64_t to = std::min(due_ + hop_, ready_at_ + ready_count_);
  for (int c = 0; c < channels_ && to > from; ++c) {
    copy(coded + std::ptrdiff_t{c} * hop_ + (from - due_),
         ready_.data() + c * room_ + (from - ready_at_), to - from);
  }
  due_ += hop_;
  const std::int64_t past = std::clamp<std::int64_t>(due_ - ready_at_, 0, ready_count_);
  for (int c = 0; c < channels_; ++c) {
    float* ready = ready_.data() + c * room_;
    copy(ready, ready + past, ready_count_ - past);
  }
  ready_at_ += past;
  ready_count_ -= past;
  return ok;
}

}  // namespace hopcodec::realtime
