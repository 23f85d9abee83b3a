// A chain that takes its rows a piece at a time.
//
// Near the audio a codec has many short rows: what one layer writes should still be in the core's
// own cache when the next one reads it. Far from it there are few long ones, and as many as
// possible should share each read of the weights. So the part of a chain near the audio is a layer
// of its own, which cuts what it is given. Any partition gives the same bits, and the scratch of
// the part does not grow with the push.
#pragma once

#include <memory>
#include <span>

#include "layers/chain.hpp"

namespace hopcodec::layers {

class Pieces final : public Layer {
 public:
  // `most` rows at a time.
  Pieces(std::span<const LayerWeights> weights, int most, Plan& plan);

  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

 private:
  int most_;
  int in_channels_;
  int out_channels_;
  std::size_t inlet_at_;
  std::unique_ptr<Chain> chain_;
};

// How many layers at the front of a chain go in pieces, and in pieces of how many rows.
struct Cut {
  std::size_t layers = 0;  // none: they take what they are given
  int most = 0;
};

// The cut at the front of `weights`, which are given up to plan.max_rows rows. An analysis chain is
// cut before one of its strides, a synthesis chain behind a transposed convolution (`grown`): the
// layers that change the rate have large matrices and want all the rows there are.
Cut cut_of(std::span<const LayerWeights> weights, const Plan& plan, bool grown);

}  // namespace hopcodec::layers
