#include "layers/pool.hpp"

#include <chrono>
#include <stdexcept>
#include <string>

#include "base/float_mode.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hopcodec::layers {
namespace {

constexpr std::uint64_t kLow = 0xffffffffULL;
constexpr int kMaxThreads = 256;
// Helpers spin for about a hop before they sleep, so they react at once during a live stream, and
// an idle session costs little. They poll, so that waking them needs no system call.
constexpr auto kSpinFor = std::chrono::milliseconds(20);
constexpr auto kNap = std::chrono::microseconds(200);

inline void relax() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

Pool::Pool(int threads) {
  if (threads < 1 || threads > kMaxThreads) {
    throw std::invalid_argument("threads: expected 1 to 256, got " + std::to_string(threads));
  }
  helpers_.reserve(static_cast<std::size_t>(threads - 1));
  try {
    for (int i = 1; i < threads; ++i) helpers_.emplace_back([this] { help(); });
  } catch (...) {  // a thread could not start: join the others before their handles are destroyed
    stop();
    throw;
  }
}

Pool::~Pool() { stop(); }

void Pool::stop() noexcept {
  stop_.store(true, std::memory_order_relaxed);
  for (std::thread& helper : helpers_) helper.join();
  helpers_.clear();
}

bool Pool::take_one() noexcept {
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while ((ticket & kLow) != 0) {
    if (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      continue;
    }
    // The job cannot end before the task just taken is finished, so task_ cannot change here.
    task_(context_, static_cast<int>((ticket & kLow) - 1));
    unfinished_.fetch_sub(1, std::memory_order_release);
    return true;
  }
  return false;
}

void Pool::run(Task task, void* context, int tasks) noexcept {
  if (helpers_.empty() || tasks <= 1) {
    for (int i = 0; i < tasks; ++i) task(context, i);
    return;
  }
  task_ = task;
  context_ = context;
  unfinished_.store(tasks, std::memory_order_relaxed);
  const std::uint64_t job = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
  ticket_.store((job << 32) | static_cast<std::uint64_t>(tasks), std::memory_order_release);
  while (take_one()) {
  }
  while (unfinished_.load(std::memory_order_acquire) != 0) relax();
}

void Pool::help() noexcept {
  const base::FlushDenormals flush;  // the floating-point mode of a push, as on the caller's thread
  using Clock = std::chrono::steady_clock;
  auto last_work = Clock::now();
  int spins = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    if (take_one()) {
      spins = 0;
      last_work = Clock::now();
      continue;
    }
    relax();
    if (++spins % 1024 != 0) continue;
    if (Clock::now() - last_work > kSpinFor) std::this_thread::sleep_for(kNap);
  }
}

}  // namespace hopcodec::layers
