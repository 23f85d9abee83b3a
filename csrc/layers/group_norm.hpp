// Group normalisation over all channels and all rows of a stream: nothing can be given before the
// last row is there. A chain that holds one therefore takes streams of bounded length (segments),
// which a Gather at its front collects; behind it every layer gets all its rows in one call.
#pragma once

#include <memory>

#include "layers/layer.hpp"

namespace hopcodec::layers {

// Emits everything that was ever taken, at the end. The stream must fit in one call.
class Gather final : public Layer {
 public:
  // In the stream's state, in front of its rows; part of every snapshot.
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
  // Rows that take part in the statistics and are not given: a transposed convolution is cut
  // behind its norm (encodec/modules/conv.py).
  int trim_left = 0;
  int trim_right = 0;
  std::shared_ptr<const float[]> weight;
  std::shared_ptr<const float[]> bias;
};

class GroupNorm final : public Layer {
 public:
  // Throws std::invalid_argument unless the plan has a Gather.
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
