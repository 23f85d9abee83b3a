// A lock-free histogram of durations with fixed bins on a logarithmic scale.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>

#include "base/realtime.hpp"

namespace hopcodec::realtime {

// Has one writer and any number of readers. Times are nanoseconds. A bin is a sixteenth of an
// octave wide, so a quantile has an error of about 2 %. The maximum and the mean are exact.
class Histogram {
 public:
  HOPCODEC_REALTIME void add(std::int64_t ns) noexcept {
    const std::uint64_t value = ns > 0 ? static_cast<std::uint64_t>(ns) : 0;
    bins_[bin_of(value)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
    if (value > max_.load(std::memory_order_relaxed)) max_.store(value, std::memory_order_relaxed);
    count_.fetch_add(1, std::memory_order_release);
  }

  std::uint64_t count() const noexcept { return count_.load(std::memory_order_acquire); }
  double mean_ns() const noexcept {
    const std::uint64_t n = count();
    return n == 0
               ? 0.0
               : static_cast<double>(sum_.load(std::memory_order_relaxed)) / static_cast<double>(n);
  }
  double max_ns() const noexcept {
    return static_cast<double>(max_.load(std::memory_order_relaxed));
  }

  // The quantile `q` (0 to 1) of the values; 0 if there are none.
  double quantile_ns(double q) const noexcept {
    std::uint64_t total = 0;
    for (const auto& bin : bins_) total += bin.load(std::memory_order_relaxed);
    if (total == 0) return 0.0;
    const double want = q * static_cast<double>(total);
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < kBins; ++i) {
      below += bins_[i].load(std::memory_order_relaxed);
      if (static_cast<double>(below) >= want && below > 0) return std::min(middle(i), max_ns());
    }
    return max_ns();
  }

  void reset() noexcept {
    for (auto& bin : bins_) bin.store(0, std::memory_order_relaxed);
    sum_.store(0, std::memory_order_relaxed);
    max_.store(0, std::memory_order_relaxed);
    count_.store(0, std::memory_order_release);
  }

 private:
  static constexpr int kPerOctave = 16;
  static constexpr int kOctaves = 26;      // 1 us to about a minute
  static constexpr int kFirstOctave = 10;  // all values below 1.024 us are in the first bin
  static constexpr std::size_t kBins = std::size_t{kPerOctave} * kOctaves + 1;

  // The four bits below the leading one select the bin within the octave, so no logarithm is
  // needed.
  static std::size_t bin_of(std::uint64_t value) noexcept {
    const int octave = static_cast<int>(std::bit_width(value)) - 1;
    if (octave < kFirstOctave) return 0;
    const auto fine = static_cast<std::size_t>((value >> (octave - 4)) & 15U);
    const std::size_t bin = 1 + static_cast<std::size_t>(octave - kFirstOctave) * kPerOctave + fine;
    return bin < kBins ? bin : kBins - 1;
  }
  static double middle(std::size_t bin) noexcept {
    if (bin == 0) return 512.0;
    const auto octave = static_cast<int>((bin - 1) / kPerOctave) + kFirstOctave;
    const auto fine = static_cast<double>((bin - 1) % kPerOctave);
    return std::ldexp(1.0 + (fine + 0.5) / kPerOctave, octave);
  }

  std::array<std::atomic<std::uint64_t>, kBins> bins_{};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> sum_{0};
  std::atomic<std::uint64_t> max_{0};
};

}  // namespace hopcodec::realtime
