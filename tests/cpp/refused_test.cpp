// Chains that no session can run and snapshots that no session wrote are refused, or do no harm.
// AddressSanitizer checks the latter.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "codecs.hpp"
#include "graph/snapshot.hpp"
#include "streaming.hpp"

namespace hopcodec::test {
namespace {

constexpr int kHop = 4;
constexpr int kWidth = 8;

using Chain = std::vector<layers::LayerWeights>;

CodecSpec books(Random& random) {
  CodecSpec codec{Family::kCausal, "refused", 1, kHop, kWidth, {}, {}, 1, 4, {}, {}};
  add_books(random, codec);
  return codec;
}

// Whether the constructor of an encoder refuses this chain.
bool refused(const Chain& chain, int max_frames = 4) {
  Random random(1);
  graph::SessionOptions options;
  options.max_frames = max_frames;
  try {
    graph::Encoder(chain, books(random).quantizer, 1, kHop, options);
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

LayerSpec conv(layers::Conv1dShape shape) {
  Random random(1);
  return make_conv(random, shape, Nonlinearity::kNone);
}

LayerSpec transpose(layers::ConvTranspose1dShape shape) {
  Random random(1);
  return make_transpose(random, shape, Nonlinearity::kNone);
}

LayerSpec norm(int channels, int trim = 0) {
  Random random(1);
  return make_norm(random, channels, trim);
}

LayerSpec head() { return conv({1, kWidth, kHop, kHop}); }
LayerSpec same() { return conv({kWidth, kWidth, 7, 1, 1, 3, 3}); }
LayerSpec late() { return conv({kWidth, kWidth, 7, 1, 1, 0, 6}); }

void append(Chain& to, const Chain& from) { to.insert(to.end(), from.begin(), from.end()); }

void check_truncated() {
  CHECK(!refused(truncated({head(), late()}, kHop, 0)));
  CHECK(refused(truncated({head(), norm(kWidth), late()}, kHop, 0)), "a norm inside");
  CHECK(refused(truncated({head(), {ResidualSpec{{norm(kWidth)}, {}}}, late()}, kHop, 0)));
  Chain behind = truncated({head(), late()}, kHop, 0);
  append(behind, weights_of({norm(kWidth)}));
  CHECK(refused(behind), "a norm behind");
  CHECK(refused(truncated({head(), late()}, 2 * kHop, 0)), "two hops a step");
  // Whatever layers follow, the truncated chain gets whole steps.
  Chain far = truncated({conv({1, kWidth, 7, 1, 1, 0, 6})}, kHop, 0);
  append(far, weights_of({conv({kWidth, kWidth, kHop, kHop})}));
  CHECK(!refused(far, 500));
}

void check_residuals() {
  const auto with = [](std::vector<LayerSpec> branch, std::vector<LayerSpec> shortcut = {}) {
    return refused(weights_of({head(), {ResidualSpec{std::move(branch), std::move(shortcut)}}}));
  };
  const LayerSpec down = conv({kWidth, kWidth, 8, 8});
  const LayerSpec up = transpose({kWidth, kWidth, 8, 8});
  CHECK(!with({same(), late()}));
  CHECK(!with({{ResidualSpec{{same()}, {}}}, same()}));
  CHECK(with({down, up}), "the rate changes and changes back");
  CHECK(with({up, down}));
  CHECK(with({{ResidualSpec{{down, up}, {}}}}), "inside another");
  CHECK(!with({norm(kWidth)}, {norm(kWidth)}));
  CHECK(with({norm(kWidth, 1)}));
  CHECK(with({same()}, {norm(kWidth, 1)}));
}

void check_sizes() {
  // Each row becomes 2^20 rows and then one again; 4096 frames would be 2^32 rows in between.
  const LayerSpec down = conv({1, 1, 1 << 10, 1 << 10});
  const Chain chain =
      weights_of({head(), transpose({kWidth, 1, 1 << 10, 1 << 10}),
                  transpose({1, 1, 1 << 10, 1 << 10}), down, down, conv({1, kWidth, 1})});
  CHECK(!refused(chain, 1));
  CHECK(refused(chain, 4096));
}

void check_norms() {
  Chain chain = weights_of({head(), norm(kWidth)});
  CHECK(!refused(chain));
  for (const float eps : {0.0F, -1.0F, NAN, INFINITY}) {
    std::get<layers::GroupNormWeights>(chain.back()).eps = eps;
    CHECK(refused(chain), eps);
  }
}

// Writes every small number to every place of a state that may be a position. The snapshot is
// refused, or does no harm.
template <class Session, class Push, class Flush>
void forge(Session& session, const Push& push, const Flush& flush, const std::string& name) {
  int believed = 0;
  for (const int pushes : {0, 2}) {
    session.reset(0);
    for (int k = 0; k < pushes; ++k) push();
    std::vector<std::byte> blob(session.snapshot_bytes());
    session.snapshot(0, blob.data());
    std::uint64_t fingerprint;
    std::memcpy(&fingerprint, blob.data() + 8, sizeof fingerprint);
    // The blocks of a state are aligned, and a header is at the front of a block.
    constexpr std::size_t kHeaderBytes = 24;
    for (std::size_t at = 0; at < session.state_bytes(); at += sizeof(std::int32_t)) {
      if (at % base::kAlignBytes >= kHeaderBytes) continue;
      for (const std::int32_t value : {0, 1, 3, 16, 100}) {
        std::vector<std::byte> forged = blob;
        std::memcpy(forged.data() + graph::snapshot_header_bytes() + at, &value, sizeof value);
        graph::seal_snapshot(forged.data(), fingerprint, session.state_bytes());
        try {
          session.restore(0, forged.data(), forged.size());
          for (int k = 0; k < 3; ++k) push();
          flush();
          session.restore(0, forged.data(), forged.size());
          flush();
          ++believed;
        } catch (const graph::SnapshotError&) {
        }
      }
    }
  }
  CHECK(believed > 0, name);
}

void check_forged(const CodecSpec& codec, const Chain& encoder_chain, const Chain& decoder_chain) {
  Random random(3);
  graph::SessionOptions options;
  options.max_frames = codec.family == Family::kNormed ? 8 : 2;
  graph::Encoder encoder(encoder_chain, codec.quantizer, codec.channels, codec.hop, options);
  const Audio audio = random_audio(random, codec.channels, 2 * codec.hop);
  // The room is exactly what a push may fill, so that AddressSanitizer detects writes beyond it. A
  // stream that claims more than kMostRoom gets no room.
  constexpr std::int64_t kMostRoom = 4096;
  const auto encoding = [&](std::int64_t samples, bool last) {
    const std::int64_t most =
        std::clamp<std::int64_t>(encoder.most_frames(0, samples, last), 0, kMostRoom);
    std::vector<std::uint16_t> codes(static_cast<std::size_t>(most * codec.n_q));
    graph::EncodeItem item{0, audio.data.data(), 2 * codec.hop, samples, codes.data(),
                           1, codec.n_q,         nullptr,       0,       most};
    if (last) {
      encoder.flush(&item, 1, codec.n_q);
    } else {
      encoder.push(&item, 1, codec.n_q);
    }
  };
  forge(encoder, [&] { encoding(2 * codec.hop, false); }, [&] { encoding(0, true); }, codec.name);

  graph::Decoder decoder(decoder_chain, codec.quantizer, codec.channels, codec.hop, options);
  const Codes codes = random_codes(random, codec, 2);
  const auto decoding = [&](std::int64_t frames, bool last) {
    const std::int64_t most =
        std::clamp<std::int64_t>(decoder.most_samples(0, frames), 0, kMostRoom);
    std::vector<float> heard(static_cast<std::size_t>(most * codec.channels));
    graph::DecodeItem item{0,      codes.data.data(), 2,    1, codec.n_q,
                           frames, heard.data(),      most, 0, most};
    if (last) {
      decoder.flush(&item, 1);
    } else {
      decoder.push(&item, 1);
    }
  };
  forge(decoder, [&] { decoding(2, false); }, [&] { decoding(0, true); }, codec.name);
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  check_truncated();
  check_residuals();
  check_sizes();
  check_norms();
  for (const Family family :
       {Family::kCausal, Family::kCentred, Family::kSymmetric, Family::kNormed}) {
    const CodecSpec codec = CodecMaker(family, 1).make({2, 3}, 2, 1);
    check_forged(codec, weights_of(codec.encoder), weights_of(codec.decoder));
    if (family != Family::kSymmetric) continue;
    check_forged(codec, truncated(codec.encoder, codec.hop, 0), truncated(codec.decoder, 1, 0));
  }
  return finish();
}
