// Group normalisation over all channels and all rows of a stream. No output is possible before the
// last row has come. A chain with a group norm therefore takes streams of bounded length
// (segments): a Gather in front collects the stream, and every layer behind it gets all rows in one
// call.
#pragma once

#include <memory>

#include "layers/layer.hpp"

namespace hopcodec::layers {

// Collects a whole stream and emits it at the end. Its length is limited to the rows of one call.
class Gather final : public Layer {
 public:
  // In the stream's state, in front of the collected rows; part of every snapshot.
  struct Header {
    std::int32_t held;
  };

  explicit Gather(Plan& plan);

  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

  int held(const float* state) const noexcept;  // rows

 private:
  int max_held_;
  std::size_t channels_;
  std::size_t header_at_;
  std::size_t held_at_;
};

struct GroupNormWeights {
  int channels;
  float eps;
  // Rows that count in the statistics and are not emitted: EnCodec trims the output of a transposed
  // convolution after its norm (encodec/modules/conv.py).
  int trim_left = 0;
  int trim_right = 0;
  std::shared_ptr<const float[]> weight;
  std::shared_ptr<const float[]> bias;
};

class GroupNorm final : public Layer {
 public:
  // Throws std::invalid_argument unless a Gather precedes this layer.
  GroupNorm(const GroupNormWeights& weights, Plan& plan);

  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

 private:
  GroupNormWeights weights_;
  std::size_t inlet_at_;
  std::size_t moments_at_;  // two doubles per channel
  std::size_t map_at_;      // a scale and a shift per channel
};

}  // namespace hopcodec::layers
