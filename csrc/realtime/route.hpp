// A coder connected to a link: takes device frames, codes them hop by hop, and gives device frames.
// It resamples on both sides, unless the device runs at the codec's rate on one clock; then audio
// passes bit for bit.
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

// Measurements of one hop.
struct HopLevels {
  float input_peak = 0.0F;
  float input_rms = 0.0F;
  float output_peak = 0.0F;
  float output_rms = 0.0F;
  std::int64_t bad_samples = 0;      // not finite or beyond +-1024, replaced by 0
  std::int64_t clipped_samples = 0;  // output samples beyond full scale
  bool refused = false;  // a session refused the hop because another caller uses or ended it
};

class Route {
 public:
  // Throws std::invalid_argument if the rates are too far apart for the resampler.
  static void check_rates(const LinkSettings& link, int codec_rate_hz);

  // Throws the same exceptions.
  // `compute_s` is the time that the queue must give a hop.
  Route(std::unique_ptr<Coder> coder, const LinkSettings& link, int channels, int codebooks,
        double compute_s);

  const Coder& coder() const { return *coder_; }
  std::unique_ptr<Coder> give_back() { return std::move(coder_); }
  bool transparent() const { return input_ == nullptr; }
  std::int64_t queue_frames() const { return queue_frames_; }
  std::int64_t compute_frames() const { return compute_frames_; }
  double hop_output_frames() const { return hop_output_frames_; }
  std::int64_t hop_ns() const { return hop_ns_; }
  std::uint64_t most_output_frames() const { return most_output_; }
  double input_delay_s() const;
  double output_delay_s() const;

  void set_codebooks(int n_q) { codebooks_.store(n_q, std::memory_order_relaxed); }
  int codebooks() const { return codebooks_.load(std::memory_order_relaxed); }

  // Takes frames from the intake until a hop is complete. Returns false if there are not enough
  // yet.
  HOPCODEC_REALTIME bool gather(Intake& intake) noexcept;
  // Codes the gathered hop. `dry_from` and `dry_to` are the proportions of delayed input in the
  // output at the start and the end of the hop, 0 to 1. `gain` is applied to the input. Returns the
  // number of output frames, which are at output().
  HOPCODEC_REALTIME std::uint64_t run(float dry_from, float dry_to, float gain,
                                      HopLevels& levels) noexcept;
  // Discards the gathered hop.
  HOPCODEC_REALTIME void discard() noexcept { filled_ = 0; }
  float* output() { return output_.data(); }

  // Input that was taken and has not become output yet, in output frames.
  HOPCODEC_REALTIME double pending_output_frames() const noexcept;
  HOPCODEC_REALTIME void adjust(double adjustment) noexcept {
    if (output_resampler_ != nullptr) output_resampler_->adjust(adjustment);
  }

  // Next in the list of retired routes. Only the worker uses it until the route is retired.
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
  std::int64_t compute_frames_;  // the part of queue_frames_ for the time of a hop
  std::int64_t queue_frames_;
  std::atomic<int> codebooks_;
  std::unique_ptr<Resampler> input_;
  std::unique_ptr<Resampler> output_resampler_;
  std::vector<float> chunk_;  // interleaved frames from the intake
  std::uint64_t chunk_frames_ = 0;
  std::uint64_t chunk_at_ = 0;
  std::vector<float> gathered_;  // (hop, channels)
  std::uint64_t filled_ = 0;
  std::vector<float> audio_;  // (channels, hop), like the two below
  std::vector<float> coded_;
  std::vector<float> dry_;
  std::vector<float> interleaved_;  // (hop, channels)
  std::uint64_t most_output_;
  std::vector<float> output_;  // (most_output, channels)
};

}  // namespace hopcodec::realtime
