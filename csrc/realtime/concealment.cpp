#include "realtime/concealment.hpp"

#include <algorithm>
#include <cstring>

namespace hopcodec::realtime {

Concealment::Concealment(int channels)
    : channels_(static_cast<std::uint64_t>(channels)),
      history_(static_cast<std::size_t>(kHistory * channels_)) {}

void Concealment::reset() noexcept {
  written_ = anchor_ = repeat_ = run_ = blending_ = 0;
  active_ = false;
}

void Concealment::add_concealment(float* to, float gain) noexcept {
  if (repeat_ == 0) return;
  // Backwards from the newest frame of the hop to the oldest, then forwards again.
  const std::uint64_t phase = run_ % (2 * repeat_);
  const std::uint64_t back = phase < repeat_ ? phase : 2 * repeat_ - 1 - phase;
  const float faded = 1.0F - static_cast<float>(run_) / (kFadeHops * static_cast<float>(repeat_));
  ++run_;
  if (faded <= 0.0F) return;
  const std::uint64_t slot = (anchor_ - 1 - back) & (kHistory - 1);
  const float* from = history_.data() + slot * channels_;
  for (std::uint64_t c = 0; c < channels_; ++c) to[c] += gain * faded * from[c];
}

void Concealment::conceal(float* frames, std::uint64_t count, std::uint32_t repeat) noexcept {
  std::fill_n(frames, count * channels_, 0.0F);
  if (!active_) {
    // A gap that begins during the cross-fade of the last one continues from what was played.
    active_ = true;
    anchor_ = written_;
    repeat_ = std::min({std::uint64_t{repeat}, kLongestRepeat, written_});
    run_ = 0;
    blending_ = 0;
  }
  for (std::uint64_t i = 0; i < count; ++i) add_concealment(frames + i * channels_, 1.0F);
}

void Concealment::receive(float* frames, std::uint64_t count) noexcept {
  if (active_ && count > 0) {
    active_ = false;
    blending_ = kBlend;
  }
  const std::uint64_t blended = std::min(blending_, count);
  for (std::uint64_t i = 0; i < blended; ++i) {
    float* frame = frames + i * channels_;
    const float fade = static_cast<float>(blending_) / static_cast<float>(kBlend + 1);
    --blending_;
    for (std::uint64_t c = 0; c < channels_; ++c) frame[c] *= 1.0F - fade;
    add_concealment(frame, fade);
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    std::memcpy(history_.data() + (written_ & (kHistory - 1)) * channels_, frames + i * channels_,
                static_cast<std::size_t>(channels_) * sizeof(float));
    ++written_;
  }
}

}  // namespace hopcodec::realtime
