// A chain that looks fewer steps ahead than its layers would.
//
// A step is a hop of samples or a frame of latents. What the chain makes of a step leaves when
// `ahead` more steps have come, with the values it would have if the stream ended there: beyond the
// last row that has come, every layer sees the padding of its own right end.
//
// Those values are for giving away only. The chain itself goes on with all its look-ahead, as the
// past of the steps to come; at each step a copy of its state is flushed, and the rows that are due
// are taken from the result. The price is that flush.
#pragma once

#include <memory>

#include "layers/chain.hpp"

namespace hopcodec::layers {

struct TruncatedWeights {
  std::vector<LayerWeights> layers;
  int step;   // rows in
  int ahead;  // steps

  // Throws std::invalid_argument naming the field that makes no sense.
  void check() const;
};

class Truncated final : public Layer {
 public:
  // In the stream's state, in front of its chain's; part of every snapshot.
  struct Header {
    std::int64_t steps;    // taken
    std::int64_t exact;    // rows that the chain has emitted for good
    std::int64_t emitted;  // rows given away
  };

  // It must come first in its chain and be given whole steps until the last call.
  Truncated(const TruncatedWeights& weights, Plan& plan);

  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

 private:
  // The streams of a call that take part in a step.
  struct Lanes {
    int of[kTile];
    int count;
  };

  Header& header(const Tile& tile, int lane) const noexcept {
    return state_as<Header>(tile.state[lane], header_at_);
  }
  std::int64_t due(const Header& h) const { return (h.steps - ahead_) * rows_per_step_; }
  void advance(const Tile& tile, const Lanes& lanes, const int* taken, int* counts) const noexcept;
  void look(const Tile& tile, const Lanes& lanes, int* counts) const noexcept;
  void finish(const Tile& tile, const int* taken, const int* rows, int* counts) const noexcept;
  int give(const Tile& tile, int lane, std::int64_t until, std::int64_t from, int count,
           float* to) const noexcept;

  int step_;
  int ahead_;
  int rows_per_step_;  // out
  std::size_t in_channels_;
  std::size_t out_channels_;
  std::unique_ptr<Chain> chain_;
  std::size_t inlet_at_;
  std::size_t header_at_;
  std::size_t state_begin_;  // of the chain, in the state
  std::size_t state_end_;
  std::size_t copy_at_;  // of the state up to its end, in the scratch
  std::size_t rows_at_;  // what the chain emits, in the scratch
};

}  // namespace hopcodec::layers
