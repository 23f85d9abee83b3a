// Pushes whole signals through sessions, in pieces, into buffers whose ends are checked.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "check.hpp"
#include "codecs.hpp"
#include "graph/decoder.hpp"
#include "graph/encoder.hpp"

namespace hopcodec::test {

using Pieces = std::vector<std::int64_t>;

// A random partition of `total` into pieces of up to `longest`, including empty ones.
inline Pieces random_pieces(Random& random, std::int64_t total, int longest) {
  Pieces pieces;
  while (total > 0) {
    const std::int64_t piece = std::min<std::int64_t>(total, random.below(longest + 1));
    pieces.push_back(piece);
    total -= piece;
  }
  if (random.coin()) pieces.push_back(0);
  return pieces;
}

// Planar audio, (channels, samples).
struct Audio {
  int channels;
  std::vector<float> data;
  std::int64_t samples() const { return static_cast<std::int64_t>(data.size()) / channels; }
};

inline Audio random_audio(Random& random, int channels, int samples) {
  return {channels, random.uniform(static_cast<std::size_t>(channels * samples), 0.9F)};
}

struct Encoded {
  std::int64_t frames = 0;
  std::vector<std::uint16_t> codes;  // (frames, n_q)
  std::vector<float> latents;        // (frames, dim)
  bool operator==(const Encoded&) const = default;
};

inline void append(Encoded& to, const Encoded& from) {
  to.frames += from.frames;
  to.codes.insert(to.codes.end(), from.codes.begin(), from.codes.end());
  to.latents.insert(to.latents.end(), from.latents.begin(), from.latents.end());
}

// One push of samples [from, from + samples), or the flush. Checks that nothing is written beyond
// what most_frames() promised.
template <class Encoder>  // for sessions on any device
Encoded encode_piece(Encoder& encoder, int stream, const Audio& audio, std::int64_t from,
                     std::int64_t samples, int n_q, bool last) {
  constexpr std::uint16_t kCodeMark = 0xabcd;
  constexpr float kLatentMark = 12345.0F;
  const auto most = static_cast<std::size_t>(
      std::max<std::int64_t>(encoder.most_frames(stream, samples, last), 0));
  const auto dim = static_cast<std::size_t>(encoder.latent_dim());
  Encoded out;
  out.codes.assign((most + 1) * static_cast<std::size_t>(n_q), kCodeMark);
  out.latents.assign((most + 1) * dim, kLatentMark);
  graph::EncodeItem item{stream,  audio.data.data() + from, audio.samples(),
                         samples, out.codes.data(),         1,
                         n_q,     out.latents.data(),       0};
  const graph::Outcome outcome = last ? encoder.flush(&item, 1, n_q) : encoder.push(&item, 1, n_q);
  CHECK(outcome.status == graph::Status::kOk, static_cast<int>(outcome.status));
  CHECK(item.frames >= 0 && item.frames <= static_cast<std::int64_t>(most), item.frames, most);
  out.frames = item.frames;
  const auto frames = static_cast<std::size_t>(item.frames);
  CHECK(std::all_of(out.codes.begin() + item.frames * n_q, out.codes.end(),
                    [](std::uint16_t code) { return code == kCodeMark; }));
  CHECK(std::all_of(out.latents.begin() + item.frames * encoder.latent_dim(), out.latents.end(),
                    [](float x) { return x == kLatentMark; }));
  out.codes.resize(frames * static_cast<std::size_t>(n_q));
  out.latents.resize(frames * dim);
  return out;
}

template <class Encoder>
Encoded encode(Encoder& encoder, int stream, const Audio& audio, const Pieces& pieces, int n_q) {
  Encoded out;
  std::int64_t at = 0;
  for (const std::int64_t piece : pieces) {
    append(out, encode_piece(encoder, stream, audio, at, piece, n_q, false));
    at += piece;
  }
  CHECK(at == audio.samples(), at);
  append(out, encode_piece(encoder, stream, audio, 0, 0, n_q, true));
  return out;
}

struct Codes {
  int n_q;
  std::vector<std::uint16_t> data;  // (n_q, frames)
  std::int64_t frames() const { return static_cast<std::int64_t>(data.size()) / n_q; }
};

inline Codes random_codes(Random& random, const CodecSpec& codec, int frames) {
  Codes codes{codec.n_q, {}};
  for (int i = 0; i < codec.n_q * frames; ++i) {
    codes.data.push_back(static_cast<std::uint16_t>(random.below(codec.size)));
  }
  return codes;
}

template <class Decoder>
std::vector<std::vector<float>> decode_piece(Decoder& decoder, int stream, const Codes& codes,
                                             std::int64_t from, std::int64_t frames, bool last) {
  constexpr float kMark = 12345.0F;
  const std::int64_t most = std::max<std::int64_t>(decoder.most_samples(stream, frames), 0);
  const auto channels = static_cast<std::size_t>(decoder.channels());
  const auto row = static_cast<std::size_t>(most + 1);
  std::vector<float> audio(channels * row, kMark);
  graph::DecodeItem item{stream,
                         codes.data.data() + from,
                         codes.frames(),
                         1,
                         codes.n_q,
                         frames,
                         audio.data(),
                         most + 1,
                         0};
  const graph::Outcome outcome = last ? decoder.flush(&item, 1) : decoder.push(&item, 1);
  CHECK(outcome.status == graph::Status::kOk, static_cast<int>(outcome.status));
  CHECK(item.samples >= 0 && item.samples <= most, item.samples, most);
  std::vector<std::vector<float>> out;
  for (std::size_t c = 0; c < channels; ++c) {
    const auto begin = audio.begin() + static_cast<std::ptrdiff_t>(c * row);
    CHECK(std::all_of(begin + item.samples, begin + most + 1, [](float x) { return x == kMark; }));
    out.emplace_back(begin, begin + item.samples);
  }
  return out;
}

// (channels, samples)
template <class Decoder>
std::vector<std::vector<float>> decode(Decoder& decoder, int stream, const Codes& codes,
                                       const Pieces& pieces) {
  std::vector<std::vector<float>> out(static_cast<std::size_t>(decoder.channels()));
  const auto take = [&](const std::vector<std::vector<float>>& piece) {
    for (std::size_t c = 0; c < out.size(); ++c) {
      out[c].insert(out[c].end(), piece[c].begin(), piece[c].end());
    }
  };
  std::int64_t at = 0;
  for (const std::int64_t piece : pieces) {
    take(decode_piece(decoder, stream, codes, at, piece, false));
    at += piece;
  }
  CHECK(at == codes.frames(), at);
  take(decode_piece(decoder, stream, codes, 0, 0, true));
  return out;
}

}  // namespace hopcodec::test
