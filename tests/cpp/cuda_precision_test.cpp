// Tests sessions on the tensor cores of a GPU. They must be as close to float32 as their number
// format allows, and have the same bits among themselves for any partition, any other streams, and
// across snapshots. Built twice, like cuda_graph_test: with the stand-in of cuda_shim/, and for a
// GPU.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "codecs.hpp"
#include "cuda_company.hpp"
#include "gpu.hpp"
#include "graph/cuda/decoder.hpp"
#include "graph/cuda/encoder.hpp"
#include "streaming.hpp"

namespace hopcodec::test {
namespace {

namespace cuda = graph::cuda;
using cuda::Precision;

#if defined(HOPCODEC_CUDA_STAND_IN)
constexpr int kCompanies[] = {3, 20};  // cuda_mma_test tests the kernels for many streams
#else
constexpr int kCompanies[] = {3, 70, 600};
#endif

std::string name_of(Precision precision) { return precision == Precision::kTf32 ? "tf32" : "bf16"; }

struct Both {
  CodecSpec codec;
  std::vector<layers::LayerWeights> encoder;
  std::vector<layers::LayerWeights> decoder;
  explicit Both(CodecSpec spec)
      : codec(std::move(spec)),
        encoder(weights_of(codec.encoder)),
        decoder(weights_of(codec.decoder)) {}

  cuda::Options options(Precision precision, int streams, int frames, bool graphs) const {
    cuda::Options options;
    options.streams = streams;
    options.max_frames = frames;
    options.graphs = graphs;
    options.codebooks = {codec.n_q};
    options.precision = precision;
    return options;
  }
  cuda::Encoder gpu_encoder(Precision precision, int streams, int frames, bool graphs) const {
    return {encoder, codec.quantizer, codec.channels, codec.hop,
            options(precision, streams, frames, graphs)};
  }
  cuda::Decoder gpu_decoder(Precision precision, int streams, int frames, bool graphs) const {
    return {decoder, codec.quantizer, codec.channels, codec.hop,
            options(precision, streams, frames, graphs)};
  }
  graph::Encoder cpu_encoder() const {
    graph::SessionOptions options;
    options.max_frames = 4;
    return {encoder, codec.quantizer, codec.channels, codec.hop, options};
  }
  graph::Decoder cpu_decoder() const {
    graph::SessionOptions options;
    options.max_frames = 4;
    return {decoder, codec.quantizer, codec.channels, codec.hop, options};
  }
};

// RMS of the difference, relative to the RMS of the exact values.
double distance(const std::vector<float>& x, const std::vector<float>& exact) {
  double off = 0.0;
  double size = 0.0;
  CHECK(x.size() == exact.size() && !x.empty(), x.size(), exact.size());
  for (std::size_t i = 0; i < std::min(x.size(), exact.size()); ++i) {
    const double d = static_cast<double>(x[i]) - static_cast<double>(exact[i]);
    off += d * d;
    size += static_cast<double>(exact[i]) * static_cast<double>(exact[i]);
  }
  return std::sqrt(off / size);
}

// A dozen rounded products in a row, each with an error below the unit of its format.
double tolerance(Precision precision) { return precision == Precision::kTf32 ? 0.004 : 0.03; }

// The result must also differ, because it is computed from rounded factors.
void check_near(const std::vector<float>& x, const std::vector<float>& exact, Precision precision,
                const std::string& name) {
  const double d = distance(x, exact);
  CHECK(d < tolerance(precision), name, name_of(precision), d);
  CHECK(d > 1e-5, name, name_of(precision), d);
}

// The result does not depend on the partition, the slot, or the use of captured graphs.
void check_partitions(const Both& both, Random& random, Precision precision) {
  const CodecSpec& codec = both.codec;
  const int samples = 9 * codec.hop + 3;
  const Audio audio = random_audio(random, codec.channels, samples);
  graph::Encoder exact_encoder = both.cpu_encoder();
  const Encoded exact = encode(exact_encoder, 0, audio, {samples}, codec.n_q);
  cuda::Encoder first = both.gpu_encoder(precision, 1, 4, true);
  const Encoded whole = encode(first, 0, audio, {samples}, codec.n_q);
  check_near(whole.latents, exact.latents, precision, codec.name);
  const Codes codes = random_codes(random, codec, 15);
  graph::Decoder exact_decoder = both.cpu_decoder();
  const auto exact_sound = decode(exact_decoder, 0, codes, {15});
  cuda::Decoder first_decoder = both.gpu_decoder(precision, 1, 4, true);
  const auto sound = decode(first_decoder, 0, codes, {15});
  check_near(sound[0], exact_sound[0], precision, codec.name);
  for (const bool graphs : {true, false}) {
    const int streams = random.pick({2, 3});
    const int stream = random.below(streams);
    const int frames = random.pick({1, 2, 5});
    cuda::Encoder encoder = both.gpu_encoder(precision, streams, frames, graphs);
    CHECK(encode(encoder, stream, audio, random_pieces(random, samples, 2 * codec.hop),
                 codec.n_q) == whole,
          codec.name, name_of(precision), graphs, frames);
    cuda::Decoder decoder = both.gpu_decoder(precision, streams, frames, graphs);
    CHECK(decode(decoder, stream, codes, random_pieces(random, 15, 4)) == sound, codec.name,
          name_of(precision), graphs, frames);
    CHECK(graphs ? decoder.graph_steps() > 0 : decoder.eager_steps() > 0);
  }
}

// `streams` at once, enough to use another kernel than a single stream.
void check_company(const Both& both, Random& random, Precision precision, int streams) {
  const CodecSpec& codec = both.codec;
  cuda::Decoder many = both.gpu_decoder(precision, streams, 2, true);
  cuda::Decoder alone = both.gpu_decoder(precision, 1, 1, true);
  const int frames = 5;
  std::vector<Codes> codes;
  std::vector<std::vector<float>> sound;
  std::vector<graph::DecodeItem> items;
  const auto room = static_cast<std::size_t>((frames + 2) * codec.hop);
  for (int s = 0; s < streams; ++s) {
    codes.push_back(random_codes(random, codec, frames));
    sound.emplace_back(room * static_cast<std::size_t>(codec.channels), 12345.0F);
  }
  for (int s = 0; s < streams; ++s) {
    const auto i = static_cast<std::size_t>(s);
    items.push_back({s, codes[i].data.data(), frames, 1, codec.n_q, frames, sound[i].data(),
                     static_cast<std::int64_t>(room), 0, static_cast<std::int64_t>(room)});
  }
  const graph::Outcome outcome = many.push(items.data(), streams);
  CHECK(outcome.status == graph::Status::kOk, static_cast<int>(outcome.status));
  for (int s = 0; s < streams; s += 1 + streams / 5) {
    const auto i = static_cast<std::size_t>(s);
    alone.reset(0);
    const auto expected = decode_piece(alone, 0, codes[i], 0, frames, false);
    for (std::size_t c = 0; c < expected.size(); ++c) {
      const std::vector<float> got(
          sound[i].begin() + static_cast<std::ptrdiff_t>(c * room),
          sound[i].begin() + static_cast<std::ptrdiff_t>(c * room + expected[c].size()));
      CHECK(got == expected[c], codec.name, name_of(precision), streams, s);
    }
  }
}

// A snapshot continues with the same bits in another session, and approximately on the CPU.
void check_moves(const Both& both, Random& random, Precision precision) {
  const CodecSpec& codec = both.codec;
  const int samples = 12 * codec.hop;
  const int half = 6 * codec.hop + 5;
  const Audio audio = random_audio(random, codec.channels, samples);
  graph::Encoder cpu = both.cpu_encoder();
  const Encoded exact = encode(cpu, 0, audio, {samples}, codec.n_q);
  cuda::Encoder from = both.gpu_encoder(precision, 1, 2, true);
  cuda::Encoder to = both.gpu_encoder(precision, 2, 3, true);
  const Encoded whole = encode(from, 0, audio, {samples}, codec.n_q);
  CHECK(cpu.snapshot_bytes() == from.snapshot_bytes());
  std::vector<std::byte> blob(from.snapshot_bytes());
  from.reset(0);
  const Encoded head = encode_piece(from, 0, audio, 0, half, codec.n_q, false);
  from.snapshot(0, blob.data());
  to.restore(1, blob.data(), blob.size());
  cpu.reset(0);
  cpu.restore(0, blob.data(), blob.size());
  const auto rest = [&](auto& encoder, int stream) {
    Encoded all = head;
    append(all, encode_piece(encoder, stream, audio, half, samples - half, codec.n_q, false));
    append(all, encode_piece(encoder, stream, audio, 0, 0, codec.n_q, true));
    return all;
  };
  CHECK(rest(to, 1) == whole, codec.name, name_of(precision));
  check_near(rest(cpu, 0).latents, exact.latents, precision, codec.name);
  // The other direction: a snapshot of a float32 stream continues on the tensor cores.
  cpu.reset(0);
  const Encoded first = encode_piece(cpu, 0, audio, 0, half, codec.n_q, false);
  cpu.snapshot(0, blob.data());
  to.restore(0, blob.data(), blob.size());
  Encoded all = first;
  append(all, encode_piece(to, 0, audio, half, samples - half, codec.n_q, false));
  append(all, encode_piece(to, 0, audio, 0, 0, codec.n_q, true));
  check_near(all.latents, exact.latents, precision, codec.name);
}

// Decoders whose streams join, pause, leave and restart, compared with sessions of their own.
void check_decoders(const Both& both, Random& random, Precision precision) {
  const int streams = 5;
  cuda::Decoder many = both.gpu_decoder(precision, streams, 2, true);
  std::vector<std::unique_ptr<cuda::Decoder>> alone;
  for (int s = 0; s < streams; ++s) {
    alone.push_back(std::make_unique<cuda::Decoder>(
        both.decoder, both.codec.quantizer, both.codec.channels, both.codec.hop,
        both.options(precision, 1, 1, /*graphs=*/false)));
  }
  check_decoder_company(both.codec, many, alone, random, 10,
                        both.codec.name + " " + name_of(precision));
  CHECK(many.graph_steps() > 0 && many.eager_steps() == 0);
}

}  // namespace
}  // namespace hopcodec::test

// An argument limits the test to one family, which is enough under compute-sanitizer.
int main(int argc, char**) {
  using namespace hopcodec::test;
  const int status = status_without_gpu();
  if (status != 0) return status;
  Random random(21);
  for (const Family family : kFamilies) {
    // Wide enough that most layers use tensor cores.
    const Both both(CodecMaker(family, random.next()).make({2, 4}, 8, random.pick({1, 2})));
    for (const Precision precision : {Precision::kTf32, Precision::kBfloat16}) {
      check_partitions(both, random, precision);
      check_moves(both, random, precision);
      check_decoders(both, random, precision);
      for (const int streams : kCompanies) check_company(both, random, precision, streams);
    }
    if (argc > 1) break;
  }
  return finish();
}
