// The same codec on CPU and GPU.
#pragma once

#include <cmath>
#include <vector>

#include "base/integers.hpp"
#include "codecs.hpp"
#include "graph/cuda/decoder.hpp"
#include "graph/cuda/encoder.hpp"

namespace hopcodec::test {

namespace cuda = graph::cuda;
using base::usize;

// DAC pads the last hop; the others pad each layer's last window.
inline bool whole_hops(const CodecSpec& codec) { return codec.family == Family::kSymmetric; }

inline cuda::Options gpu_options(const CodecSpec& codec, bool zero_start, int streams,
                                 int max_frames) {
  cuda::Options options;
  options.streams = streams;
  options.max_frames = max_frames;
  options.zero_start = zero_start;
  options.whole_hops = whole_hops(codec);
  options.codebooks = {codec.n_q};
  return options;
}

inline graph::SessionOptions cpu_options(const CodecSpec& codec, bool zero_start, int streams,
                                         int max_frames) {
  graph::SessionOptions options;
  options.whole_hops = whole_hops(codec);
  options.streams = streams;
  options.max_frames = max_frames;
  options.zero_start = zero_start;
  return options;
}

// A quantiser like DAC's, where each codebook is searched in a space of its own.
inline layers::RvqWeights projected(Random& random, const CodecSpec& codec) {
  const int inner = 2;
  layers::RvqWeights quantizer{codec.size, codec.latent, inner, {}};
  for (int q = 0; q < codec.n_q; ++q) {
    const auto n = [](int a, int b) { return static_cast<std::size_t>(a * b); };
    const std::vector<float> entries = random.uniform(n(codec.size, inner), 1.0F);
    const std::vector<float> there = random.uniform(n(inner, codec.latent), 1.0F);
    const std::vector<float> back = random.uniform(n(codec.latent, inner), 0.5F);
    const std::vector<float> bias = random.uniform(n(codec.latent, 1), 0.2F);
    layers::Codebook book =
        layers::make_codebook(entries.data(), codec.size, inner, /*normalised=*/true);
    book.project =
        layers::pack_conv1d({.in_channels = codec.latent, .out_channels = inner, .kernel = 1},
                            there.data(), bias.data());
    book.unproject =
        layers::pack_conv1d({.in_channels = inner, .out_channels = codec.latent, .kernel = 1},
                            back.data(), bias.data());
    quantizer.books.push_back(std::move(book));
  }
  return quantizer;
}

// The same codec on both devices.
struct Both {
  CodecSpec codec;
  std::vector<layers::LayerWeights> encoder;
  std::vector<layers::LayerWeights> decoder;
  explicit Both(CodecSpec spec)
      : codec(std::move(spec)),
        encoder(weights_of(codec.encoder)),
        decoder(weights_of(codec.decoder)) {
    Random random(11);
    if (whole_hops(codec)) codec.quantizer = projected(random, codec);
  }

  graph::Encoder cpu_encoder(bool zero, int streams, int frames) const {
    return {encoder, codec.quantizer, codec.channels, codec.hop,
            cpu_options(codec, zero, streams, frames)};
  }
  graph::Decoder cpu_decoder(bool zero, int streams, int frames) const {
    return {decoder, codec.quantizer, codec.channels, codec.hop,
            cpu_options(codec, zero, streams, frames)};
  }
  cuda::Encoder gpu_encoder(const cuda::Options& options) const {
    return {encoder, codec.quantizer, codec.channels, codec.hop, options};
  }
  cuda::Decoder gpu_decoder(const cuda::Options& options) const {
    return {decoder, codec.quantizer, codec.channels, codec.hop, options};
  }
};

// The same codec with truncated look-ahead on both sides: the encoder as a whole, the decoder up to
// some layer. Both must have look-ahead.
inline Both truncated_both(const CodecSpec& codec, Random& random) {
  Both both(codec);
  const graph::Encoder encoder = both.cpu_encoder(false, 1, 1);
  const int far = static_cast<int>(std::ceil(encoder.lookahead_samples() / codec.hop));
  both.encoder = truncated(codec.encoder, codec.hop, random.below(far));
  const std::size_t cut = 1 + usize(random.below(static_cast<int>(codec.decoder.size())));
  const auto end = codec.decoder.begin() + static_cast<std::ptrdiff_t>(cut);
  // The first layer alone has some look-ahead, in frames.
  both.decoder = truncated(ChainSpec(codec.decoder.begin(), end), 1, random.below(3));
  const auto rest = weights_of(ChainSpec(end, codec.decoder.end()));
  both.decoder.insert(both.decoder.end(), rest.begin(), rest.end());
  return both;
}

}  // namespace hopcodec::test
