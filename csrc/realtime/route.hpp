// A coder on a link: device frames in, hops through the coder, device frames out. Resamples on the
// way unless the device runs at the codec's own rate on one clock; then every bit passes untouched.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "realtime/coder.hpp"
#include "realtime/intake.hpp"
#include "realtime/link.hpp"
#include "realtime/resampler.hpp"

namespace hopcodec::realtime {

// What a hop looked like.
struct HopLevels {
  float input_peak = 0.0F;
  float input_rms = 0.0F;
  float output_peak = 0.0F;
  float output_rms = 0.0F;
  std::int64_t bad_samples = 0;      // not finite or beyond +-1024: taken as 0
  std::int64_t clipped_samples = 0;  // beyond full scale on the way out
  bool refused = false;              // by a session that somebody else uses or has ended
};

class Route {
 public:
  // Throws std::invalid_argument when the rates are too far apart for the resampler.
  static void check_rates(const LinkSettings& link, int codec_rate_hz);

  // Throws likewise.
  Route(std::unique_ptr<Coder> coder, const LinkSettings& link, int channels, int codebooks);

  const Coder& coder() const { return *coder_; }
  std::unique_ptr<Coder> give_back() { return std::move(coder_); }
  bool transparent() const { return input_ == nullptr; }
  std::int64_t queue_frames() const { return queue_frames_; }
  double hop_output_frames() const { return hop_output_frames_; }
  std::int64_t hop_ns() const { return hop_ns_; }
  std::uint64_t most_output_frames() const { return most_output_; }
  double input_delay_s() const;
  double output_delay_s() const;

  void set_codebooks(int n_q) { codebooks_.store(n_q, std::memory_order_relaxed); }
  int codebooks() const { return codebooks_.load(std::memory_order_relaxed); }

  // Takes from the intake until a hop is complete; false if that is not yet so.
  HOPCODEC_REALTIME bool gather(Intake& intake) noexcept;
  // Codes the hop gathered. `dry_from` and `dry_to`: how much of the input to mix in at its begin
  // and end, 0 to 1. `gain` is for the input. Returns the output frames, of which output() has the
  // first.
  HOPCODEC_REALTIME std::uint64_t run(float dry_from, float dry_to, float gain,
                                      HopLevels& levels) noexcept;
  // Gives the hop up instead.
  HOPCODEC_REALTIME void skip() noexcept { filled_ = 0; }
  float* output() { return output_.data(); }

  // Input taken that has not become output yet, in output frames.
  HOPCODEC_REALTIME double held_output_frames() const noexcept;
  HOPCODEC_REALTIME void adjust(double adjustment) noexcept {
    if (output_resampler_ != nullptr) output_resampler_->adjust(adjustment);
  }

  // Of those the worker has given back: the one before. The worker's own until then.
  Route* next_retired = nullptr;

 private:
  void fill_from(Intake& intake) noexcept;
  void clean(float gain, HopLevels& levels) noexcept;
  void mix(float dry_from, float dry_to) noexcept;
  void measure_output(HopLevels& levels) const noexcept;

  std::unique_ptr<Coder> coder_;
  int channels_;
  std::uint64_t hop_;
  double input_rate_;
  double output_rate_;
  double hop_output_frames_;
  std::int64_t hop_ns_;
  std::int64_t queue_frames_;
  std::atomic<int> codebooks_;
  std::unique_ptr<Resampler> input_;
  std::unique_ptr<Resampler> output_resampler_;
  std::vector<float> chunk_;  // interleaved, as the intake gives it
  std::uint64_t chunk_frames_ = 0;
  std::uint64_t chunk_at_ = 0;
  std::vector<float> gathered_;  // (hop, channels)
  std::uint64_t filled_ = 0;
  std::vector<float> audio_;  // (channels, hop), as all below
  std::vector<float> coded_;
  std::vector<float> dry_;
  std::vector<float> woven_;  // (hop, channels)
  std::uint64_t most_output_;
  std::vector<float> output_;  // (most_output, channels)
};

}  // namespace hopcodec::realtime
