// Streams that join, pause, leave and restart in one decoder on a GPU. Each must give the same as
// in a decoder of its own.
#pragma once

#include <memory>
#include <vector>

#include "graph/cuda/decoder.hpp"
#include "streaming.hpp"

namespace hopcodec::test {

// One call: some streams, each with its own number of frames and codebooks.
struct DecoderRound {
  bool last;
  std::vector<int> who;
  std::vector<Codes> codes;
  // (channels, room), filled with arbitrary values beforehand.
  std::vector<std::vector<float>> sound;
  std::vector<graph::DecodeItem> items;
};

constexpr float kNoSound = 12345.0F;

inline DecoderRound random_round(const CodecSpec& codec, const graph::cuda::Decoder& many,
                                 Random& random, bool last) {
  DecoderRound round{last, {}, {}, {}, {}};
  const int longest = random.pick({1, 1, 4});  // a steady set of streams, and catching up
  for (int s = 0; s < many.streams(); ++s) {
    if (random.below(4) == 0) continue;
    const int frames = round.last ? 0 : longest == 1 ? 1 : random.below(longest + 1);
    Codes codes = random_codes(random, codec, frames);
    codes.n_q = 1 + random.below(codec.n_q);
    codes.data.resize(static_cast<std::size_t>(codes.n_q * frames));
    const auto room = static_cast<std::size_t>(many.most_samples(s, frames) + 1);
    round.who.push_back(s);
    round.codes.push_back(std::move(codes));
    round.sound.emplace_back(room * static_cast<std::size_t>(codec.channels), kNoSound);
  }
  for (std::size_t i = 0; i < round.who.size(); ++i) {
    const Codes& codes = round.codes[i];
    const auto frames = static_cast<std::int64_t>(codes.data.size()) / codes.n_q;
    const auto room = static_cast<std::int64_t>(round.sound[i].size()) / codec.channels;
    round.items.push_back({round.who[i], codes.data.data(), frames, 1, codes.n_q, frames,
                           round.sound[i].data(), room, 0, room});
  }
  return round;
}

// `alone` has one decoder per stream of `many`, on any device.
template <class Alone>
void check_decoder_company(const CodecSpec& codec, graph::cuda::Decoder& many,
                           const std::vector<std::unique_ptr<Alone>>& alone, Random& random,
                           int rounds, const std::string& name) {
  std::int64_t heard = 0;
  for (int r = 0; r < rounds; ++r) {
    DecoderRound round = random_round(codec, many, random, r == rounds - 1 || random.below(5) == 0);
    const auto count = static_cast<int>(round.items.size());
    const graph::Outcome outcome =
        round.last ? many.flush(round.items.data(), count) : many.push(round.items.data(), count);
    CHECK(outcome.status == graph::Status::kOk, name, r, static_cast<int>(outcome.status));
    for (std::size_t i = 0; i < round.who.size(); ++i) {
      Alone& one = *alone[static_cast<std::size_t>(round.who[i])];
      const Codes& codes = round.codes[i];
      const auto parts = decode_piece(one, 0, codes, 0, codes.frames(), round.last);
      const std::size_t room = round.sound[i].size() / parts.size();
      std::vector<float> expected(round.sound[i].size(), kNoSound);
      for (std::size_t c = 0; c < parts.size(); ++c) {
        std::copy(parts[c].begin(), parts[c].end(),
                  expected.begin() + static_cast<std::ptrdiff_t>(c * room));
      }
      CHECK(round.items[i].samples == static_cast<std::int64_t>(parts[0].size()), name, r,
            round.who[i]);
      CHECK(round.sound[i] == expected, name, r, round.who[i], int{round.last});
      heard += round.items[i].samples;
      if (!round.last && random.below(8) != 0) continue;
      many.reset(round.who[i]);
      one.reset(0);
    }
  }
  CHECK(heard > 0, name);
}

}  // namespace hopcodec::test
