// graph::Decoder on a GPU: the same interface and the same bits, with many streams per step.
#pragma once

#include <vector>

#include "graph/cuda/session.hpp"
#include "graph/decoder.hpp"
#include "kernels/cuda/rvq.hpp"
#include "layers/pool.hpp"

namespace hopcodec::graph::cuda {

class Decoder final : public Session {
 public:
  Decoder(const std::vector<layers::LayerWeights>& chain, const layers::RvqWeights& quantizer,
          int channels, int hop_samples, const Options& options);

  int channels() const { return channels_; }
  int hop_samples() const { return hop_; }
  int codebooks() const { return quantizer_.codebooks(); }
  double lookahead_samples() const { return program_.lookahead_samples() * hop_; }

  // Like graph::Decoder. Throws DeviceError if the GPU fails.
  std::int64_t most_samples(int stream, std::int64_t frames) const noexcept;
  Outcome push(DecodeItem* items, int count);
  Outcome flush(DecodeItem* items, int count);

 private:
  using Header = graph::Decoder::Header;
  struct LaneWork {
    int item;
    int frames;
  };

  Outcome check(const DecodeItem* items, int count) const noexcept;
  void step(DecodeItem* items, const std::vector<LaneWork>& lanes, int shape, bool last);
  void step_whole(DecodeItem* items, const std::vector<LaneWork>& lanes);

  int codebooks_of(int) const override { return 0; }
  void enqueue_input(const Program::StepLanes& lanes, const kernels::cuda::Moves& moves,
                     const std::byte* payload) override;
  std::size_t enqueue_output(const Program::StepLanes& lanes, const kernels::cuda::Moves& moves,
                             int rows, int n_q, std::byte* to) override;
  void collect(StagingBuffer& staging) override;
  void write_own(int stream, float* state) const override;
  bool read_own(int stream, const float* state) override;
  std::int64_t chain_rows(int stream) const override {
    return program_.whole() ? 0 : headers_[static_cast<std::size_t>(stream)].taken;
  }
  bool finished(int stream) const override {
    return headers_[static_cast<std::size_t>(stream)].finished != 0;
  }
  void start(int stream) override;

  void append_rows(const DecodeItem& item);

  layers::RvqWeights quantizer_;
  int channels_;
  int hop_;
  const kernels::cuda::Book* books_;  // device memory
  std::vector<Header> headers_;
  std::vector<std::int64_t> done_;
  std::vector<std::vector<LaneWork>> work_;
  DecodeItem* items_ = nullptr;
  // For a chain that runs on whole streams: the latents so far, decoded on the host.
  StreamRows stream_rows_;
  layers::Rvq rvq_;
  layers::Pool pool_;
  layers::Compute compute_;
};

}  // namespace hopcodec::graph::cuda
