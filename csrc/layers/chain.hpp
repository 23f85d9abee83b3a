// Layers one after the other, itself a layer; and the residual block, two chains side by side.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "layers/conv1d.hpp"
#include "layers/conv_transpose1d.hpp"
#include "layers/layer.hpp"
#include "layers/lstm.hpp"

namespace hopcodec::layers {

struct ResidualWeights;

// What a codec is made of: weights and shapes, shared by every session that runs them.
using LayerWeights = std::variant<Conv1dWeights, ConvTranspose1dWeights, LstmWeights,
                                  std::shared_ptr<const ResidualWeights>>;

struct ResidualWeights {
  std::vector<LayerWeights> branch;
  std::vector<LayerWeights> shortcut;  // empty: the identity
};

class Chain final : public Layer {
 public:
  Chain(const std::vector<LayerWeights>& weights, Plan& plan);

  bool empty() const { return layers_.empty(); }
  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
};

// y = shortcut(x) + branch(x), row for row. The branch may be late (it waits for a reflection or a
// look-ahead): until it delivers, what the shortcut gave stands in a queue. The shortcut is the
// identity or 1x1 convolutions, which are never late.
class Residual final : public Layer {
 public:
  Residual(const ResidualWeights& weights, Plan& plan);

  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

 private:
  struct Header {
    std::int32_t queued;
  };

  int max_queued_;
  std::size_t in_channels_;
  std::size_t out_channels_;
  std::size_t inlet_at_;
  std::unique_ptr<Chain> branch_;
  std::unique_ptr<Chain> shortcut_;
  std::size_t header_at_;
  std::size_t queue_at_;  // in the state
  std::size_t queue_scratch_at_;
};

}  // namespace hopcodec::layers
