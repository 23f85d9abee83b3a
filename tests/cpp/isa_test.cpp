// Every instruction set of this CPU computes the same bits, and so does every CPU. Results are
// compared with the generic kernels, and with one hash for all machines.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/float_mode.hpp"
#include "check.hpp"
#include "kernels/dispatch.hpp"
#include "streaming.hpp"

namespace hopcodec::test {
namespace {

// Hashes of all codecs and of all pointwise kernels below. They change only if the arithmetic
// changes, and then codes change too.
constexpr std::uint64_t kCodecBits = 0x9dec517611606963ULL;
constexpr std::uint64_t kPointwiseBits = 0x3c575ec32d9eb3b8ULL;

constexpr base::Isa kIsas[] = {base::Isa::kGeneric, base::Isa::kNeon, base::Isa::kAvx2,
                               base::Isa::kAvx512};

class Hash {  // FNV-1a
 public:
  template <class T>
  void add(const std::vector<T>& values) {
    std::vector<unsigned char> bytes(values.size() * sizeof(T));
    if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
    for (const unsigned char byte : bytes) value_ = (value_ ^ byte) * 0x100000001b3ULL;
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

std::vector<std::uint32_t> bits(const std::vector<float>& x) {
  std::vector<std::uint32_t> y(x.size());
  if (!x.empty()) std::memcpy(y.data(), x.data(), x.size() * sizeof(float));
  return y;
}

struct Result {
  std::vector<std::uint32_t> latents;
  std::vector<std::uint16_t> codes;
  std::vector<std::vector<std::uint32_t>> audio;
  bool operator==(const Result&) const = default;
};

Result run(const CodecSpec& codec, base::Isa isa,
           layers::Storage storage = layers::Storage::kFloat32) {
  graph::SessionOptions options;
  options.isa = isa;
  options.max_frames = 3;
  graph::Encoder encoder(weights_of(codec.encoder, storage), codec.quantizer, codec.channels,
                         codec.hop, options);
  graph::Decoder decoder(weights_of(codec.decoder, storage), codec.quantizer, codec.channels,
                         codec.hop, options);
  Random random(11);
  const int samples = 30 * codec.hop + codec.hop / 2;
  const Audio audio = random_audio(random, codec.channels, samples);
  const Encoded encoded = encode(encoder, 0, audio, random_pieces(random, samples, 99), codec.n_q);
  Codes codes{codec.n_q, std::vector<std::uint16_t>(encoded.codes.size())};
  for (std::int64_t f = 0; f < encoded.frames; ++f) {
    for (int q = 0; q < codec.n_q; ++q) {
      codes.data[static_cast<std::size_t>(q * encoded.frames + f)] =
          encoded.codes[static_cast<std::size_t>(f * codec.n_q + q)];
    }
  }
  Result result{bits(encoded.latents), encoded.codes, {}};
  for (const std::vector<float>& channel :
       decode(decoder, 0, codes, random_pieces(random, encoded.frames, 4))) {
    result.audio.push_back(bits(channel));
  }
  return result;
}

void check_codecs(const std::vector<base::Isa>& isas) {
  Hash hash;
  for (const Family family : kFamilies) {
    // With 17 filters no width is a whole number of vectors; with 16 all are.
    for (const int filters : {16, 17}) {
      const CodecSpec codec = CodecMaker(family, 9).make({2, 5}, filters, 2);
      const Result expected = run(codec, base::Isa::kGeneric);
      CHECK(expected.codes.size() > 20 * static_cast<std::size_t>(codec.n_q));
      CHECK(expected.audio[0].size() > 20 * static_cast<std::size_t>(codec.hop));
      for (const base::Isa isa : isas) {
        CHECK(run(codec, isa) == expected, codec.name, std::string(name_of(isa)));
      }
      // Weights stored as bfloat16 are exactly the rounded weights.
      CodecSpec half = codec;
      half.encoder = rounded(codec.encoder);
      half.decoder = rounded(codec.decoder);
      const Result expected_half = run(half, base::Isa::kGeneric);
      CHECK(expected_half != expected, codec.name);
      for (const base::Isa isa : isas) {
        CHECK(run(codec, isa, layers::Storage::kBfloat16) == expected_half, codec.name,
              std::string(name_of(isa)));
      }
      hash.add(expected.latents);
      hash.add(expected.codes);
      for (const std::vector<std::uint32_t>& channel : expected.audio) hash.add(channel);
    }
  }
  CHECK(hash.value() == kCodecBits, hash.value());
}

// Every binade of float32 with both signs, the codec's range in detail, zeros and denormals. Their
// number is odd, so that there is a tail.
std::vector<float> ladder() {
  std::vector<float> x = {0.0F, -0.0F, 1e-45F, -1e-45F, 1e-39F, -1e-39F, 1e30F, -1e30F, 3e38F};
  Random random(4);
  for (int exponent = -126; exponent < 128; ++exponent) {
    for (int i = 0; i < 16; ++i) {
      const float mantissa = 1.5F + 0.5F * random.uniform();
      x.push_back((i % 2 == 0 ? 1.0F : -1.0F) * __builtin_ldexpf(mantissa, exponent));
    }
  }
  for (int i = 0; i < 20000; ++i) x.push_back(20.0F * random.uniform());
  return x;
}

void check_pointwise(const std::vector<base::Isa>& isas) {
  const base::FlushDenormals flush;
  using Map = void (*)(const float*, float*, std::size_t);
  constexpr Map kernels::KernelTable::* kMaps[] = {
      &kernels::KernelTable::elu, &kernels::KernelTable::tanh, &kernels::KernelTable::sigmoid,
      &kernels::KernelTable::add, &kernels::KernelTable::subtract};
  const std::vector<float> x = ladder();
  Random random(5);
  const std::vector<float> y = random.uniform(x.size(), 2.0F);
  const std::vector<float> alpha = random.uniform(x.size(), 3.0F);
  const std::vector<float> inverse = random.uniform(x.size(), 3.0F);
  const auto results = [&](base::Isa isa) {
    const kernels::KernelTable& table = kernels::table_of(isa);
    CHECK(std::string(table.isa) == name_of(isa), std::string(table.isa));
    std::vector<std::vector<std::uint32_t>> all;
    for (const auto map : kMaps) {
      std::vector<float> out = y;  // input of add and subtract
      (table.*map)(x.data(), out.data(), x.size());
      all.push_back(bits(out));
    }
    std::vector<float> out = y;
    table.snake(x.data(), alpha.data(), inverse.data(), out.data(), 1, x.size());
    all.push_back(bits(out));
    std::vector<float> gates = x;
    const std::size_t size = 1001;
    std::vector<float> cell(y.begin(), y.begin() + size);
    std::vector<float> hidden(size);
    for (std::size_t step = 0; step + 4 * size <= gates.size(); step += 4 * size) {
      table.lstm_cell(gates.data() + step, cell.data(), hidden.data(), size);
      all.push_back(bits(hidden));
      all.push_back(bits(cell));
    }
    // Ties, including signed zeros, give the lowest index.
    std::vector<std::uint32_t> indices;
    std::vector<float> scores(100);
    for (std::size_t n = 1; n <= scores.size(); ++n) {
      for (std::size_t i = 0; i < n; ++i) scores[i] = i % 3 == 0 ? 0.0F : -0.0F;
      indices.push_back(static_cast<std::uint32_t>(table.argmax(scores.data(), n)));
      scores[n / 2] = scores[n - 1] = 1.0F;
      indices.push_back(static_cast<std::uint32_t>(table.argmax(scores.data(), n)));
      CHECK(indices.back() == n / 2, n);
    }
    all.push_back(indices);
    return all;
  };
  const auto expected = results(base::Isa::kGeneric);
  for (const base::Isa isa : isas) {
    const auto got = results(isa);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      CHECK(got[i] == expected[i], std::string(name_of(isa)), i);
    }
  }
  Hash hash;
  for (const std::vector<std::uint32_t>& one : expected) hash.add(one);
  CHECK(hash.value() == kPointwiseBits, hash.value());
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec;
  using namespace hopcodec::test;
  std::vector<base::Isa> isas;
  for (const base::Isa isa : kIsas) {
    if (!base::is_available(isa)) continue;
    isas.push_back(isa);
    CHECK(base::parse_isa(base::name_of(isa)) == isa);
    std::printf("%s\n", base::name_of(isa));
  }
  CHECK(isas.size() > 1);  // otherwise there is nothing to compare
  check_codecs(isas);
  check_pointwise(isas);
  return finish();
}
