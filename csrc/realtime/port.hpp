// The block of memory that the engine's process and the device's process share: two rings of audio,
// the clocks of both directions, counters, and the few words by which the two agree to start and
// stop. It has no name in the file system (a descriptor is inherited), so a crash leaves nothing.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "realtime/concealment.hpp"
#include "realtime/ring.hpp"
#include "realtime/wake.hpp"

namespace hopcodec::realtime {

// What the device turned out to be. Periods are the frames of a callback, the largest expected.
struct Link {
  std::uint32_t input_rate_hz = 0;
  std::uint32_t output_rate_hz = 0;
  std::uint32_t input_channels = 0;
  std::uint32_t output_channels = 0;
  std::uint32_t input_period = 0;
  std::uint32_t output_period = 0;
  std::uint32_t one_clock = 0;   // both directions count the same crystal's ticks
  double input_latency_s = 0.0;  // as reported; 0: not to be trusted, unless exact
  double output_latency_s = 0.0;
  std::uint32_t latency_exact = 0;
  char name[256] = {};
};

enum class PortState : std::uint32_t { kNew, kOpen, kRunning, kFailed, kClosed };

// Where one direction of the device is in its own time: so many frames at that moment. One writer;
// a reader that met a change in the making tries again.
class SideClock {
 public:
  struct Reading {
    std::uint64_t frames = 0;
    std::int64_t at_ns = 0;
    bool whole = false;  // both of the same block
  };

  HOPCODEC_REALTIME void set(std::uint64_t frames, std::int64_t at_ns) noexcept {
    // Even, also after a writer that was killed in the middle.
    const std::uint32_t v = (version_.load(std::memory_order_relaxed) + 1) & ~1U;
    version_.store(v + 1, std::memory_order_seq_cst);
    frames_.store(frames, std::memory_order_seq_cst);
    at_ns_.store(at_ns, std::memory_order_seq_cst);
    version_.store(v + 2, std::memory_order_seq_cst);
  }
  // The time alone, while nothing counts: whoever clears the frames is not undone.
  HOPCODEC_REALTIME void touch(std::int64_t at_ns) noexcept {
    at_ns_.store(at_ns, std::memory_order_release);
  }
  // Bounded: a writer that died in the middle must not hang the reader. A reading that is not whole
  // is off by a period, which the engine's loops smooth away.
  HOPCODEC_REALTIME Reading get() const noexcept {
    Reading reading;
    for (int attempt = 0; attempt < 100; ++attempt) {
      const std::uint32_t before = version_.load(std::memory_order_seq_cst);
      reading.frames = frames_.load(std::memory_order_seq_cst);
      reading.at_ns = at_ns_.load(std::memory_order_seq_cst);
      reading.whole = before % 2 == 0 && version_.load(std::memory_order_seq_cst) == before;
      if (reading.whole) break;
    }
    return reading;
  }
  std::uint64_t frames() const noexcept { return frames_.load(std::memory_order_acquire); }
  std::int64_t at_ns() const noexcept { return at_ns_.load(std::memory_order_acquire); }

 private:
  std::atomic<std::uint32_t> version_{0};
  std::atomic<std::uint64_t> frames_{0};
  std::atomic<std::int64_t> at_ns_{0};
};

using Counter = std::atomic<std::uint64_t>;

// Adds to a counter that has one writer.
inline void count(Counter& counter, std::uint64_t n = 1) noexcept {
  counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

// Written by the capture half of the callback alone.
struct CaptureSide {
  alignas(64) SideClock clock;  // frames since the start that the device gave, dropped ones too
  Counter entered{0};
  Counter left{0};
  Counter frames{0};
  Counter dropped_frames{0};  // the ring was full
  Counter drop_events{0};
  Counter input_underflows{0};
  Counter input_overflows{0};
  Counter monitor_lost_frames{0};
  Counter largest_block{0};
};

// Written by the playback half alone.
struct PlaybackSide {
  alignas(64) SideClock clock;  // frames since the start that the device demanded
  Counter entered{0};
  Counter left{0};
  Counter frames{0};
  Counter concealed_frames{0};
  Counter conceal_events{0};
  Counter discarded_frames{0};
  Counter output_underflows{0};
  Counter output_overflows{0};
  Counter monitor_lost_frames{0};
  Counter largest_block{0};
};

// Written by the engine alone.
struct EngineSide {
  alignas(64) std::atomic<std::uint32_t> start_number{0};  // a new one: the player begins anew
  // Rings are in use. Without it the callback only keeps time and plays silence.
  std::atomic<std::uint32_t> armed{0};
  // Frames that were due, and made up by the callback, but will never be written, so that nothing
  // written later is thrown away for their sake.
  std::atomic<std::int64_t> forgiven{0};
  std::atomic<std::uint32_t> conceal_frames{320};  // what a concealment repeats
};

struct PortBlock {
  char magic[8];
  std::uint32_t version;
  std::uint32_t channels;
  std::uint64_t bytes;
  std::uint64_t ring_frames;
  std::uint64_t monitor_frames;

  alignas(64) std::atomic<PortState> state{PortState::kNew};
  std::atomic<std::uint32_t> going{0};
  std::atomic<std::uint32_t> stopping{0};
  std::atomic<std::int64_t> beat_ns{0};
  Link link;             // written before `state` becomes kOpen
  char error[512] = {};  // written before it becomes kFailed

  alignas(64) Wake wake;
  CaptureSide capture;
  PlaybackSide playback;
  EngineSide engine;
  RingIndices capture_ring;
  RingIndices playback_ring;
  RingIndices captured_ring;  // monitors: everything that came, everything that was heard
  RingIndices heard_ring;
};

class Port {
 public:
  // A new block. Throws std::invalid_argument, or std::system_error when memory is refused.
  Port(int channels, double seconds, bool monitor);
  // The block behind an inherited descriptor, which stays the caller's. Throws likewise.
  explicit Port(int fd);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  int fd() const { return fd_; }
  int channels() const { return channels_; }
  bool monitored() const { return captured_.capacity() > 0; }
  PortBlock& block() const { return *block_; }
  Ring& capture() { return capture_; }
  Ring& playback() { return playback_; }
  Ring& captured() { return captured_; }
  Ring& heard() { return heard_; }
  Concealment& concealment() { return concealment_; }
  std::uint32_t& player_start() { return player_start_; }  // the start the concealment belongs to

  // Empties rings and clocks; the counters stay. Only while no callback and no engine are at work.
  void clear() noexcept;
  // Waits until no callback is inside, or gives up: one that was killed there never leaves.
  void wait_for_callbacks() const noexcept;

  // Keeps the block in memory; the reason if the system refuses.
  std::string lock_memory() noexcept;

 private:
  Port(int fd, bool owned, std::size_t bytes);
  Ring ring(RingIndices& indices, std::uint64_t frames, std::size_t& at) const;

  int fd_;
  bool owned_;
  std::size_t bytes_;
  PortBlock* block_;
  int channels_;    // a copy: the other process can write the block
  std::size_t at_;  // where the next ring's data begins
  Ring capture_;
  Ring playback_;
  Ring captured_;
  Ring heard_;
  Concealment concealment_;
  std::uint32_t player_start_ = 0;
};

}  // namespace hopcodec::realtime
