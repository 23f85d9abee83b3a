// Streaming 1-d convolution with stride and dilation, causal or with look-ahead, with zero or
// reflected padding.
//
// y[t] = bias + sum_{k, c} weight[k, c] x[t * stride + k * dilation - left, c]
//
// In channels-last rows a window is contiguous, so the layer is a matrix product with overlapping
// rows and needs no im2col copy. The buffer is [history | new rows]; the producer writes the new
// rows directly behind the history.
//
// Reflection at the start reads x[left], so no output is possible before that row has come. At the
// end the layer reflects its own last rows. With `full_window` it extends the padding until the
// last window is full, as encodec/modules/conv.py does in pad1d and get_extra_padding_for_conv1d.
#pragma once

#include <memory>

#include "layers/activation.hpp"
#include "layers/layer.hpp"

namespace hopcodec::layers {

struct Conv1dShape {
  int in_channels;
  int out_channels;
  int kernel;
  int stride = 1;
  int dilation = 1;
  int left = 0;
  int right = 0;
  bool reflect = false;
  bool full_window = false;

  int reach() const { return (kernel - 1) * dilation + 1; }
  // Upper bound of the padding rows at the end.
  int most_right() const { return right + (full_window ? stride - 1 : 0); }
  // Upper bound of the output rows of a call with `rows` new rows, when up to `most_held` rows were
  // kept from earlier calls.
  int most_out(int rows, int most_held) const;

  // Throws std::invalid_argument that names the invalid field. The limits on padding ensure that a
  // signal of n rows gives at most ceil(n / stride).
  void check() const;
};

struct Conv1dWeights {
  Conv1dShape shape;
  Activation input;
  Activation output;
  std::shared_ptr<const Packed> matrix;  // rows (tap, channel)
};

// Reorders torch's (out, in, kernel) to (tap, in) x out and packs the result.
std::shared_ptr<const Packed> pack_conv1d(const Conv1dShape& shape, const float* weight,
                                          const float* bias, Storage storage = Storage::kFloat32);

class Conv1d final : public Layer {
 public:
  // In the stream's state, in front of its rows; part of every snapshot.
  struct Header {
    std::int64_t total;    // input rows since the start
    std::int32_t held;     // rows kept in the state, padding included
    std::int32_t begin;    // index in the kept rows where the next window starts
    std::int32_t started;  // 1 once the left padding is in place
  };

  Conv1d(const Conv1dWeights& weights, Plan& plan);

  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

 private:
  int row_floats() const { return shape_.in_channels; }
  void pad_left(float* buffer, std::int64_t total) const noexcept;
  int pad_right(float* buffer, int count, std::int64_t total) const noexcept;

  Conv1dShape shape_;
  Activation input_;
  Activation output_;
  std::shared_ptr<const Packed> matrix_;
  kernels::Window window_;
  int max_held_;
  int back_;  // rows kept in front of the next window for the reflection at the end
  std::size_t header_at_;
  std::size_t held_at_;
  std::size_t buffer_at_;
};

}  // namespace hopcodec::layers
