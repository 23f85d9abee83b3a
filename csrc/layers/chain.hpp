// Chain runs layers one after the other and is itself a layer. Residual adds the outputs of two
// chains that read the same input.
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

// Weights and shape of one layer, shared by every session that runs the codec.
using LayerWeights =
    std::variant<Conv1dWeights, ConvTranspose1dWeights, LstmWeights, GroupNormWeights,
                 std::shared_ptr<const ResidualWeights>, std::shared_ptr<const TruncatedWeights>>;

struct ResidualWeights {
  std::vector<LayerWeights> branch;
  std::vector<LayerWeights> shortcut;  // empty for the identity
};

// A chain of layers. A chain with a group norm first collects the whole stream, which must
// therefore fit in one call.
class Chain final : public Layer {
 public:
  Chain(std::span<const LayerWeights> weights, Plan& plan);

  bool empty() const { return layers_.empty(); }
  // Whether `state` is possible for a stream of `rows` input rows: a Gather holds all of them.
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
  const Gather* gather_ = nullptr;  // the first layer if it is a Gather, otherwise null
};

// y = shortcut(x) + branch(x), row by row. The branch may lag behind, because it waits for a
// reflection or for look-ahead; the shortcut's rows wait in a queue until the branch delivers. The
// shortcut is the identity or 1x1 convolutions, which never lag. Nothing lags in streams that come
// whole.
class Residual final : public Layer {
 public:
  // In the stream's state, in front of the queue; part of every snapshot.
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
