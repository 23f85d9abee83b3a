// graph::Encoder on a GPU: the same interface and the same bits, with many streams per step.
#pragma once

#include <vector>

#include "graph/cuda/session.hpp"
#include "graph/encoder.hpp"
#include "kernels/cuda/rvq.hpp"

namespace hopcodec::graph::cuda {

class Encoder final : public Session {
 public:
  Encoder(const std::vector<layers::LayerWeights>& chain, const layers::RvqWeights& quantizer,
          int channels, int hop_samples, const Options& options);

  int channels() const { return channels_; }
  int hop_samples() const { return hop_; }
  int latent_dim() const { return quantizer_.dim; }
  int codebooks() const { return quantizer_.codebooks(); }
  double lookahead_samples() const { return program_.lookahead_samples(); }

  // Like graph::Encoder. Throws DeviceError if the GPU fails.
  std::int64_t most_frames(int stream, std::int64_t samples, bool last) const noexcept;
  Outcome push(EncodeItem* items, int count, int n_q);
  Outcome flush(EncodeItem* items, int count, int n_q);

 private:
  using Header = graph::Encoder::Header;
  struct LaneWork {  // a lane of the next step
    int item;
    int frames;
  };

  Outcome check(const EncodeItem* items, int count, bool last) const noexcept;
  void step(EncodeItem* items, const std::vector<LaneWork>& lanes, int shape, int n_q, bool last);
  void fill(float* to, EncodeItem& item, int rows);
  void keep_remainder(EncodeItem& item);
  void append_rows(const EncodeItem& item);
  int variant_of(int n_q) const;
  float* pending(int stream) {
    return pending_.data() + static_cast<std::size_t>(stream * hop_ * channels_);
  }

  int codebooks_of(int variant) const override;
  void enqueue_input(const Program::StepLanes& lanes, const kernels::cuda::Moves& moves,
                     const std::byte* payload) override;
  std::size_t enqueue_output(const Program::StepLanes& lanes, const kernels::cuda::Moves& moves,
                             int rows, int n_q, std::byte* to) override;
  void collect(StagingBuffer& staging) override;
  void write_own(int stream, float* state) const override;
  bool read_own(int stream, const float* state) override;
  std::int64_t chain_rows(int stream) const override {
    const Header& h = headers_[static_cast<std::size_t>(stream)];
    return program_.whole() ? 0 : h.taken - h.pending;
  }
  bool finished(int stream) const override {
    return headers_[static_cast<std::size_t>(stream)].finished != 0;
  }
  void start(int stream) override;

  layers::RvqWeights quantizer_;
  int channels_;
  int hop_;
  std::vector<kernels::cuda::Book> books_;
  DeviceArray<float> residual_;
  DeviceArray<kernels::cuda::Best> best_;
  std::vector<Header> headers_;
  std::vector<float> pending_;      // (stream, hop, channel)
  StreamRows stream_rows_;          // for a chain that runs on whole streams: all samples so far
  std::vector<std::int64_t> done_;  // samples of each item that were staged already
  std::vector<std::vector<LaneWork>> work_;  // for each shape, the ragged one first
  EncodeItem* items_ = nullptr;              // items of the push in progress
  bool wants_latents_ = false;
};

// Uploads the codebooks of a quantiser.
std::vector<kernels::cuda::Book> upload(const layers::RvqWeights& quantizer, Constants& constants);

}  // namespace hopcodec::graph::cuda
