// Compares sessions on the GPU with sessions on the CPU. The bits must be equal for any partition,
// any other streams in the step, and any order of joining and leaving. Built twice: with the
// stand-in of cuda_shim/ for any machine, and as cuda_device_test for a GPU. Without a GPU the
// latter is skipped (77), unless HOPCODEC_REQUIRE_CUDA=1.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "cuda_both.hpp"
#include "cuda_company.hpp"
#include "gpu.hpp"
#include "streaming.hpp"

namespace hopcodec::test {
namespace {

constexpr std::size_t kRoom = 512;  // frames; more than any look-ahead here

void check_one_stream(const Both& both, Random& random, bool zero_start) {
  const CodecSpec& codec = both.codec;
  graph::Encoder cpu_encoder = both.cpu_encoder(zero_start, 1, 4);
  graph::Decoder cpu_decoder = both.cpu_decoder(zero_start, 1, 4);
  const int streams = random.pick({1, 3});
  const cuda::Options options = gpu_options(codec, zero_start, streams, random.pick({1, 2, 5}));
  cuda::Encoder encoder = both.gpu_encoder(options);
  cuda::Decoder decoder = both.gpu_decoder(options);
  CHECK(encoder.state_bytes() == cpu_encoder.state_bytes(), codec.name, encoder.state_bytes());
  CHECK(decoder.state_bytes() == cpu_decoder.state_bytes(), codec.name, decoder.state_bytes());
  CHECK(encoder.lookahead_samples() == cpu_encoder.lookahead_samples(), codec.name);
  CHECK(decoder.lookahead_samples() == cpu_decoder.lookahead_samples(), codec.name);
  for (const int samples : {0, 1, random.below(codec.hop + 1), codec.hop, 3 * codec.hop + 1,
                            14 * codec.hop + random.below(codec.hop)}) {
    const Audio audio = random_audio(random, codec.channels, samples);
    cpu_encoder.reset(0);
    const Encoded expected = encode(cpu_encoder, 0, audio, {samples}, codec.n_q);
    for (const int longest : {codec.hop / 2 + 1, 4 * codec.hop}) {
      const int stream = random.below(streams);
      encoder.reset(stream);
      const Pieces pieces = random_pieces(random, samples, longest);
      CHECK(encode(encoder, stream, audio, pieces, codec.n_q) == expected, codec.name, zero_start,
            samples, longest, options.max_frames);
    }
  }
  for (const int frames : {0, 1, 2, 5, 19}) {
    const Codes codes = random_codes(random, codec, frames);
    cpu_decoder.reset(0);
    const auto expected = decode(cpu_decoder, 0, codes, {frames});
    for (const int longest : {1, 7}) {
      const int stream = random.below(streams);
      decoder.reset(stream);
      CHECK(decode(decoder, stream, codes, random_pieces(random, frames, longest)) == expected,
            codec.name, zero_start, frames, longest, options.max_frames);
    }
  }
}

// Streams join, pause, leave and restart in one session. Each must give the same as alone.
void check_company(const Both& both, Random& random, bool zero_start, bool graphs) {
  const CodecSpec& codec = both.codec;
  const int streams = random.pick({7, 11});
  cuda::Options options = gpu_options(codec, zero_start, streams, 2);
  options.graphs = graphs;
  cuda::Encoder encoder = both.gpu_encoder(options);
  std::vector<std::unique_ptr<graph::Encoder>> alone;
  for (int s = 0; s < streams; ++s) {
    alone.push_back(std::make_unique<graph::Encoder>(both.encoder, codec.quantizer, codec.channels,
                                                     codec.hop,
                                                     cpu_options(codec, zero_start, 1, 1)));
  }
  const auto n_q = static_cast<std::size_t>(codec.n_q);
  for (int round = 0; round < 24; ++round) {
    const int samples = random.below(3 * codec.hop);
    std::vector<Audio> audio;
    std::vector<graph::EncodeItem> items;
    std::vector<std::vector<std::uint16_t>> codes;
    std::vector<int> who;
    for (int s = 0; s < streams; ++s) {
      if (random.below(3) == 0) continue;
      who.push_back(s);
      audio.push_back(random_audio(random, codec.channels, samples));
      codes.emplace_back(kRoom * n_q, std::uint16_t{0xabcd});
    }
    const bool last = random.below(6) == 0;
    for (std::size_t i = 0; i < who.size(); ++i) {
      items.push_back({who[i], audio[i].data.data(), samples, samples, codes[i].data(), 1,
                       codec.n_q, nullptr, 0, kRoom});
    }
    const auto count = static_cast<int>(items.size());
    const graph::Outcome outcome = last ? encoder.flush(items.data(), count, codec.n_q)
                                        : encoder.push(items.data(), count, codec.n_q);
    CHECK(outcome.status == graph::Status::kOk, static_cast<int>(outcome.status));
    for (std::size_t i = 0; i < who.size(); ++i) {
      std::vector<std::uint16_t> expected(kRoom * n_q, std::uint16_t{0xabcd});
      graph::EncodeItem item = items[i];
      item.stream = 0;
      item.samples = last ? 0 : samples;
      item.codes = expected.data();
      item.frames = 0;
      graph::Encoder& one = *alone[static_cast<std::size_t>(who[i])];
      if (last) {
        one.flush(&item, 1, codec.n_q);
      } else {
        one.push(&item, 1, codec.n_q);
      }
      CHECK(item.frames == items[i].frames && expected == codes[i], codec.name, round, who[i],
            item.frames, items[i].frames);
      if (!last && random.below(4) != 0) continue;
      encoder.reset(who[i]);
      one.reset(0);
    }
  }
  CHECK(graphs ? encoder.eager_steps() == 0 && encoder.graph_steps() > 0
               : encoder.graph_steps() == 0 && encoder.eager_steps() > 0);
}

// The same for decoders, with so many lanes that some steps use copies and some do not.
void check_decoders(const Both& both, Random& random, bool zero_start, bool graphs) {
  const CodecSpec& codec = both.codec;
  const int streams = random.pick({7, 11});
  cuda::Options options = gpu_options(codec, zero_start, streams, random.pick({1, 2}));
  options.graphs = graphs;
  cuda::Decoder many = both.gpu_decoder(options);
  std::vector<std::unique_ptr<graph::Decoder>> alone;
  for (int s = 0; s < streams; ++s) {
    alone.push_back(std::make_unique<graph::Decoder>(both.decoder, codec.quantizer, codec.channels,
                                                     codec.hop,
                                                     cpu_options(codec, zero_start, 1, 1)));
  }
  check_decoder_company(codec, many, alone, random, 24, codec.name);
  CHECK(graphs ? many.eager_steps() == 0 && many.graph_steps() > 0
               : many.graph_steps() == 0 && many.eager_steps() > 0);
}

// A stream moves between the devices, in both directions, at any point of its life.
void check_moves(const Both& both, Random& random, bool zero_start) {
  const CodecSpec& codec = both.codec;
  const int samples = 13 * codec.hop + 3;
  const Audio audio = random_audio(random, codec.channels, samples);
  graph::Encoder cpu = both.cpu_encoder(zero_start, 2, 2);
  cuda::Encoder gpu = both.gpu_encoder(gpu_options(codec, zero_start, 2, 2));
  const Encoded expected = encode(cpu, 0, audio, {samples}, codec.n_q);
  CHECK(cpu.snapshot_bytes() == gpu.snapshot_bytes());
  std::vector<std::byte> blob(cpu.snapshot_bytes());
  cpu.reset(0);
  Encoded got;
  bool on_cpu = true;
  for (std::int64_t at = 0; at < samples;) {
    const std::int64_t piece =
        std::min<std::int64_t>(samples - at, 1 + random.below(2 * codec.hop));
    append(got, on_cpu ? encode_piece(cpu, 0, audio, at, piece, codec.n_q, false)
                       : encode_piece(gpu, 1, audio, at, piece, codec.n_q, false));
    at += piece;
    if (on_cpu) {
      cpu.snapshot(0, blob.data());
      gpu.restore(1, blob.data(), blob.size());
    } else {
      gpu.snapshot(1, blob.data());
      cpu.restore(0, blob.data(), blob.size());
    }
    on_cpu = !on_cpu;
  }
  append(got, on_cpu ? encode_piece(cpu, 0, audio, 0, 0, codec.n_q, true)
                     : encode_piece(gpu, 1, audio, 0, 0, codec.n_q, true));
  CHECK(got == expected, codec.name, zero_start);

  const Codes codes = random_codes(random, codec, 17);
  graph::Decoder cpu_decoder = both.cpu_decoder(zero_start, 1, 3);
  cuda::Decoder gpu_decoder = both.gpu_decoder(gpu_options(codec, zero_start, 1, 3));
  const auto sound = decode(cpu_decoder, 0, codes, {17});
  cpu_decoder.reset(0);
  const auto head = decode_piece(gpu_decoder, 0, codes, 0, 9, false);
  blob.resize(gpu_decoder.snapshot_bytes());
  gpu_decoder.snapshot(0, blob.data());
  cpu_decoder.restore(0, blob.data(), blob.size());
  const auto tail = decode_piece(cpu_decoder, 0, codes, 9, 8, false);
  const auto end = decode_piece(cpu_decoder, 0, codes, 0, 0, true);
  for (std::size_t c = 0; c < sound.size(); ++c) {
    std::vector<float> all = head[c];
    all.insert(all.end(), tail[c].begin(), tail[c].end());
    all.insert(all.end(), end[c].begin(), end[c].end());
    CHECK(all == sound[c], codec.name, zero_start, c);
  }
}

void check_refusals(const Both& both) {
  const CodecSpec& codec = both.codec;
  cuda::Encoder encoder = both.gpu_encoder(gpu_options(codec, false, 2, 1));
  std::vector<std::byte> before(encoder.snapshot_bytes());
  std::vector<std::byte> after(encoder.snapshot_bytes());
  encoder.snapshot(1, before.data());
  std::vector<float> audio(static_cast<std::size_t>(2 * codec.hop * codec.channels), 0.1F);
  audio[1] = std::nanf("");
  std::vector<std::uint16_t> codes(kRoom * 4);
  graph::EncodeItem item{
      1, audio.data(), 2 * codec.hop, 2 * codec.hop, codes.data(), 1, codec.n_q, nullptr, 0, kRoom};
  CHECK(encoder.push(&item, 1, codec.n_q).status == graph::Status::kBadSample);
  item.capacity = 0;
  audio[1] = 0.0F;
  CHECK(encoder.push(&item, 1, codec.n_q).status == graph::Status::kNoRoom);
  encoder.snapshot(1, after.data());
  CHECK(before == after);
  // A snapshot with a changed position and a matching checksum is refused.
  const std::size_t header = graph::snapshot_header_bytes();
  for (const std::size_t at : {header, encoder.snapshot_bytes() - encoder.state_bytes() + 64}) {
    std::vector<std::byte> forged = before;
    forged[at] ^= std::byte{0x40};
    graph::seal_snapshot(forged.data(), 0, encoder.state_bytes());
    bool refused = false;
    try {
      encoder.restore(1, forged.data(), forged.size());
    } catch (const graph::SnapshotError&) {
      refused = true;
    }
    // Pending samples may have any value; positions may not.
    CHECK(refused || at != header, at);
  }
}

void check_truncated(int codecs, Random& random) {
  for (int i = 0; i < codecs; ++i) {
    const Both both = truncated_both(random_codec(Family::kSymmetric, random.next()), random);
    check_one_stream(both, random, false);
    check_moves(both, random, false);
    check_company(both, random, false, random.coin());
    check_decoders(both, random, false, random.coin());
  }
}

// The sessions of a codec upload its weights once and keep them alive together.
void check_sharing(const Both& both) {
  cuda::Options options = gpu_options(both.codec, false, 1, 1);
  const std::size_t alone = both.gpu_encoder(options).device_bytes();
  const auto uploads = options.uploads = std::make_shared<cuda::Uploads>();
  auto first = std::make_unique<cuda::Encoder>(both.encoder, both.codec.quantizer,
                                               both.codec.channels, both.codec.hop, options);
  const std::size_t weights = uploads->bytes();
  CHECK(weights > 0 && first->device_bytes() == alone, weights, first->device_bytes(), alone);
  cuda::Encoder second = both.gpu_encoder(options);
  CHECK(uploads->bytes() == weights, uploads->bytes(), weights);
  const cuda::Decoder decoder = both.gpu_decoder(options);
  CHECK(uploads->bytes() > weights && decoder.streams() == 1);
  first.reset();
  Random random(3);
  const Audio audio = random_audio(random, both.codec.channels, 9 * both.codec.hop);
  graph::Encoder cpu = both.cpu_encoder(false, 1, 1);
  CHECK(encode(second, 0, audio, {audio.samples()}, both.codec.n_q) ==
        encode(cpu, 0, audio, {audio.samples()}, both.codec.n_q));
}

// A chain with group norms runs once, on its whole stream, which must fit.
void check_segments(int codecs, Random& random) {
  const int frames = 6;
  for (int i = 0; i < codecs; ++i) {
    const Both both(random_codec(Family::kNormed, random.next()));
    const CodecSpec& codec = both.codec;
    graph::Encoder cpu_encoder = both.cpu_encoder(false, 2, frames);
    graph::Decoder cpu_decoder = both.cpu_decoder(false, 2, frames);
    const cuda::Options options = gpu_options(codec, false, 2, frames);
    cuda::Encoder encoder = both.gpu_encoder(options);
    cuda::Decoder decoder = both.gpu_decoder(options);
    CHECK(encoder.state_bytes() == cpu_encoder.state_bytes(), codec.name);
    CHECK(decoder.state_bytes() == cpu_decoder.state_bytes(), codec.name);
    CHECK(encoder.lookahead_samples() == cpu_encoder.lookahead_samples(), codec.name);
    CHECK(decoder.lookahead_samples() == cpu_decoder.lookahead_samples(), codec.name);
    for (const int samples : {0, 1, 2 * codec.hop, 4 * codec.hop + 1, frames * codec.hop}) {
      const Audio audio = random_audio(random, codec.channels, samples);
      cpu_encoder.reset(0);
      const Encoded expected = encode(cpu_encoder, 0, audio, {samples}, codec.n_q);
      encoder.reset(1);
      const Pieces pieces = random_pieces(random, samples, 2 * codec.hop);
      CHECK(encode(encoder, 1, audio, pieces, codec.n_q) == expected, codec.name, samples);
      // A stream moves between the devices.
      cpu_encoder.reset(0);
      encoder.reset(0);
      std::vector<std::byte> blob(encoder.snapshot_bytes());
      Encoded moved = encode_piece(cpu_encoder, 0, audio, 0, samples / 2, codec.n_q, false);
      cpu_encoder.snapshot(0, blob.data());
      encoder.restore(0, blob.data(), blob.size());
      append(moved,
             encode_piece(encoder, 0, audio, samples / 2, samples - samples / 2, codec.n_q, false));
      encoder.snapshot(0, blob.data());
      cpu_encoder.restore(1, blob.data(), blob.size());
      append(moved, encode_piece(cpu_encoder, 1, audio, 0, 0, codec.n_q, true));
      CHECK(moved == expected, codec.name, samples);
    }
    for (const int count : {0, 1, 3, frames}) {
      const Codes codes = random_codes(random, codec, count);
      cpu_decoder.reset(0);
      decoder.reset(1);
      CHECK(decode(decoder, 1, codes, random_pieces(random, count, 2)) ==
                decode(cpu_decoder, 0, codes, {count}),
            codec.name, count);
    }
    const Codes codes = random_codes(random, codec, frames + 1);
    std::vector<float> audio(usize(codec.channels * codec.hop * (frames + 1)));
    decoder.reset(0);
    graph::DecodeItem item{0,         codes.data.data(), frames + 1,   1,
                           codec.n_q, frames + 1,        audio.data(), codec.hop * (frames + 1),
                           0};
    CHECK(decoder.push(&item, 1).status == graph::Status::kTooLong);
  }
}

#if defined(HOPCODEC_CUDA_STAND_IN)

std::string refusal(const Both& both) {
  try {
    both.gpu_encoder(gpu_options(both.codec, false, 1, 1));
  } catch (const cuda::DeviceError& error) {
    return error.what();
  }
  return "";
}

// No device, and one without memory.
void check_device_errors(const Both& both) {
  shim::machine().devices = 0;
  const std::string absent = refusal(both);
  shim::machine().devices = 1;
  CHECK(absent.find("expected an NVIDIA GPU") != std::string::npos, absent);
  shim::machine().memory_bytes = 1000;
  const std::string full = refusal(both);
  shim::machine().memory_bytes = 0;
  CHECK(full.find("out of memory") != std::string::npos, full);
}

#endif

}  // namespace
}  // namespace hopcodec::test

// An argument limits the test to one codec of one family, which is enough under sanitizers.
int main(int argc, char**) {
  using namespace hopcodec::test;
  const int status = status_without_gpu();
  if (status != 0) return status;
  const int codecs = argc > 1 ? 1 : 2;
  Random random(7);
  for (const Family family : kFamilies) {
    for (int i = 0; i < codecs; ++i) {
      const Both both(random_codec(family, random.next()));
      for (const bool zero_start : {false, true}) {
        check_one_stream(both, random, zero_start);
        check_moves(both, random, zero_start);
      }
      check_company(both, random, random.coin(), random.coin());
      for (const bool graphs : {true, false}) check_decoders(both, random, random.coin(), graphs);
    }
    const Both both(random_codec(family, random.next()));
    check_refusals(both);
    check_sharing(both);
    if (family == Family::kSymmetric) check_truncated((codecs + 1) / 2, random);
    if (family == Family::kCentred) check_segments((codecs + 1) / 2, random);
#if defined(HOPCODEC_CUDA_STAND_IN)
    check_device_errors(both);
#endif
    if (argc > 1) break;
  }
  return finish();
}
