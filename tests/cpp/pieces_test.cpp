// A chain in pieces needs less scratch than one that takes all rows of a push at every depth. This
// shows that the cut happens, on both sides. streaming_test draws piece sizes and shows that it
// changes no bit.
#include <algorithm>

#include "check.hpp"
#include "codecs.hpp"
#include "graph/decoder.hpp"
#include "graph/encoder.hpp"

namespace hopcodec::test {
namespace {

constexpr std::uint64_t kCodecs = 40;  // codecs per family

void check_scratch(const CodecSpec& codec) {
  // With a single stride, little more than the inlet of the pieces can be saved.
  if (std::count(codec.name.begin(), codec.name.end(), '-') < 2) return;
  graph::SessionOptions uncut;
  uncut.max_frames = 64;
  uncut.piece = {1 << 20, 1 << 20};
  graph::SessionOptions cut = uncut;
  cut.piece = {200, 7};
  const std::vector<layers::LayerWeights> encoder = weights_of(codec.encoder);
  const std::vector<layers::LayerWeights> decoder = weights_of(codec.decoder);
  const auto encoder_bytes = [&](const graph::SessionOptions& options) {
    return graph::Encoder(encoder, codec.quantizer, codec.channels, codec.hop, options)
        .scratch_bytes();
  };
  const auto decoder_bytes = [&](const graph::SessionOptions& options) {
    return graph::Decoder(decoder, codec.quantizer, codec.channels, codec.hop, options)
        .scratch_bytes();
  };
  CHECK(encoder_bytes(cut) < encoder_bytes(uncut), codec.name);
  CHECK(decoder_bytes(cut) < decoder_bytes(uncut), codec.name);
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  for (const Family family : {Family::kCausal, Family::kCentred, Family::kSymmetric}) {
    for (std::uint64_t seed = 0; seed < kCodecs; ++seed) check_scratch(random_codec(family, seed));
  }
  return finish();
}
