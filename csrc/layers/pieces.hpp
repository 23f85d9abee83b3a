// A chain that processes its rows in pieces.
//
// Next to the audio a codec has many short rows, and the output of one layer should still be in the
// core's cache when the next layer reads it. Deeper inside it has few long rows, and as many of
// them as possible should share each read of the weights. So the layers next to the audio form a
// layer of their own, which cuts its input into pieces. Any partition gives the same bits, and the
// scratch of these layers does not grow with the push.
#pragma once

#include <memory>
#include <span>

#include "layers/chain.hpp"

namespace hopcodec::layers {

class Pieces final : public Layer {
 public:
  // Pieces have `most` rows.
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

// How many layers at the front of a chain run in pieces, and the rows of a piece.
struct Cut {
  std::size_t layers = 0;  // 0: no layer runs in pieces
  int most = 0;
};

// Returns the cut at the front of `weights`, which get up to plan.max_rows rows. An analysis chain
// is cut before one of its strides. A synthesis chain is cut behind a transposed convolution
// (`grown` is true there). The layers that change the rate stay outside: their matrices are large,
// and they want all rows at once.
Cut cut_of(std::span<const LayerWeights> weights, const Plan& plan, bool grown);

}  // namespace hopcodec::layers
