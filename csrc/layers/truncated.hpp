// A chain whose look-ahead is truncated to `ahead` steps.
//
// A step is a hop of samples or a frame of latents. The output rows of a step are emitted as soon
// as `ahead` further steps have come. They have the values they would have if the stream ended
// there: beyond the last input row, every layer sees its own right padding.
//
// These values are only emitted; they never become history. The chain itself runs with its full
// look-ahead, so that later steps see the exact past. After each step a copy of the chain's state
// is flushed, and the rows that are due are taken from the result. This flush is the price of the
// shorter latency.
#pragma once

#include <memory>

#include "layers/chain.hpp"

namespace hopcodec::layers {

struct TruncatedWeights {
  std::vector<LayerWeights> layers;
  int step;   // input rows of a step
  int ahead;  // steps of look-ahead

  // Throws std::invalid_argument that names the invalid field.
  void check() const;
};

class Truncated final : public Layer {
 public:
  // In the stream's state, in front of the chain's state; part of every snapshot.
  struct Header {
    std::int64_t steps;    // steps taken since the start
    std::int64_t exact;    // rows that the chain emitted with its full look-ahead
    std::int64_t emitted;  // rows that this layer emitted
  };

  // This layer must be the first of its chain and get whole steps in all calls but the last.
  Truncated(const TruncatedWeights& weights, Plan& plan);

  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

 private:
  // The streams of a call that take part in a step, as indices into the tile.
  struct ActiveStreams {
    int of[kTile];
    int count;
  };

  Header& header(const Tile& tile, int lane) const noexcept {
    return state_as<Header>(tile.state[lane], header_at_);
  }
  std::int64_t due(const Header& h) const { return (h.steps - ahead_) * rows_per_step_; }
  void advance(const Tile& tile, const ActiveStreams& active, const int* taken,
               int* counts) const noexcept;
  void flush_copy(const Tile& tile, const ActiveStreams& active, int* counts) const noexcept;
  void flush(const Tile& tile, const int* taken, const int* rows, int* counts) const noexcept;
  int emit(const Tile& tile, int lane, std::int64_t until, std::int64_t from, int count,
           float* to) const noexcept;

  int step_;
  int ahead_;
  int rows_per_step_;  // output rows
  std::size_t in_channels_;
  std::size_t out_channels_;
  std::unique_ptr<Chain> chain_;
  std::size_t inlet_at_;
  std::size_t header_at_;
  std::size_t state_begin_;  // range of the chain's state in the stream's state
  std::size_t state_end_;
  std::size_t copy_at_;  // copy of the state up to state_end_, in the scratch
  std::size_t rows_at_;  // output of the chain, in the scratch
};

}  // namespace hopcodec::layers
