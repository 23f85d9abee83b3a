#include "realtime/route.hpp"

#include <algorithm>
#include <cmath>

namespace hopcodec::realtime {
namespace {
constexpr std::uint64_t kChunk = 256;
}

Route::Route(std::unique_ptr<Coder> coder, const LinkSettings& link, int channels, int codebooks,
             double compute_s)
    : coder_(std::move(coder)),
      channels_(channels),
      hop_(static_cast<std::uint64_t>(coder_->hop())),
      input_rate_(link.input_rate_hz),
      output_rate_(link.output_rate_hz),
      hop_output_frames_(coder_->hop() * output_rate_ / coder_->sample_rate_hz()),
      hop_ns_(static_cast<std::int64_t>(coder_->hop() * 1e9 / coder_->sample_rate_hz())),
      compute_frames_(
          link.queue_frames >= 0
              ? 0
              : realtime::compute_frames(link, static_cast<double>(hop_ns_) * 1e-9, compute_s)),
      queue_frames_(link.queue_frames >= 0
                        ? link.queue_frames
                        : link.extra_frames + compute_frames_ +
                              least_queue_frames(link, coder_->sample_rate_hz(), coder_->hop())),
      codebooks_(codebooks),
      most_output_(static_cast<std::uint64_t>(std::ceil(hop_output_frames_ * 1.02)) + 2) {
  const int rate = coder_->sample_rate_hz();
  const bool native = link.input_rate_hz == rate && link.output_rate_hz == rate;
  if (!native || !link.one_clock) {
    input_ = std::make_unique<Resampler>(link.input_rate_hz, rate, channels);
    output_resampler_ = std::make_unique<Resampler>(rate, link.output_rate_hz, channels);
  }
  const auto floats = static_cast<std::size_t>(hop_) * static_cast<std::size_t>(channels);
  chunk_.resize(kChunk * static_cast<std::size_t>(channels));
  for (std::vector<float>* buffer : {&gathered_, &audio_, &coded_, &dry_, &interleaved_}) {
    buffer->resize(floats);
  }
  output_.resize(static_cast<std::size_t>(most_output_) * static_cast<std::size_t>(channels));
}

void Route::check_rates(const LinkSettings& link, int codec_rate_hz) {
  Resampler::check_rates(link.input_rate_hz, codec_rate_hz);
  Resampler::check_rates(codec_rate_hz, link.output_rate_hz);
}

double Route::input_delay_s() const {
  return input_ == nullptr ? 0.0 : input_->delay_frames() / input_rate_;
}

double Route::output_delay_s() const {
  return output_resampler_ == nullptr
             ? 0.0
             : output_resampler_->delay_frames() / coder_->sample_rate_hz();
}

double Route::pending_output_frames() const noexcept {
  if (input_ == nullptr) return 0.0;
  const double rate = coder_->sample_rate_hz();
  const double input_s =
      (static_cast<double>(chunk_frames_ - chunk_at_) + input_->ahead_frames()) / input_rate_;
  const double codec_s = (static_cast<double>(filled_) + output_resampler_->ahead_frames()) / rate;
  return (input_s + codec_s) * output_rate_;
}

void Route::fill_from(Intake& intake) noexcept {
  const auto channels = static_cast<std::uint64_t>(channels_);
  while (filled_ < hop_) {
    if (chunk_at_ == chunk_frames_) {
      chunk_at_ = 0;
      chunk_frames_ = intake.read(chunk_.data(), kChunk);
    }
    // Run it even without new input: the resampler may still hold frames from the last call.
    const Resampler::Moved moved =
        input_->process(chunk_.data() + chunk_at_ * channels, chunk_frames_ - chunk_at_,
                        gathered_.data() + filled_ * channels, hop_ - filled_);
    chunk_at_ += moved.used;
    filled_ += moved.made;
    if (moved.used == 0 && moved.made == 0) return;
  }
}

bool Route::gather(Intake& intake) noexcept {
  if (input_ != nullptr) {
    fill_from(intake);
  } else if (intake.readable() >= hop_) {
    filled_ = intake.read(gathered_.data(), hop_);
  }
  return filled_ == hop_;
}

void Route::clean(float gain, HopLevels& levels) noexcept {
  double energy = 0.0;
  const float* from = gathered_.data();
  for (std::uint64_t t = 0; t < hop_; ++t) {
    for (int c = 0; c < channels_; ++c) {
      float x = *from++;
      if (!(std::fabs(x) <= graph::kMaxSample)) {  // the negated comparison also refuses NaN
        x = 0.0F;
        ++levels.bad_samples;
      }
      audio_[static_cast<std::size_t>(c) * hop_ + t] = gain * x;
      levels.input_peak = std::max(levels.input_peak, std::fabs(x));
      energy += static_cast<double>(x) * static_cast<double>(x);
    }
  }
  levels.input_rms = static_cast<float>(
      std::sqrt(energy / static_cast<double>(hop_ * static_cast<std::uint64_t>(channels_))));
}

void Route::mix(float dry_from, float dry_to) noexcept {
  const bool coded_only = dry_from == 0.0F && dry_to == 0.0F;
  const bool dry_only = dry_from == 1.0F && dry_to == 1.0F;
  const std::vector<float>& pure = dry_only ? dry_ : coded_;
  const float slope = (dry_to - dry_from) / static_cast<float>(hop_);
  float* to = interleaved_.data();
  for (std::uint64_t t = 0; t < hop_; ++t) {
    const float dry = dry_from + slope * static_cast<float>(t);
    for (int c = 0; c < channels_; ++c) {
      const std::size_t i = static_cast<std::size_t>(c) * hop_ + t;
      *to++ = coded_only || dry_only ? pure[i] : coded_[i] + dry * (dry_[i] - coded_[i]);
    }
  }
}

void Route::measure_output(HopLevels& levels) const noexcept {
  double energy = 0.0;
  for (const float x : interleaved_) {
    levels.output_peak = std::max(levels.output_peak, std::fabs(x));
    if (std::fabs(x) > 1.0F) ++levels.clipped_samples;
    energy += static_cast<double>(x) * static_cast<double>(x);
  }
  levels.output_rms =
      static_cast<float>(std::sqrt(energy / static_cast<double>(interleaved_.size())));
}

std::uint64_t Route::run(float dry_from, float dry_to, float gain, HopLevels& levels) noexcept {
  clean(gain, levels);
  filled_ = 0;
  levels.refused = !coder_->step(audio_.data(), codebooks(), coded_.data(), dry_.data());
  mix(dry_from, dry_to);
  measure_output(levels);
  if (output_resampler_ == nullptr) {
    std::copy(interleaved_.begin(), interleaved_.end(), output_.begin());
    return hop_;
  }
  return output_resampler_->process(interleaved_.data(), hop_, output_.data(), most_output_).made;
}

}  // namespace hopcodec::realtime
