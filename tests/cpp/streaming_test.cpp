// Streaming is exact: any partition of a stream gives the bits of one push, and that push gives the
// result of the layers over the whole signal, including the padding at both ends.
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "codecs.hpp"
#include "reference.hpp"
#include "streaming.hpp"

namespace hopcodec::test {
namespace {

constexpr int kLayers = 300;
constexpr int kCodecs = 40;          // codecs per family
constexpr double kTolerance = 2e-5;  // relative to the largest value of the signal, or to one

double largest_error = 0.0;

constexpr int kLongest = 64;  // frames of the longest stream in these tests

// A stream with group norms must fit in one step.
int frames_per_step(Family family, int otherwise) {
  return family == Family::kNormed ? kLongest : otherwise;
}

graph::SessionOptions options(Random& random, Family family, bool zero_start) {
  graph::SessionOptions chosen;
  chosen.max_frames = frames_per_step(family, random.pick({1, 2, 5}));
  chosen.threads = random.pick({1, 2});
  chosen.streams = random.pick({1, 3});
  chosen.zero_start = zero_start;
  // Small enough that these small codecs are cut at every depth.
  chosen.piece = {random.pick({1, 40, 200}), random.pick({1, 2, 7})};
  return chosen;
}

// Lengths at which some layer has too few rows to reflect, and longer ones.
std::vector<int> lengths(Random& random, int unit) {
  return {0,
          1,
          2,
          random.below(unit + 1),
          unit - 1,
          unit,
          unit + 1,
          3 * unit + random.below(unit),
          8 * unit + random.below(4 * unit)};
}

double worst(const Signal& reference, const std::vector<float>& got) {
  double largest = 1.0;
  double error = 0.0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::fabs(reference.data[i]));
    error = std::max(error, std::fabs(reference.data[i] - static_cast<double>(got[i])));
  }
  largest_error = std::max(largest_error, error / largest);
  return error / largest;
}

// Each code is the entry nearest to the residual, up to rounding.
void check_codes(const CodecSpec& codec, const Encoded& encoded) {
  const auto dim = static_cast<std::size_t>(codec.latent);
  for (std::int64_t f = 0; f < encoded.frames; ++f) {
    const float* latent = encoded.latents.data() + static_cast<std::size_t>(f) * dim;
    std::vector<double> residual(latent, latent + dim);
    for (int q = 0; q < codec.n_q; ++q) {
      std::vector<double> distance(static_cast<std::size_t>(codec.size));
      const auto book = static_cast<std::size_t>(q) * distance.size() * dim;
      for (std::size_t e = 0; e < distance.size(); ++e) {
        for (std::size_t d = 0; d < dim; ++d) {
          const double off = residual[d] - static_cast<double>(codec.books[book + e * dim + d]);
          distance[e] += off * off;
        }
      }
      const std::size_t code = encoded.codes[static_cast<std::size_t>(f * codec.n_q + q)];
      const double best = *std::min_element(distance.begin(), distance.end());
      CHECK(distance[code] <= best + 1e-5 * (1 + best), codec.name, f, q);
      for (std::size_t d = 0; d < dim; ++d) {
        residual[d] -= static_cast<double>(codec.books[book + code * dim + d]);
      }
    }
  }
}

void check_encoder(const CodecSpec& codec, Random& random, bool zero_start) {
  const std::vector<layers::LayerWeights> weights = weights_of(codec.encoder);
  const auto session = [&] {
    return graph::Encoder(weights, codec.quantizer, codec.channels, codec.hop,
                          options(random, codec.family, zero_start));
  };
  graph::Encoder whole = session();
  graph::Encoder parts = session();
  for (const int samples : lengths(random, codec.hop)) {
    const Audio audio = random_audio(random, codec.channels, samples);
    whole.reset(0);
    const Encoded expected = encode(whole, 0, audio, {samples}, codec.n_q);

    Signal x = make_signal(codec.channels, samples);
    for (int t = 0; t < samples; ++t) {
      for (int c = 0; c < codec.channels; ++c) {
        x.at(t, c) = static_cast<double>(audio.data[static_cast<std::size_t>(c * samples + t)]);
      }
    }
    const Signal reference = run(codec.encoder, x, zero_start);
    if (CHECK(reference.rows() == expected.frames, codec.name, samples, expected.frames,
              reference.rows())) {
      const double error = worst(reference, expected.latents);
      CHECK(error <= kTolerance, codec.name, samples, error);
    }
    check_codes(codec, expected);

    for (const int longest : {1, codec.hop, 3 * codec.hop}) {
      const int stream = random.below(parts.streams());
      parts.reset(stream);
      const Pieces pieces = random_pieces(random, samples, longest);
      CHECK(encode(parts, stream, audio, pieces, codec.n_q) == expected, codec.name, samples,
            longest);
    }
  }
}

void check_decoder(const CodecSpec& codec, Random& random, bool zero_start) {
  const std::vector<layers::LayerWeights> weights = weights_of(codec.decoder);
  const auto session = [&] {
    return graph::Decoder(weights, codec.quantizer, codec.channels, codec.hop,
                          options(random, codec.family, zero_start));
  };
  graph::Decoder whole = session();
  graph::Decoder parts = session();
  for (const int frames : lengths(random, 5)) {
    const Codes codes = random_codes(random, codec, frames);
    whole.reset(0);
    const auto expected = decode(whole, 0, codes, {frames});

    Signal x = make_signal(codec.latent, frames);
    for (int t = 0; t < frames; ++t) {
      for (int q = 0; q < codec.n_q; ++q) {
        const int code = codes.data[static_cast<std::size_t>(q * frames + t)];
        for (int d = 0; d < codec.latent; ++d) {
          const int at = (q * codec.size + code) * codec.latent + d;
          x.at(t, d) += static_cast<double>(codec.books[static_cast<std::size_t>(at)]);
        }
      }
    }
    const Signal reference = run(codec.decoder, x, zero_start);
    for (int c = 0; c < codec.channels; ++c) {
      const std::vector<float>& got = expected[static_cast<std::size_t>(c)];
      if (!CHECK(static_cast<std::size_t>(reference.rows()) == got.size(), codec.name, frames,
                 got.size(), reference.rows())) {
        continue;
      }
      Signal one = make_signal(1, reference.rows());
      for (int t = 0; t < one.rows(); ++t) one.at(t, 0) = reference.at(t, c);
      const double error = worst(one, got);
      CHECK(error <= kTolerance, codec.name, frames, error);
    }

    for (const int longest : {1, 3, 7}) {
      const int stream = random.below(parts.streams());
      parts.reset(stream);
      const Pieces pieces = random_pieces(random, frames, longest);
      CHECK(decode(parts, stream, codes, pieces) == expected, codec.name, frames, longest);
    }
  }
}

// One convolution of any allowed shape.
CodecSpec lone_conv(Random& random, int index) {
  layers::Conv1dShape shape{random.pick({1, 2, 5}), random.pick({1, 3, 17}), 1 + random.below(9)};
  shape.dilation = random.pick({1, 3, 9});
  shape.stride = 1 + random.below(std::min(shape.reach(), random.coin() ? 2 : 8));
  const int total = shape.reach() - shape.stride;
  // Often all padding is on one side: without left padding, the reflection at the end reaches back
  // furthest.
  shape.left = random.coin() ? random.below(total + 1) : random.pick({0, total});
  shape.full_window = random.coin();
  const int most_right = shape.reach() - 1 - shape.left;
  shape.right = random.coin() ? most_right : random.below(most_right + 1);
  if (shape.full_window) shape.right = total - shape.left;
  shape.reflect = random.coin();
  CodecSpec codec{Family::kCausal,
                  "conv " + std::to_string(index),
                  shape.in_channels,
                  shape.stride,
                  shape.out_channels,
                  {},
                  {},
                  1,
                  4,
                  {},
                  {}};
  codec.encoder.push_back(make_conv(random, shape, Nonlinearity::kElu, Nonlinearity::kTanh));
  add_books(random, codec);
  return codec;
}

// One transposed convolution with any allowed kernel and trims.
CodecSpec lone_transpose(Random& random, int index) {
  layers::ConvTranspose1dShape shape{random.pick({1, 2, 17}), random.pick({1, 2, 5}), 1,
                                     1 + random.below(9)};
  shape.kernel = shape.stride + random.below(3 * shape.stride);
  const int total = shape.kernel - shape.stride;
  shape.trim_left = random.below(total + 1);
  shape.trim_right = total - shape.trim_left + random.below(shape.trim_left + 1);
  CodecSpec codec{Family::kCausal,
                  "transpose " + std::to_string(index),
                  shape.out_channels,
                  shape.stride,
                  shape.in_channels,
                  {},
                  {},
                  2,
                  5,
                  {},
                  {}};
  codec.decoder.push_back(make_transpose(random, shape, Nonlinearity::kSnake));
  add_books(random, codec);
  return codec;
}

// A trim of more than the last input adds would concern rows that were already emitted.
void check_trims_are_bounded() {
  layers::ConvTranspose1dShape shape{1, 1, 4, 2, 0, 2};
  shape.check();
  for (const auto& [left, right] : {std::pair{0, 3}, std::pair{3, 0}, std::pair{-1, 2}}) {
    shape.trim_left = left;
    shape.trim_right = right;
    bool thrown = false;
    try {
      shape.check();
    } catch (const std::invalid_argument&) {
      thrown = true;
    }
    CHECK(thrown, left, right);
  }
}

// Thirty-seven streams of different lengths that step together give the same as each alone. They
// are more than a tile, so that there are several tiles.
void check_many_streams(const CodecSpec& codec, Random& random) {
  constexpr int kStreams = 37;
  graph::SessionOptions many;
  many.streams = kStreams;
  many.max_frames = frames_per_step(codec.family, 2);
  graph::SessionOptions one;
  one.max_frames = frames_per_step(codec.family, 1);
  const std::vector<layers::LayerWeights> weights = weights_of(codec.encoder);
  graph::Encoder together(weights, codec.quantizer, codec.channels, codec.hop, many);
  graph::Encoder alone(weights, codec.quantizer, codec.channels, codec.hop, one);
  std::vector<Audio> audio;
  std::vector<Encoded> got(kStreams);
  std::vector<graph::EncodeItem> items(kStreams);
  for (int s = 0; s < kStreams; ++s) {
    audio.push_back(random_audio(random, codec.channels, random.below(9 * codec.hop)));
  }
  for (const bool last : {false, true}) {
    for (int s = 0; s < kStreams; ++s) {
      // The order of the items differs from that of the streams.
      const int stream = (s * 5) % kStreams;
      const Audio& from = audio[static_cast<std::size_t>(stream)];
      const std::int64_t samples = last ? 0 : from.samples();
      const std::int64_t most = together.most_frames(stream, samples, last);
      Encoded& to = got[static_cast<std::size_t>(stream)];
      const auto at = static_cast<std::size_t>(to.frames);
      const auto n_q = static_cast<std::size_t>(codec.n_q);
      const auto dim = static_cast<std::size_t>(codec.latent);
      to.codes.resize((at + static_cast<std::size_t>(most)) * n_q);
      to.latents.resize((at + static_cast<std::size_t>(most)) * dim);
      items[static_cast<std::size_t>(s)] = {stream,
                                            from.data.data(),
                                            from.samples(),
                                            samples,
                                            to.codes.data() + at * n_q,
                                            1,
                                            codec.n_q,
                                            to.latents.data() + at * dim,
                                            0};
    }
    const graph::Outcome outcome = last ? together.flush(items.data(), kStreams, codec.n_q)
                                        : together.push(items.data(), kStreams, codec.n_q);
    CHECK(outcome.status == graph::Status::kOk);
    for (const graph::EncodeItem& item : items) {
      Encoded& to = got[static_cast<std::size_t>(item.stream)];
      to.frames += item.frames;
      to.codes.resize(static_cast<std::size_t>(to.frames * codec.n_q));
      to.latents.resize(static_cast<std::size_t>(to.frames * codec.latent));
    }
  }
  for (int s = 0; s < kStreams; ++s) {
    alone.reset(0);
    const Audio& from = audio[static_cast<std::size_t>(s)];
    CHECK(got[static_cast<std::size_t>(s)] == encode(alone, 0, from, {from.samples()}, codec.n_q),
          codec.name, s);
  }
}

// A snapshot restored in another session continues like the stream itself. A refused push changes
// nothing.
void check_states(const CodecSpec& codec, Random& random) {
  const std::vector<layers::LayerWeights> weights = weights_of(codec.encoder);
  graph::SessionOptions two;
  two.streams = 2;
  two.max_frames = frames_per_step(codec.family, 1);
  graph::SessionOptions one = two;
  one.streams = 1;
  graph::Encoder a(weights, codec.quantizer, codec.channels, codec.hop, two);
  graph::Encoder b(weights, codec.quantizer, codec.channels, codec.hop, one);
  const int samples = 20 * codec.hop + random.below(codec.hop);
  const Audio audio = random_audio(random, codec.channels, samples);
  const std::int64_t cut = random.below(samples);
  const Encoded expected = encode(a, 0, audio, {samples}, codec.n_q);

  a.reset(0);
  Encoded got = encode_piece(a, 0, audio, 0, cut, codec.n_q, false);
  std::vector<std::byte> blob(a.snapshot_bytes());
  CHECK(a.snapshot(0, blob.data()) == graph::Status::kOk);
  CHECK(b.restore(0, blob.data(), blob.size()) == graph::Status::kOk);

  Audio bad = audio;
  bad.data[static_cast<std::size_t>(samples - 1)] = NAN;
  std::vector<std::uint16_t> codes(static_cast<std::size_t>(samples * codec.n_q));
  graph::EncodeItem item{0, bad.data.data(), samples, samples, codes.data(),
                         1, codec.n_q,       nullptr, 0};
  const graph::Outcome refused = b.push(&item, 1, codec.n_q);
  CHECK(refused.status == graph::Status::kBadSample);
  CHECK(refused.position == samples - 1, refused.position);

  append(got, encode_piece(b, 0, audio, cut, samples - cut, codec.n_q, false));
  append(got, encode_piece(b, 0, audio, 0, 0, codec.n_q, true));
  CHECK(got == expected, codec.name, cut);
  graph::EncodeItem after{0, audio.data.data(), samples, 1, codes.data(), 1, codec.n_q, nullptr, 0};
  CHECK(b.push(&after, 1, codec.n_q).status == graph::Status::kFinished);

  if (codec.family == Family::kNormed) {  // larger than the session allows
    const Audio longer = random_audio(random, codec.channels, kLongest * codec.hop + 1);
    b.reset(0);
    graph::EncodeItem all{0,
                          longer.data.data(),
                          longer.samples(),
                          longer.samples(),
                          codes.data(),
                          1,
                          codec.n_q,
                          nullptr,
                          0};
    CHECK(b.push(&all, 1, codec.n_q).status == graph::Status::kTooLong);
    CHECK(encode(b, 0, audio, {samples}, codec.n_q) == expected);
  }

  blob[blob.size() / 2] ^= std::byte{1};
  bool thrown = false;
  try {
    b.restore(0, blob.data(), blob.size());
  } catch (const graph::SnapshotError&) {
    thrown = true;
  }
  CHECK(thrown);
}

}  // namespace
}  // namespace hopcodec::test

// An argument limits the test to a quarter of the shapes, which is enough under sanitizers.
int main(int argc, char**) {
  using namespace hopcodec::test;
  const int part = argc > 1 ? 4 : 1;
  check_trims_are_bounded();
  Random shapes(7);
  for (int i = 0; i < kLayers / part; ++i) {
    check_encoder(lone_conv(shapes, i), shapes, /*zero_start=*/shapes.coin());
    check_decoder(lone_transpose(shapes, i), shapes, /*zero_start=*/false);
  }
  for (const Family family :
       {Family::kCausal, Family::kCentred, Family::kNormed, Family::kSymmetric}) {
    for (int i = 0; i < kCodecs / part; ++i) {
      const auto seed = static_cast<std::uint64_t>(i);
      const CodecSpec codec = random_codec(family, seed);
      Random random(1000 + seed);
      for (const bool zero_start : {false, true}) {
        check_encoder(codec, random, zero_start);
        check_decoder(codec, random, zero_start);
      }
      if (i % 4 != 0) continue;
      check_many_streams(codec, random);
      check_states(codec, random);
    }
  }
  std::printf("largest error %.2e, allowed %.0e\n", largest_error, kTolerance);
  return finish();
}
