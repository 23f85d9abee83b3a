// A truncated look-ahead is exact: the rows emitted with a step are, bit for bit, those of the
// whole chain over the signal cut off where the look-ahead ends.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "allocation_counter.hpp"
#include "codecs.hpp"
#include "streaming.hpp"

namespace hopcodec::test {
namespace {

constexpr int kCodecs = 24;

graph::SessionOptions options(Random& random, int streams) {
  graph::SessionOptions chosen;
  chosen.max_frames = random.pick({1, 2, 5});
  chosen.threads = random.pick({1, 2});
  chosen.streams = streams;
  chosen.whole_hops = true;
  return chosen;
}

Audio first(const Audio& audio, std::int64_t samples) {
  Audio cut{audio.channels, {}};
  for (int c = 0; c < audio.channels; ++c) {
    const auto begin = audio.data.begin() + c * audio.samples();
    cut.data.insert(cut.data.end(), begin, begin + samples);
  }
  return cut;
}

Codes first(const Codes& codes, std::int64_t frames) {
  Codes cut{codes.n_q, {}};
  for (int q = 0; q < codes.n_q; ++q) {
    const auto begin = codes.data.begin() + q * codes.frames();
    cut.data.insert(cut.data.end(), begin, begin + frames);
  }
  return cut;
}

void check_encoder(const CodecSpec& codec, Random& random) {
  const std::vector<layers::LayerWeights> weights = weights_of(codec.encoder);
  graph::Encoder plain(weights, codec.quantizer, codec.channels, codec.hop, options(random, 1));
  const int most = static_cast<int>(std::ceil(plain.lookahead_samples() / codec.hop)) - 1;
  const int ahead = random.below(most + 1);
  graph::Encoder brief(truncated(codec.encoder, codec.hop, ahead), codec.quantizer, codec.channels,
                       codec.hop, options(random, 3));
  CHECK(brief.lookahead_samples() == ahead * codec.hop, codec.name, brief.lookahead_samples());

  const int samples = random.below(12 * codec.hop);
  const Audio audio = random_audio(random, codec.channels, samples);
  Encoded expected;
  const auto dim = static_cast<std::size_t>(codec.latent);
  const auto n_q = static_cast<std::size_t>(codec.n_q);
  const int frames = (samples + codec.hop - 1) / codec.hop;
  for (int f = 0; f < frames; ++f) {
    plain.reset(0);
    const std::int64_t end = std::min(samples, (f + 1 + ahead) * codec.hop);
    const Encoded cut = encode(plain, 0, first(audio, end), {end}, codec.n_q);
    const auto at = static_cast<std::size_t>(f);
    expected.codes.insert(expected.codes.end(), cut.codes.begin() + f * codec.n_q,
                          cut.codes.begin() + (f + 1) * codec.n_q);
    expected.latents.insert(expected.latents.end(),
                            cut.latents.begin() + static_cast<std::ptrdiff_t>(at * dim),
                            cut.latents.begin() + static_cast<std::ptrdiff_t>((at + 1) * dim));
    ++expected.frames;
  }
  CHECK(expected.codes.size() == static_cast<std::size_t>(frames) * n_q);
  for (const int longest : {1, codec.hop, 3 * codec.hop}) {
    const int stream = random.below(3);
    brief.reset(stream);
    const Pieces pieces = random_pieces(random, samples, longest);
    CHECK(encode(brief, stream, audio, pieces, codec.n_q) == expected, codec.name, ahead, samples,
          longest);
  }
}

void check_decoder(const CodecSpec& codec, Random& random) {
  const std::vector<layers::LayerWeights> weights = weights_of(codec.decoder);
  graph::Decoder plain(weights, codec.quantizer, codec.channels, codec.hop, options(random, 1));
  const int most = static_cast<int>(std::ceil(plain.lookahead_samples() / codec.hop)) - 1;
  const int ahead = random.below(most + 1);
  graph::Decoder brief(truncated(codec.decoder, 1, ahead), codec.quantizer, codec.channels,
                       codec.hop, options(random, 3));
  const int frames = random.below(24);
  const Codes codes = random_codes(random, codec, frames);
  std::vector<std::vector<float>> expected(static_cast<std::size_t>(codec.channels));
  for (int f = 0; f < frames; ++f) {
    plain.reset(0);
    const std::int64_t end = std::min(frames, f + 1 + ahead);
    const auto cut = decode(plain, 0, first(codes, end), {end});
    for (std::size_t c = 0; c < expected.size(); ++c) {
      // The first whole result that contains these samples; with an odd stride the last one comes
      // later.
      const auto due =
          end == frames
              ? cut[c].size()
              : std::min<std::size_t>(cut[c].size(), static_cast<std::size_t>((f + 1) * codec.hop));
      for (std::size_t t = expected[c].size(); t < due; ++t) expected[c].push_back(cut[c][t]);
    }
  }
  for (const int longest : {1, 3, 7}) {
    const int stream = random.below(3);
    brief.reset(stream);
    const Pieces pieces = random_pieces(random, frames, longest);
    CHECK(decode(brief, stream, codes, pieces) == expected, codec.name, ahead, frames, longest);
  }
}

// A snapshot continues like the stream itself.
void check_states(const CodecSpec& codec, Random& random) {
  const std::vector<layers::LayerWeights> weights = truncated(codec.encoder, codec.hop, 0);
  graph::Encoder a(weights, codec.quantizer, codec.channels, codec.hop, options(random, 1));
  graph::Encoder b(weights, codec.quantizer, codec.channels, codec.hop, options(random, 1));
  const int samples = 9 * codec.hop + random.below(codec.hop);
  const Audio audio = random_audio(random, codec.channels, samples);
  const Encoded expected = encode(a, 0, audio, {samples}, codec.n_q);
  a.reset(0);
  const std::int64_t cut = random.below(samples);
  Encoded got = encode_piece(a, 0, audio, 0, cut, codec.n_q, false);
  std::vector<std::byte> blob(a.snapshot_bytes());
  CHECK(a.snapshot(0, blob.data()) == graph::Status::kOk);
  CHECK(b.restore(0, blob.data(), blob.size()) == graph::Status::kOk);
  append(got, encode_piece(b, 0, audio, cut, samples - cut, codec.n_q, false));
  append(got, encode_piece(b, 0, audio, 0, 0, codec.n_q, true));
  CHECK(got == expected, codec.name, cut);
}

void check_nothing_is_allocated(const CodecSpec& codec, Random& random) {
  graph::SessionOptions many = options(random, 18);  // two tiles
  many.threads = 1;
  graph::Encoder encoder(truncated(codec.encoder, codec.hop, 0), codec.quantizer, codec.channels,
                         codec.hop, many);
  graph::Decoder decoder(truncated(codec.decoder, 1, 0), codec.quantizer, codec.channels, codec.hop,
                         many);
  const int samples = 5 * codec.hop + 3;
  const Audio audio = random_audio(random, codec.channels, samples);
  const Codes codes = random_codes(random, codec, 7);
  std::vector<std::uint16_t> coded(static_cast<std::size_t>(16 * codec.n_q));
  std::vector<float> heard(static_cast<std::size_t>(codec.channels * 16 * codec.hop));
  std::vector<graph::EncodeItem> encode;
  std::vector<graph::DecodeItem> decode;
  for (int s = 0; s < many.streams; ++s) {
    encode.push_back({s, audio.data.data(), samples, samples, coded.data(), 16, 1, nullptr, 0});
    decode.push_back({s, codes.data.data(), 7, 1, codec.n_q, 7, heard.data(), 16 * codec.hop, 0});
  }
  bool ok = true;
  long events;
  {
    const AllocationCounter counter;
    ok = ok && encoder.push(encode.data(), many.streams, codec.n_q).status == graph::Status::kOk;
    ok = ok && encoder.flush(encode.data(), many.streams, codec.n_q).status == graph::Status::kOk;
    ok = ok && decoder.push(decode.data(), many.streams).status == graph::Status::kOk;
    ok = ok && decoder.flush(decode.data(), many.streams).status == graph::Status::kOk;
    events = counter.allocations() + counter.frees();
  }
  CHECK(ok, codec.name);
  CHECK(encode.back().frames == (samples + codec.hop - 1) / codec.hop, codec.name);
  CHECK(decode.back().samples > 6 * codec.hop, codec.name, decode.back().samples);
  CHECK(events == 0, codec.name, events);
}

template <class Make>
bool refused(const Make& make) {
  try {
    make();
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

void check_what_is_refused(const CodecSpec& codec) {
  const auto session = [&](int step, int ahead) {
    return graph::Encoder(truncated(codec.encoder, step, ahead), codec.quantizer, codec.channels,
                          codec.hop, {});
  };
  CHECK(!refused([&] { session(codec.hop, 0); }));
  CHECK(refused([&] { session(codec.hop, 100); }), "further than it looks anyway");
  CHECK(refused([&] { session(codec.hop, -1); }));
  CHECK(refused([&] { session(codec.hop + 1, 0); }), "no whole steps");
  CHECK(refused([&] { session(0, 0); }));
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  for (int i = 0; i < kCodecs; ++i) {
    const auto seed = static_cast<std::uint64_t>(i);
    const CodecSpec codec = random_codec(Family::kSymmetric, seed);
    Random random(2000 + seed);
    for (int round = 0; round < 3; ++round) {
      check_encoder(codec, random);
      check_decoder(codec, random);
    }
    check_states(codec, random);
    check_nothing_is_allocated(codec, random);
    check_what_is_refused(codec);
  }
  return finish();
}
