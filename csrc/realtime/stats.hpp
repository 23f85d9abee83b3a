// The worker's counters. The worker writes them; any thread can read them at any time without a
// lock.
#pragma once

#include <atomic>
#include <cstdint>

#include "realtime/histogram.hpp"
#include "realtime/port.hpp"

namespace hopcodec::realtime {

struct EngineStats {
  Counter hops{0};
  Counter late_hops{0};     // at least part of the hop was due before it was ready
  Counter dropped_hops{0};  // not coded, so that the engine catches up
  Counter refused_hops{0};  // refused by a session and played as silence
  Counter bad_samples{0};
  Counter clipped_samples{0};
  Counter starts{0};
  Counter switches{0};
  Counter resyncs{0};
  Histogram compute;  // encoding and decoding a hop, resampling included
  Histogram wake;     // from the callback that completed a hop to the start of its coding
  Histogram slack;    // from when a hop is ready until it is due; 0 if late
  std::atomic<float> input_peak{0.0F};  // since the last read
  std::atomic<float> output_peak{0.0F};
  std::atomic<float> input_rms{0.0F};
  std::atomic<float> output_rms{0.0F};
  std::atomic<double> drift{0.0};  // output clock / input clock - 1

  void reset() noexcept {
    for (Counter* counter : {&hops, &late_hops, &dropped_hops, &refused_hops, &bad_samples,
                             &clipped_samples, &starts, &switches, &resyncs}) {
      counter->store(0, std::memory_order_relaxed);
    }
    for (Histogram* histogram : {&compute, &wake, &slack}) histogram->reset();
  }
};

// One writer raises the peak; any reader takes and clears it.
inline void raise(std::atomic<float>& peak, float value) noexcept {
  float seen = peak.load(std::memory_order_relaxed);
  while (value > seen && !peak.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace hopcodec::realtime
