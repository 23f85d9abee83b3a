// Layers in the form of the reference (torch's weights), and their conversion to the form that
// sessions run. Both sides of a comparison start from these.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "layers/chain.hpp"
#include "layers/truncated.hpp"
#include "random.hpp"

namespace hopcodec::test {

using layers::Nonlinearity;

inline constexpr float kNormEps = 1e-5F;

struct LayerSpec;

struct ConvSpec {
  layers::Conv1dShape shape;
  std::vector<float> weight;  // (out, in, kernel)
  std::vector<float> bias;
  Nonlinearity input = Nonlinearity::kNone;
  Nonlinearity output = Nonlinearity::kNone;
  std::vector<float> alpha{};  // for snake
};

struct TransposeSpec {
  layers::ConvTranspose1dShape shape;
  std::vector<float> weight;  // (in, out, kernel)
  std::vector<float> bias;
  Nonlinearity input = Nonlinearity::kNone;
  std::vector<float> alpha;
};

struct NormSpec {
  int channels;
  int trim_left;
  int trim_right;
  std::vector<float> weight;
  std::vector<float> bias;
};

struct LstmSpec {
  struct Stage {
    std::vector<float> weight_ih, weight_hh, bias_ih, bias_hh;
  };
  int channels;
  bool skip;
  std::vector<Stage> stages;
};

struct ResidualSpec {
  std::vector<LayerSpec> branch;
  std::vector<LayerSpec> shortcut;  // empty for the identity
};

struct LayerSpec {
  std::variant<ConvSpec, TransposeSpec, LstmSpec, NormSpec, ResidualSpec> body;
};
using ChainSpec = std::vector<LayerSpec>;

// --- random weights of a size that keeps signals near one ----------------------------------------

inline float scale_for(int fan_in) { return std::sqrt(3.0F / static_cast<float>(fan_in)); }

inline std::vector<float> make_alpha(Random& random, Nonlinearity kind, int channels) {
  std::vector<float> alpha;
  if (kind != Nonlinearity::kSnake) return alpha;
  for (int c = 0; c < channels; ++c) alpha.push_back(1.25F + random.uniform());
  return alpha;
}

inline LayerSpec make_conv(Random& random, const layers::Conv1dShape& shape, Nonlinearity input,
                           Nonlinearity output = Nonlinearity::kNone, float gain = 1.0F) {
  const int fan_in = shape.in_channels * shape.kernel;
  const auto n = static_cast<std::size_t>(fan_in * shape.out_channels);
  return {ConvSpec{shape, random.uniform(n, gain * scale_for(fan_in)),
                   random.uniform(static_cast<std::size_t>(shape.out_channels), 0.2F), input,
                   output, make_alpha(random, input, shape.in_channels)}};
}

inline LayerSpec make_transpose(Random& random, const layers::ConvTranspose1dShape& shape,
                                Nonlinearity input) {
  const auto n = static_cast<std::size_t>(shape.in_channels * shape.kernel * shape.out_channels);
  return {TransposeSpec{shape, random.uniform(n, scale_for(shape.in_channels * shape.taps())),
                        random.uniform(static_cast<std::size_t>(shape.out_channels), 0.2F), input,
                        make_alpha(random, input, shape.in_channels)}};
}

inline LayerSpec make_norm(Random& random, int channels, int trim_left = 0, int trim_right = 0) {
  const auto n = static_cast<std::size_t>(channels);
  NormSpec spec{channels, trim_left, trim_right, random.uniform(n, 0.5F), random.uniform(n, 0.5F)};
  for (float& w : spec.weight) w += 1.0F;
  return {std::move(spec)};
}

inline LayerSpec make_lstm(Random& random, int channels, int stages, bool skip) {
  LstmSpec spec{channels, skip, {}};
  const auto n = static_cast<std::size_t>(channels);
  for (int s = 0; s < stages; ++s) {
    spec.stages.push_back({random.uniform(4 * n * n, scale_for(channels)),
                           random.uniform(4 * n * n, scale_for(channels)),
                           random.uniform(4 * n, 0.2F), random.uniform(4 * n, 0.2F)});
  }
  return {std::move(spec)};
}

// --- the same with every weight (no bias) rounded to bfloat16's eight bits, ties to even ---------

inline void round_to_bfloat16(std::vector<float>& weights) {
  for (float& w : weights) {
    int exponent;
    const float mantissa = std::frexp(w, &exponent);
    w = std::ldexp(std::nearbyint(mantissa * 256.0F), exponent - 8);
  }
}

inline ChainSpec rounded(ChainSpec chain);

struct RoundWeights {
  void operator()(ConvSpec& s) const { round_to_bfloat16(s.weight); }
  void operator()(TransposeSpec& s) const { round_to_bfloat16(s.weight); }
  void operator()(NormSpec&) const {}  // no matrix
  void operator()(LstmSpec& s) const {
    for (LstmSpec::Stage& stage : s.stages) {
      round_to_bfloat16(stage.weight_ih);
      round_to_bfloat16(stage.weight_hh);
    }
  }
  void operator()(ResidualSpec& s) const {
    s.branch = rounded(s.branch);
    s.shortcut = rounded(s.shortcut);
  }
};

inline ChainSpec rounded(ChainSpec chain) {
  for (LayerSpec& layer : chain) std::visit(RoundWeights{}, layer.body);
  return chain;
}

// --- to what sessions run ------------------------------------------------------------------------

inline std::vector<layers::LayerWeights> weights_of(
    const ChainSpec& chain, layers::Storage storage = layers::Storage::kFloat32);

struct Pack {
  layers::Storage storage;
  layers::LayerWeights operator()(const ConvSpec& s) const {
    const auto in = static_cast<std::size_t>(s.shape.in_channels);
    return layers::Conv1dWeights{
        s.shape, layers::Activation(s.input, s.alpha.empty() ? nullptr : s.alpha.data(), in),
        layers::Activation(s.output),
        layers::pack_conv1d(s.shape, s.weight.data(), s.bias.data(), storage)};
  }
  layers::LayerWeights operator()(const TransposeSpec& s) const {
    const auto in = static_cast<std::size_t>(s.shape.in_channels);
    return layers::ConvTranspose1dWeights{
        s.shape, layers::Activation(s.input, s.alpha.empty() ? nullptr : s.alpha.data(), in),
        layers::pack_conv_transpose1d(s.shape, s.weight.data(), s.bias.data(), storage)};
  }
  layers::LayerWeights operator()(const NormSpec& s) const {
    const auto n = static_cast<std::size_t>(s.channels);
    std::shared_ptr<float[]> weight = base::make_floats(n);
    std::shared_ptr<float[]> bias = base::make_floats(n);
    std::copy_n(s.weight.data(), n, weight.get());
    std::copy_n(s.bias.data(), n, bias.get());
    return layers::GroupNormWeights{s.channels,   kNormEps,          s.trim_left,
                                    s.trim_right, std::move(weight), std::move(bias)};
  }
  layers::LayerWeights operator()(const LstmSpec& s) const {
    layers::LstmWeights weights{s.channels, s.skip, {}};
    for (const LstmSpec::Stage& stage : s.stages) {
      weights.stages.push_back(layers::pack_lstm(s.channels, stage.weight_ih.data(),
                                                 stage.weight_hh.data(), stage.bias_ih.data(),
                                                 stage.bias_hh.data(), storage));
    }
    return weights;
  }
  layers::LayerWeights operator()(const ResidualSpec& s) const {
    auto weights = std::make_shared<layers::ResidualWeights>();
    weights->branch = weights_of(s.branch, storage);
    weights->shortcut = weights_of(s.shortcut, storage);
    return std::shared_ptr<const layers::ResidualWeights>(std::move(weights));
  }
};

inline std::vector<layers::LayerWeights> weights_of(const ChainSpec& chain,
                                                    layers::Storage storage) {
  std::vector<layers::LayerWeights> weights;
  for (const LayerSpec& layer : chain) weights.push_back(std::visit(Pack{storage}, layer.body));
  return weights;
}

// The same chain, its look-ahead truncated to `ahead` steps of `step` rows.
inline std::vector<layers::LayerWeights> truncated(const ChainSpec& chain, int step, int ahead) {
  auto weights = std::make_shared<layers::TruncatedWeights>();
  weights->layers = weights_of(chain);
  weights->step = step;
  weights->ahead = ahead;
  return {std::shared_ptr<const layers::TruncatedWeights>(std::move(weights))};
}

}  // namespace hopcodec::test
