// Layers one after the other, itself a layer; and the residual block, two chains side by side.
#pragma once

#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "layers/conv1d.hpp"
#include "layers/conv_transpose1d.hpp"
#include "layers/group_norm.hpp"
#include "layers/layer.hpp"
#include "layers/lstm.hpp"

namespace hopcodec::layers {

struct ResidualWeights;
struct TruncatedWeights;

// What a codec is made of: weights and shapes, shared by every session that runs them.
using LayerWeights =
    std::variant<Conv1dWeights, ConvTranspose1dWeights, LstmWeights, GroupNormWeights,
                 std::shared_ptr<const ResidualWeights>, std::shared_ptr<const TruncatedWeights>>;

struct ResidualWeights {
  std::vector<LayerWeights> branch;
  std::vector<LayerWeights> shortcut;  // empty: the identity
};

// A chain that holds a group norm gathers its streams: they must fit in one call.
class Chain final : public Layer {
 public:
  Chain(std::span<const LayerWeights> weights, Plan& plan);

  bool empty() const { return layers_.empty(); }
  // Whether `state` can be that of a stream of which `rows` came: a Gather holds them all.
  bool gathers(const float* state, std::int64_t rows) const noexcept {
    return gather_ == nullptr || gather_->held(state) == rows;
  }
  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

 private:
  void add(const LayerWeights& weights, Plan& plan);
  void add_sharing_scratch(std::span<const LayerWeights> weights, Plan& plan);
  void add_in_pieces(std::span<const LayerWeights> weights, Plan& plan);

  std::vector<std::unique_ptr<Layer>> layers_;
  const Gather* gather_ = nullptr;  // the first of them, if it is one
};

// y = shortcut(x) + branch(x), row for row. The branch may be late (it waits for a reflection or a
// look-ahead): until it delivers, what the shortcut gave stands in a queue. The shortcut is the
// identity or 1x1 convolutions, which are never late; where streams come whole, nothing is.
class Residual final : public Layer {
 public:
  // In the stream's state, in front of its rows; part of every snapshot.
  struct Header {
    std::int32_t queued;
  };

  Residual(const ResidualWeights& weights, Plan& plan);

  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

 private:
  float* open_queue(const Tile& tile, int stream) const noexcept;
  HOPCODEC_REALTIME void copy_inlets(const Tile& tile, const int* rows, float* const* from,
                                     float* const* to) const noexcept;

  int max_queued_;
  std::size_t in_channels_;
  std::size_t out_channels_;
  std::size_t inlet_at_ = 0;
  std::unique_ptr<Chain> branch_;
  std::unique_ptr<Chain> shortcut_;
  std::size_t header_at_;
  std::size_t queue_at_;  // in the state
  std::size_t queue_scratch_at_;
};

}  // namespace hopcodec::layers
