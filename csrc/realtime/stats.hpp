// What the worker counts. One writer, readable at any time from anywhere, without locks.
#pragma once

#include <atomic>
#include <cstdint>

#include "realtime/histogram.hpp"
#include "realtime/port.hpp"

namespace hopcodec::realtime {

struct EngineStats {
  Counter hops{0};
  Counter late_hops{0};     // some of it was due before it was ready
  Counter dropped_hops{0};  // not coded, to catch up
  Counter refused_hops{0};  // by the sessions: played as silence
  Counter bad_samples{0};
  Counter clipped_samples{0};
  Counter starts{0};
  Counter switches{0};
  Counter resyncs{0};
  Histogram compute;                    // encoding and decoding a hop, resampling included
  Histogram wake;                       // from the callback that completed a hop to its start
  Histogram slack;                      // from a hop being ready to its being due; 0 when late
  std::atomic<float> input_peak{0.0F};  // since somebody looked
  std::atomic<float> output_peak{0.0F};
  std::atomic<float> input_rms{0.0F};
  std::atomic<float> output_rms{0.0F};
  std::atomic<double> drift{0.0};  // output clock over input clock, less 1

  void reset() noexcept {
    for (Counter* counter : {&hops, &late_hops, &dropped_hops, &refused_hops, &bad_samples,
                             &clipped_samples, &starts, &switches, &resyncs}) {
      counter->store(0, std::memory_order_relaxed);
    }
    for (Histogram* histogram : {&compute, &wake, &slack}) histogram->reset();
  }
};

// One writer raises, any reader takes and clears.
inline void raise(std::atomic<float>& peak, float value) noexcept {
  float seen = peak.load(std::memory_order_relaxed);
  while (value > seen && !peak.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace hopcodec::realtime
