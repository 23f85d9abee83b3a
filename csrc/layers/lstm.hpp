// Stacked LSTM over time, one row per step. The hidden and cell vectors are the stream's state.
//
// The input part of all gates is one matrix product over all rows of the call. The recurrent part
// continues the same sums row by row (Packed::multiply with `resume`). A gate is therefore always
// bias + W_x x + W_h h in one fixed order, however the stream is cut.
#pragma once

#include <memory>
#include <vector>

#include "layers/layer.hpp"

namespace hopcodec::layers {

struct LstmWeights {
  int channels;
  bool skip;  // add the input to the output (encodec/modules/lstm.py)
  struct Stage {
    std::shared_ptr<const Packed> input;      // channels x 4 channels, with the sum of both biases
    std::shared_ptr<const Packed> recurrent;  // channels x 4 channels, no bias
  };
  std::vector<Stage> stages;
};

// Packs torch's weight_ih and weight_hh (4n, n) and the two biases (4n).
LstmWeights::Stage pack_lstm(int channels, const float* weight_ih, const float* weight_hh,
                             const float* bias_ih, const float* bias_hh,
                             Storage storage = Storage::kFloat32);

class Lstm final : public Layer {
 public:
  Lstm(const LstmWeights& weights, Plan& plan);

  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

 private:
  void run_stage(const Tile& tile, const int* rows, std::size_t stage,
                 const std::size_t from) const noexcept;

  int channels_;
  bool skip_;
  std::vector<LstmWeights::Stage> stages_;
  std::vector<std::size_t> hidden_at_;  // of each stage, in the state; the cell vector follows it
  std::size_t inlet_at_;
  std::size_t gates_at_;
  std::size_t rows_at_;  // the hidden vector of every row, which is the stage's output
};

}  // namespace hopcodec::layers
