// Small random codecs of the families that hopcodec runs. They cover every padding rule.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "layers/rvq.hpp"
#include "specs.hpp"

namespace hopcodec::test {

enum class Family {
  kCausal,     // EnCodec 24 kHz: reflection at the start, all padding on the left
  kCentred,    // EnCodec 32 kHz: reflection at both ends
  kNormed,     // EnCodec 48 kHz: the same, each convolution group-normalised
  kSymmetric,  // DAC: zeros on both sides, transposed convolutions trimmed on both
};
inline constexpr Family kFamilies[] = {Family::kCausal, Family::kCentred, Family::kSymmetric};

inline std::string name_of(Family family) {
  if (family == Family::kCausal) return "causal";
  if (family == Family::kSymmetric) return "symmetric";
  return family == Family::kCentred ? "centred" : "normed";
}

struct CodecSpec {
  Family family;
  std::string name;
  int channels;  // audio channels
  int hop;
  int latent;
  ChainSpec encoder;
  ChainSpec decoder;
  int n_q;
  int size;
  std::vector<float> books;  // (n_q, size, latent)
  layers::RvqWeights quantizer;
};

// The family's padding for a convolution that emits one row per `stride` input rows.
inline layers::Conv1dShape padded(Family family, layers::Conv1dShape shape) {
  const int total = shape.reach() - shape.stride;
  switch (family) {
    case Family::kCausal:
      shape.left = total;
      break;
    case Family::kCentred:
    case Family::kNormed:
      shape.right = total / 2;
      shape.left = total - shape.right;
      break;
    case Family::kSymmetric:  // rounded up: dac pads ceil(stride / 2) when kernel = 2 stride
      shape.left = shape.right = (total + 1) / 2;
      break;
  }
  shape.reflect = shape.full_window = family != Family::kSymmetric;
  return shape;
}

inline layers::ConvTranspose1dShape trimmed(Family family, layers::ConvTranspose1dShape shape) {
  const int total = shape.kernel - shape.stride;
  switch (family) {
    case Family::kCausal:
      shape.trim_right = total;
      break;
    case Family::kCentred:
    case Family::kNormed:
      shape.trim_right = total / 2;
      shape.trim_left = total - shape.trim_right;
      break;
    case Family::kSymmetric:
      shape.trim_left = shape.trim_right = (total + 1) / 2;
      break;
  }
  return shape;
}

// Random codebooks, each half as large as the one before.
inline void add_books(Random& random, CodecSpec& codec) {
  const auto entries = static_cast<std::size_t>(codec.size * codec.latent);
  codec.quantizer = {codec.size, codec.latent, codec.latent, {}};
  float scale = 1.0F;
  for (int q = 0; q < codec.n_q; ++q, scale *= 0.5F) {
    const std::vector<float> book = random.uniform(entries, scale);
    codec.quantizer.books.push_back(
        layers::make_codebook(book.data(), codec.size, codec.latent, /*normalised=*/false));
    codec.books.insert(codec.books.end(), book.begin(), book.end());
  }
}

class CodecMaker {
 public:
  CodecMaker(Family family, std::uint64_t seed) : family_(family), random_(seed) {}

  CodecSpec make(const std::vector<int>& strides, int filters, int channels) {
    CodecSpec codec{family_, name_of(family_), channels, 1, 0, {}, {}, 3, 24, {}, {}};
    for (const int stride : strides) {
      codec.hop *= stride;
      codec.name.append("-").append(std::to_string(stride));
    }
    codec.latent = random_.pick({3, 8, 17});
    const int deep = filters << strides.size();

    ChainSpec& encoder = codec.encoder;
    add_conv(encoder, channels, filters, 7, Nonlinearity::kNone);
    int width = filters;
    for (const int stride : strides) {
      residuals(encoder, width);
      add_conv(encoder, width, 2 * width, 2 * stride, pointwise(), stride);
      width *= 2;
    }
    if (family_ != Family::kSymmetric) encoder.push_back(make_lstm(random_, deep, 2, true));
    add_conv(encoder, deep, codec.latent, random_.pick({3, 7}), pointwise());

    ChainSpec& decoder = codec.decoder;
    add_conv(decoder, codec.latent, deep, 7, Nonlinearity::kNone);
    if (family_ != Family::kSymmetric) decoder.push_back(make_lstm(random_, deep, 2, true));
    for (auto stride = strides.rbegin(); stride != strides.rend(); ++stride) {
      add_transpose(decoder, {width, width / 2, 2 * *stride, *stride});
      width /= 2;
      residuals(decoder, width);
    }
    const bool dac = family_ == Family::kSymmetric;
    decoder.push_back(make_conv(random_, padded(family_, {width, channels, 7}), pointwise(),
                                dac ? Nonlinearity::kTanh : Nonlinearity::kNone));
    add_norm(decoder, channels);

    add_books(random_, codec);
    return codec;
  }

 private:
  Nonlinearity pointwise() const {
    return family_ == Family::kSymmetric ? Nonlinearity::kSnake : Nonlinearity::kElu;
  }

  void add_norm(ChainSpec& chain, int channels, int trim_left = 0, int trim_right = 0) {
    if (family_ != Family::kNormed) return;
    chain.push_back(make_norm(random_, channels, trim_left, trim_right));
  }

  void add_conv(ChainSpec& chain, int in, int out, int kernel, Nonlinearity input, int stride = 1,
                int dilation = 1) {
    chain.push_back(conv(in, out, kernel, input, stride, dilation));
    add_norm(chain, out);
  }

  // The norm does the trimming, because trimmed rows count in the statistics.
  void add_transpose(ChainSpec& chain, layers::ConvTranspose1dShape shape) {
    shape = trimmed(family_, shape);
    const int left = shape.trim_left;
    const int right = shape.trim_right;
    if (family_ == Family::kNormed) shape.trim_left = shape.trim_right = 0;
    chain.push_back(make_transpose(random_, shape, pointwise()));
    add_norm(chain, shape.out_channels, left, right);
  }

  LayerSpec conv(int in, int out, int kernel, Nonlinearity input, int stride = 1,
                 int dilation = 1) {
    return make_conv(random_, padded(family_, {in, out, kernel, stride, dilation}), input);
  }

  // One to three residual units with dilations 1, 3 and 9. The shortcut is the identity or a 1x1
  // convolution.
  void residuals(ChainSpec& chain, int width) {
    const int units = 1 + random_.below(3);
    int dilation = random_.pick({1, 3});
    for (int unit = 0; unit < units && dilation <= 9; ++unit, dilation *= 3) {
      ResidualSpec residual;
      const int inner = std::max(width / 2, 1);
      const int kernel = family_ == Family::kSymmetric ? 7 : 3;
      add_conv(residual.branch, width, inner, kernel, pointwise(), 1, dilation);
      // The branches are quiet. With a dozen units in a row, louder ones would give Snake arguments
      // at which float32 and float64 differ in phase.
      residual.branch.push_back(make_conv(random_, padded(family_, {inner, width, 1}), pointwise(),
                                          Nonlinearity::kNone, /*gain=*/0.3F));
      add_norm(residual.branch, width);
      if (random_.coin()) add_conv(residual.shortcut, width, width, 1, Nonlinearity::kNone);
      chain.push_back({std::move(residual)});
    }
  }

  Family family_;
  Random random_;
};

// Strides and widths drawn at random, hops of at most 160 samples.
inline CodecSpec random_codec(Family family, std::uint64_t seed) {
  Random random(seed);
  std::vector<int> strides;
  const int stages = 1 + random.below(3);
  for (int i = 0, hop = 1; i < stages; ++i) {
    const int stride = random.pick({2, 3, 4, 5, 8});
    if (hop * stride > 160) break;
    hop *= stride;
    strides.push_back(stride);
  }
  return CodecMaker(family, random.next())
      .make(strides, random.pick({1, 2, 3, 5, 8}), random.pick({1, 2}));
}

}  // namespace hopcodec::test
