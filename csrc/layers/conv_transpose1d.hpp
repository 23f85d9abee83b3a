// Streaming transposed 1-d convolution.
//
// Output row t * stride + j is x[t] w[j] + x[t-1] w[j + stride] + ... The `stride` rows that become
// final with input t are therefore one window of ceil(kernel / stride) inputs, multiplied by a
// matrix with stride * out_channels columns. Each output is one sum that starts from the bias,
// without overlap-add, and the state is the last input rows instead of a tail of outputs.
#pragma once

#include <memory>

#include "layers/activation.hpp"
#include "layers/layer.hpp"

namespace hopcodec::layers {

struct ConvTranspose1dShape {
  int in_channels;
  int out_channels;
  int kernel;
  int stride;
  int trim_left = 0;
  int trim_right = 0;

  int taps() const { return (kernel + stride - 1) / stride; }
  // Throws std::invalid_argument that names the invalid field.
  void check() const;
};

struct ConvTranspose1dWeights {
  ConvTranspose1dShape shape;
  Activation input;
  std::shared_ptr<const Packed> matrix;  // rows (tap, channel), columns (phase, out channel)
};

// Reorders torch's (in, out, kernel) and packs the result.
std::shared_ptr<const Packed> pack_conv_transpose1d(const ConvTranspose1dShape& shape,
                                                    const float* weight, const float* bias,
                                                    Storage storage = Storage::kFloat32);

class ConvTranspose1d final : public Layer {
 public:
  // In the stream's state, in front of its rows; part of every snapshot.
  struct Header {
    std::int64_t total;    // input rows since the start
    std::int64_t emitted;  // output rows since the start
  };

  ConvTranspose1d(const ConvTranspose1dWeights& weights, Plan& plan);

  void reset(float* state) const noexcept override;
  bool valid(const float* state) const noexcept override;
  void open(const Tile& tile, float** inlet) const noexcept override;
  void run(const Tile& tile, int* rows, float* const* outlet) const noexcept override;

 private:
  ConvTranspose1dShape shape_;
  Activation input_;
  std::shared_ptr<const Packed> matrix_;
  int history_;  // input rows kept between calls: taps - 1
  std::size_t header_at_;
  std::size_t held_at_;
  std::size_t buffer_at_;
};

}  // namespace hopcodec::layers
