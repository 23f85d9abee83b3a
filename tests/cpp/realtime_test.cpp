// A push is safe in an audio callback: it neither allocates nor frees, leaves the floating-point
// state as it was, and refuses a second thread that calls at the same time.
#include <atomic>
#include <cfenv>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include "allocation_counter.hpp"
#include "base/float_mode.hpp"
#include "check.hpp"
#include "codecs.hpp"
#include "graph/decoder.hpp"
#include "graph/encoder.hpp"

namespace hopcodec::test {
namespace {

using graph::DecodeItem;
using graph::EncodeItem;
using graph::Status;

// Keeps the compiler from removing an unused allocation.
void* look(void* p) {
  asm volatile("" : "+r"(p) : : "memory");
  return p;
}

template <class F>
void expect_counted(const char* what, F allocate_and_free) {
  long allocations;
  long frees;
  {
    const AllocationCounter counter;
    allocate_and_free();
    allocations = counter.allocations();
    frees = counter.frees();
  }
  CHECK(allocations > 0, std::string(what));
  CHECK(frees > 0, std::string(what));
}

// Tests the counter: it detects every function of the allocator.
void check_the_counter_counts() {
  struct alignas(128) Aligned {
    char bytes[128];
  };
  expect_counted("new", [] { delete static_cast<int*>(look(new int)); });
  expect_counted("new[]", [] { delete[] static_cast<int*>(look(new int[9])); });
  expect_counted("aligned new", [] { delete static_cast<Aligned*>(look(new Aligned)); });
  expect_counted("nothrow new", [] { delete static_cast<int*>(look(new (std::nothrow) int)); });
  expect_counted("malloc", [] { std::free(look(std::malloc(5))); });
  expect_counted("calloc", [] { std::free(look(std::calloc(5, 5))); });
  expect_counted("realloc", [] { std::free(look(std::realloc(look(std::malloc(5)), 50000))); });
  expect_counted("vector", [] { look(std::vector<int>(100).data()); });
  expect_counted("another thread",
                 [] { std::thread([] { std::free(look(std::malloc(5))); }).join(); });
  if constexpr (kSeesAlignedAlloc) {
    expect_counted("aligned_alloc", [] { std::free(look(std::aligned_alloc(64, 128))); });
    expect_counted("posix_memalign", [] {
      void* p = nullptr;
      CHECK(posix_memalign(&p, 64, 100) == 0);
      std::free(look(p));
    });
  }
  const AllocationCounter counter;
  CHECK(counter.allocations() == 0);
  CHECK(counter.frees() == 0);
}

graph::SessionOptions session_options(int threads, bool zero_start) {
  graph::SessionOptions options;
  options.streams = 18;  // two tiles
  options.max_frames = 2;
  options.threads = threads;
  options.zero_start = zero_start;
  return options;
}

// Everything that a live stream calls, twice with a reset in between.
void check_encoder_does_not_allocate(const CodecSpec& codec, int threads, bool zero_start) {
  const graph::SessionOptions options = session_options(threads, zero_start);
  graph::Encoder encoder(weights_of(codec.encoder), codec.quantizer, codec.channels, codec.hop,
                         options);
  Random random(1);
  const int samples = 5 * codec.hop + 3;
  const std::vector<float> audio =
      random.uniform(static_cast<std::size_t>(codec.channels * samples), 0.9F);
  const int capacity = 64;
  std::vector<std::uint16_t> codes(static_cast<std::size_t>(capacity * codec.n_q));
  std::vector<float> latents(static_cast<std::size_t>(capacity * codec.latent));
  std::vector<EncodeItem> items;
  for (int s = 0; s < options.streams; ++s) {
    items.push_back({s, audio.data(), samples, 0, codes.data(), capacity, 1, latents.data(), 0});
  }
  std::vector<std::byte> blob(encoder.snapshot_bytes());
  bool ok = true;
  std::int64_t frames = 0;
  long events;
  {
    const AllocationCounter counter;
    for (int round = 0; round < 2; ++round) {
      for (const int piece : {0, 1, codec.hop - 1, codec.hop, samples, samples, samples}) {
        for (EncodeItem& item : items) {
          item.samples = piece;
          item.frames = 0;
        }
        ok = ok && encoder.push(items.data(), options.streams, codec.n_q).status == Status::kOk;
        frames += items[0].frames;
      }
      ok = ok && encoder.snapshot(0, blob.data()) == Status::kOk;
      for (EncodeItem& item : items) item.frames = 0;
      ok = ok && encoder.flush(items.data(), options.streams, codec.n_q).status == Status::kOk;
      frames += items[0].frames;
      for (int s = 0; s < options.streams; ++s) encoder.reset(s);
    }
    events = counter.allocations() + counter.frees();
  }
  CHECK(ok, codec.name);
  CHECK(frames > 2 * 15, codec.name, frames);
  CHECK(events == 0, codec.name, threads, events);
}

void check_decoder_does_not_allocate(const CodecSpec& codec, int threads, bool zero_start) {
  const graph::SessionOptions options = session_options(threads, zero_start);
  graph::Decoder decoder(weights_of(codec.decoder), codec.quantizer, codec.channels, codec.hop,
                         options);
  const int frames = 7;
  const std::vector<std::uint16_t> codes(static_cast<std::size_t>(frames * codec.n_q), 3);
  const std::int64_t capacity = 32 * codec.hop;
  std::vector<float> audio(static_cast<std::size_t>(codec.channels * capacity));
  std::vector<DecodeItem> items;
  for (int s = 0; s < options.streams; ++s) {
    items.push_back({s, codes.data(), frames, 1, codec.n_q, 0, audio.data(), capacity, 0});
  }
  bool ok = true;
  std::int64_t samples = 0;
  long events;
  {
    const AllocationCounter counter;
    for (int round = 0; round < 2; ++round) {
      for (const int piece : {0, 1, 2, 1, frames, frames}) {
        for (DecodeItem& item : items) {
          item.frames = piece;
          item.samples = 0;
        }
        ok = ok && decoder.push(items.data(), options.streams).status == Status::kOk;
        samples += items[0].samples;
      }
      for (DecodeItem& item : items) item.samples = 0;
      ok = ok && decoder.flush(items.data(), options.streams).status == Status::kOk;
      samples += items[0].samples;
      for (int s = 0; s < options.streams; ++s) decoder.reset(s);
    }
    events = counter.allocations() + counter.frees();
  }
  CHECK(ok, codec.name);
  CHECK(samples > 2 * 16 * codec.hop, codec.name, samples);
  CHECK(events == 0, codec.name, threads, events);
}

// --- the floating-point state --------------------------------------------------------------------

std::uint64_t float_state() {
#if defined(__x86_64__)
  return _mm_getcsr();
#elif defined(__aarch64__)
  std::uint64_t state;
  asm volatile("mrs %0, fpcr" : "=r"(state));
  return state;
#else
#error "expected x86-64 or AArch64: how is denormal flushing read here?"
#endif
}

float halve_the_smallest_normal() {
  volatile float x = 0x1p-126F;
  x = x * 0.5F;
  return x;
}

void check_float_state(const CodecSpec& codec) {
  graph::Encoder encoder(weights_of(codec.encoder), codec.quantizer, codec.channels, codec.hop, {});
  graph::Decoder decoder(weights_of(codec.decoder), codec.quantizer, codec.channels, codec.hop, {});
  const int samples = 12 * codec.hop;
  std::vector<float> audio(static_cast<std::size_t>(codec.channels * samples), 0.25F);
  std::vector<std::uint16_t> codes(static_cast<std::size_t>(16 * codec.n_q));
  EncodeItem encode{0, audio.data(), samples, samples, codes.data(), 16, 1, nullptr, 0};

  const auto run = [&] {
    const std::uint64_t before = float_state();
    encode.frames = 0;
    CHECK(encoder.push(&encode, 1, codec.n_q).status == Status::kOk);
    CHECK(float_state() == before);
    CHECK(encoder.flush(&encode, 1, codec.n_q).status == Status::kOk);
    CHECK(float_state() == before);
    CHECK(encoder.push(&encode, 1, codec.n_q).status == Status::kFinished);
    CHECK(float_state() == before);
    DecodeItem decode{0, codes.data(), 16, 1, codec.n_q, 12, audio.data(), samples, 0};
    CHECK(decoder.push(&decode, 1).status == Status::kOk);
    CHECK(float_state() == before);
    CHECK(decoder.flush(&decode, 1).status == Status::kOk);
    CHECK(float_state() == before);
    encoder.reset(0);
    decoder.reset(0);
  };
  run();
  CHECK(halve_the_smallest_normal() > 0.0F);
  {
    const base::FlushDenormals flush;  // a host that already flushes denormals keeps doing so
    CHECK(halve_the_smallest_normal() == 0.0F);
    run();
    CHECK(halve_the_smallest_normal() == 0.0F);
  }
  CHECK(halve_the_smallest_normal() > 0.0F);
}

std::vector<float> encode_rounding(const CodecSpec& codec,
                                   const std::vector<layers::LayerWeights>& weights,
                                   const std::vector<float>& audio, int mode) {
  const int before = std::fegetround();
  std::fesetround(mode);  // helper threads inherit it
  graph::SessionOptions options;
  options.threads = 3;
  options.max_frames = 16;
  graph::Encoder encoder(weights, codec.quantizer, codec.channels, codec.hop, options);
  const int samples = 100 * codec.hop;
  std::vector<std::uint16_t> codes(static_cast<std::size_t>(100 * codec.n_q));
  std::vector<float> latents(static_cast<std::size_t>(100 * codec.latent));
  EncodeItem item{0, audio.data(), samples, samples, codes.data(), 100, 1, latents.data(), 0};
  CHECK(encoder.push(&item, 1, codec.n_q).status == Status::kOk);
  CHECK(encoder.flush(&item, 1, codec.n_q).status == Status::kOk);
  CHECK(item.frames == 100, item.frames);
  CHECK(std::fegetround() == mode);
  std::fesetround(before);
  return latents;
}

// The host's rounding mode does not affect the bits on any thread.
void check_rounding_modes(const CodecSpec& codec) {
  const std::vector<layers::LayerWeights> weights = weights_of(codec.encoder);
  Random random(1);
  const std::vector<float> audio =
      random.uniform(static_cast<std::size_t>(100 * codec.hop * codec.channels), 0.9F);
  const std::vector<float> expected = encode_rounding(codec, weights, audio, FE_TONEAREST);
  for (const int mode : {FE_UPWARD, FE_TOWARDZERO}) {
    CHECK(encode_rounding(codec, weights, audio, mode) == expected, codec.name, mode);
  }
}

// Denormals are treated as zeros, so a decaying tail costs as much as silence.
void check_denormals_are_flushed() {
  CodecSpec codec{Family::kCausal, "identity", 1, 1, 1, {}, {}, 1, 2, {}, {}};
  codec.encoder.push_back({ConvSpec{{1, 1, 1}, {1.0F}, {0.0F}}});
  Random random(1);
  add_books(random, codec);
  graph::Encoder encoder(weights_of(codec.encoder), codec.quantizer, 1, 1, {});
  const std::vector<float> audio = {1e-40F, -1e-40F, 0x1p-126F};
  std::vector<float> latents(3);
  std::vector<std::uint16_t> codes(3);
  EncodeItem item{0, audio.data(), 3, 3, codes.data(), 3, 1, latents.data(), 0};
  CHECK(encoder.push(&item, 1, 1).status == Status::kOk);
  CHECK(item.frames == 3);
  CHECK(latents[0] == 0.0F);
  CHECK(latents[1] == 0.0F);
  CHECK(latents[2] == 0x1p-126F);
}

// --- two threads, one session --------------------------------------------------------------------

class HeldEncoder : public graph::Encoder {
 public:
  using Encoder::Encoder;
  void hold(bool on) { busy_ = on; }
};

void check_a_busy_session_says_so(const CodecSpec& codec) {
  HeldEncoder encoder(weights_of(codec.encoder), codec.quantizer, codec.channels, codec.hop, {});
  const int samples = 20 * codec.hop;
  const std::vector<float> audio(static_cast<std::size_t>(codec.channels * samples), 0.25F);
  std::vector<std::uint16_t> codes(static_cast<std::size_t>(20 * codec.n_q));
  EncodeItem item{0, audio.data(), samples, samples, codes.data(), 20, 1, nullptr, 0};
  std::vector<std::byte> before(encoder.snapshot_bytes());
  std::vector<std::byte> after(encoder.snapshot_bytes());
  CHECK(encoder.snapshot(0, before.data()) == Status::kOk);
  encoder.hold(true);
  CHECK(encoder.push(&item, 1, codec.n_q).status == Status::kBusy);
  CHECK(encoder.flush(&item, 1, codec.n_q).status == Status::kBusy);
  CHECK(encoder.reset(0) == Status::kBusy);
  CHECK(encoder.snapshot(0, after.data()) == Status::kBusy);
  CHECK(encoder.restore(0, before.data(), before.size()) == Status::kBusy);
  encoder.hold(false);
  CHECK(encoder.snapshot(0, after.data()) == Status::kOk);
  CHECK(before == after);
  CHECK(item.frames == 0, item.frames);
  CHECK(encoder.push(&item, 1, codec.n_q).status == Status::kOk);
  CHECK(item.frames > 0);
}

// A push that could give more than fits is refused completely, even if by one frame.
void check_room(const CodecSpec& codec) {
  graph::Encoder encoder(weights_of(codec.encoder), codec.quantizer, codec.channels, codec.hop, {});
  graph::Decoder decoder(weights_of(codec.decoder), codec.quantizer, codec.channels, codec.hop, {});
  const int samples = 20 * codec.hop;
  std::vector<float> audio(static_cast<std::size_t>(codec.channels * samples), 0.25F);
  std::vector<std::uint16_t> codes(static_cast<std::size_t>(20 * codec.n_q));
  EncodeItem encode{0, audio.data(), samples, samples, codes.data(), 20, 1, nullptr, 0};
  encode.capacity = encoder.most_frames(0, samples, false) - 1;
  CHECK(encoder.push(&encode, 1, codec.n_q).status == Status::kNoRoom);
  CHECK(encode.frames == 0, encode.frames);
  ++encode.capacity;
  CHECK(encoder.push(&encode, 1, codec.n_q).status == Status::kOk);
  CHECK(encode.frames > 0 && encode.frames <= encode.capacity, encode.frames, encode.capacity);

  DecodeItem decode{0, codes.data(), 20, 1, codec.n_q, 20, audio.data(), samples, 0};
  decode.capacity = decoder.most_samples(0, 20) - 1;
  CHECK(decoder.push(&decode, 1).status == Status::kNoRoom);
  CHECK(decode.samples == 0, decode.samples);
  ++decode.capacity;
  CHECK(decoder.push(&decode, 1).status == Status::kOk);
  CHECK(decode.samples > 0 && decode.samples <= decode.capacity, decode.samples, decode.capacity);
}

// Four threads push the same chunk to one stream. The accepted pushes happened one after the other:
// the stream ends in the state of that many pushes by one thread.
void check_racing_pushes(const CodecSpec& codec, int threads) {
  constexpr int kPushes = 300;
  constexpr int kCallers = 4;
  graph::SessionOptions options;
  options.threads = threads;
  const auto session = [&] {
    return graph::Encoder(weights_of(codec.encoder), codec.quantizer, codec.channels, codec.hop,
                          options);
  };
  graph::Encoder raced = session();
  graph::Encoder calm = session();
  const int samples = codec.hop + 1;
  const std::vector<float> audio(static_cast<std::size_t>(codec.channels * samples), 0.25F);
  std::atomic<int> accepted{0};
  std::atomic<int> refused{0};
  const auto push = [&](graph::Encoder& encoder) {
    std::vector<std::uint16_t> codes(static_cast<std::size_t>(64 * codec.n_q));
    EncodeItem item{0, audio.data(), samples, samples, codes.data(), 64, 1, nullptr, 0};
    return encoder.push(&item, 1, codec.n_q).status;
  };
  std::vector<std::thread> callers;
  for (int t = 0; t < kCallers; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < kPushes; ++i) {
        const Status status = push(raced);
        if (status == Status::kOk) ++accepted;
        if (status == Status::kBusy) ++refused;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(accepted > 0);
  CHECK(accepted + refused == kCallers * kPushes, accepted.load(), refused.load());
  int repeated = 0;
  while (repeated < accepted && push(calm) == Status::kOk) ++repeated;
  CHECK(repeated == accepted, repeated, accepted.load());
  std::vector<std::byte> a(raced.snapshot_bytes());
  std::vector<std::byte> b(calm.snapshot_bytes());
  CHECK(raced.snapshot(0, a.data()) == Status::kOk);
  CHECK(calm.snapshot(0, b.data()) == Status::kOk);
  CHECK(a == b, codec.name, accepted.load());
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  check_the_counter_counts();
  for (const Family family : kFamilies) {
    // Wide enough that the pool splits work.
    const CodecSpec codec = CodecMaker(family, 5).make({2, 5}, 16, 2);
    for (const int threads : {1, 3}) {
      for (const bool zero_start : {false, true}) {
        // Helper threads may start, and allocate, at any time.
        if (kSanitized && threads > 1) continue;
        check_encoder_does_not_allocate(codec, threads, zero_start);
        check_decoder_does_not_allocate(codec, threads, zero_start);
      }
      check_racing_pushes(codec, threads);
    }
    check_float_state(codec);
    check_rounding_modes(codec);
    check_a_busy_session_says_so(codec);
    check_room(codec);
  }
  check_denormals_are_flushed();
  return finish();
}
