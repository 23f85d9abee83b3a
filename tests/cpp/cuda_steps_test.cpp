// A step of a session on a GPU allocates neither host nor device memory and waits only for its own
// end. Only with the stand-in of cuda_shim/, which counts calls and excludes allocations of the
// driver and the device.
#include <string>
#include <vector>

#include "allocation_counter.hpp"
#include "cuda_both.hpp"
#include "gpu.hpp"
#include "streaming.hpp"

namespace hopcodec::test {
namespace {

// Effects of one push or flush.
struct Deeds {
  long allocations;  // host allocations
  long frees;
  shim::Calls calls;
};

template <class Call>
Deeds watched(const Call& call) {
  const shim::Calls before = shim::calls();
  const AllocationCounter counter;
  call();
  const Deeds deeds{counter.allocations(), counter.frees(), shim::calls()};
  return {
      deeds.allocations,
      deeds.frees,
      {deeds.calls.allocations - before.allocations, deeds.calls.waits - before.waits,
       deeds.calls.launches - before.launches, deeds.calls.graph_launches - before.graph_launches}};
}

// Tests the counters: they must detect what the test claims is absent.
void check_watching() {
  const auto allocate = [] {
    const std::vector<float> host(10);
    void* device = nullptr;
    cudaMalloc(&device, 10);
    cudaFree(device);
  };
  const Deeds deeds = watched(allocate);
  CHECK(deeds.allocations >= 1 && deeds.frees >= 1, deeds.allocations, deeds.frees);
  CHECK(deeds.calls.allocations == 1, deeds.calls.allocations);
  const graph::cuda::Stream stream = graph::cuda::make_stream();
  float x = 0.0F;
  const Deeds wait = watched([&] {
    cudaMemsetAsync(&x, 0, sizeof x, stream.get());
    cudaStreamSynchronize(stream.get());
  });
  CHECK(wait.allocations == 0 && wait.frees == 0, wait.allocations, wait.frees);
  CHECK(wait.calls.waits == 1 && wait.calls.launches == 1);
}

void check_deeds(const Deeds& deeds, long steps, bool graphs, const std::string& note) {
  CHECK(deeds.allocations == 0 && deeds.frees == 0, note, deeds.allocations, deeds.frees);
  CHECK(deeds.calls.allocations == 0, note, deeds.calls.allocations);
  CHECK(deeds.calls.waits == steps, note, deeds.calls.waits, steps);
  CHECK(deeds.calls.graph_launches == (graphs ? steps : 0), note, deeds.calls.graph_launches);
  CHECK((deeds.calls.launches > 0) == (!graphs && steps > 0), note, deeds.calls.launches);
}

// The streams of a push, with different lengths.
struct Company {
  std::vector<int> who;
  std::vector<int> frames;
};

Company random_company(Random& random, int streams) {
  Company company;
  const int longest = random.pick({1, 4});
  for (int s = 0; s < streams; ++s) {
    if (random.below(4) == 0) continue;
    company.who.push_back(s);
    company.frames.push_back(longest == 1 ? 1 : random.below(longest + 1));
  }
  return company;
}

constexpr int kStreams = 10;
constexpr std::size_t kRoom = 600;  // frames; more than any look-ahead here

// Pushes of streams of any age, some flushes, and restarts.
void check_encoder(const CodecSpec& codec, cuda::Encoder& encoder, int rounds, bool graphs,
                   Random& random, const std::string& note) {
  const auto n_q = usize(codec.n_q);
  const std::int64_t longest = 4 * codec.hop;
  const Audio audio = random_audio(random, codec.channels, static_cast<int>(longest));
  std::vector<std::vector<std::uint16_t>> codes(kStreams);
  for (auto& own : codes) own.resize(kRoom * n_q);
  for (int round = 0; round < rounds; ++round) {
    const Company company = random_company(random, kStreams);
    const bool last = random.below(5) == 0;
    std::vector<graph::EncodeItem> items;
    for (std::size_t i = 0; i < company.who.size(); ++i) {
      items.push_back({company.who[i], audio.data.data(), longest, company.frames[i] * codec.hop,
                       codes[usize(company.who[i])].data(), 1, codec.n_q, nullptr, 0, kRoom});
    }
    const auto count = static_cast<int>(items.size());
    const long before = encoder.graph_steps() + encoder.eager_steps();
    graph::Status status{};
    const Deeds deeds = watched([&] {
      status = (last ? encoder.flush(items.data(), count, codec.n_q)
                     : encoder.push(items.data(), count, codec.n_q))
                   .status;
    });
    CHECK(status == graph::Status::kOk, static_cast<int>(status), note);
    check_deeds(deeds, encoder.graph_steps() + encoder.eager_steps() - before, graphs, note);
    for (const int stream : company.who) {
      if (last || random.below(10) == 0) encoder.reset(stream);
    }
  }
}

void check_decoder(const CodecSpec& codec, cuda::Decoder& decoder, int rounds, bool graphs,
                   Random& random, const std::string& note) {
  const int longest = 4;
  const Codes codes = random_codes(random, codec, longest);
  const std::size_t room = kRoom * usize(codec.hop);
  std::vector<std::vector<float>> sound(kStreams);
  for (auto& own : sound) own.resize(room * usize(codec.channels));
  for (int round = 0; round < rounds; ++round) {
    const Company company = random_company(random, kStreams);
    const bool last = random.below(5) == 0;
    std::vector<graph::DecodeItem> items;
    for (std::size_t i = 0; i < company.who.size(); ++i) {
      items.push_back({company.who[i], codes.data.data(), longest, 1, 1 + random.below(codec.n_q),
                       company.frames[i], sound[usize(company.who[i])].data(),
                       static_cast<std::ptrdiff_t>(room), 0, static_cast<std::int64_t>(room)});
    }
    const auto count = static_cast<int>(items.size());
    const long before = decoder.graph_steps() + decoder.eager_steps();
    graph::Status status{};
    const Deeds deeds = watched([&] {
      status =
          (last ? decoder.flush(items.data(), count) : decoder.push(items.data(), count)).status;
    });
    CHECK(status == graph::Status::kOk, static_cast<int>(status), note);
    check_deeds(deeds, decoder.graph_steps() + decoder.eager_steps() - before, graphs, note);
    for (const int stream : company.who) {
      if (last || random.below(10) == 0) decoder.reset(stream);
    }
  }
}

void check_codec(const Both& both, Random& random, cuda::Precision precision, bool graphs) {
  cuda::Options options = gpu_options(both.codec, random.coin(), kStreams, random.pick({1, 2}));
  options.precision = precision;
  options.graphs = graphs;
  const std::string note = both.codec.name + " " + std::to_string(static_cast<int>(precision)) +
                           (graphs ? " replayed" : " eager");
  cuda::Encoder encoder = both.gpu_encoder(options);
  check_encoder(both.codec, encoder, 20, graphs, random, note + " encoder");
  cuda::Decoder decoder = both.gpu_decoder(options);
  check_decoder(both.codec, decoder, 20, graphs, random, note + " decoder");
}

}  // namespace
}  // namespace hopcodec::test

// An argument limits the test to one family, which is enough under sanitizers.
int main(int argc, char**) {
  using namespace hopcodec::test;
  namespace shim = hopcodec::shim;
  shim::own_work() = [](bool begins) { begins ? pause_counting() : resume_counting(); };
  check_watching();
  Random random(31);
  for (const Family family : kFamilies) {
    const Both both(CodecMaker(family, random.next()).make({2, 3}, 4, 2));
    for (const auto precision : {cuda::Precision::kFloat32, cuda::Precision::kTf32}) {
      check_codec(both, random, precision, /*graphs=*/true);
    }
    check_codec(both, random, cuda::Precision::kFloat32, /*graphs=*/false);
    if (family == Family::kSymmetric) {
      check_codec(truncated_both(both.codec, random), random, cuda::Precision::kFloat32, true);
    }
    if (argc > 1) break;
  }
  return finish();
}
