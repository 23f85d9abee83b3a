// The block of memory that the engine's process and the device's process share: two rings of audio,
// the clocks of both directions, counters, and the flags by which the two processes agree to start
// and stop. It is an inherited descriptor without a name in the file system, so a crash leaves
// nothing behind.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "realtime/concealment.hpp"
#include "realtime/ring.hpp"
#include "realtime/wake.hpp"

namespace hopcodec::realtime {

inline constexpr std::uint32_t kMostDeviceChannels = 64;

constexpr std::array<std::int8_t, kMostDeviceChannels> channels_in_order() {
  std::array<std::int8_t, kMostDeviceChannels> order{};
  for (std::size_t c = 0; c < order.size(); ++c) order[c] = static_cast<std::int8_t>(c);
  return order;
}

// Properties of the opened device. A period is the largest expected number of frames per callback.
struct Link {
  std::uint32_t input_rate_hz = 0;
  std::uint32_t output_rate_hz = 0;
  std::uint32_t input_channels = 0;
  std::uint32_t output_channels = 0;
  // The device channel of the codec's first channel. The codec's others follow it.
  std::uint32_t first_input_channel = 0;
  // The codec channel that each device channel plays, at most the codec's last; -1 is silence.
  std::array<std::int8_t, kMostDeviceChannels> output_sources = channels_in_order();
  std::uint32_t input_period = 0;
  std::uint32_t output_period = 0;
  std::uint32_t one_clock = 0;   // 1 if both directions run from the same hardware clock
  double input_latency_s = 0.0;  // as reported; 0 means unknown, unless latency_exact is set
  double output_latency_s = 0.0;
  std::uint32_t latency_exact = 0;
  char name[256] = {};
};

enum class PortState : std::uint32_t { kNew, kOpen, kRunning, kFailed, kClosed };

// Position of one direction of the device: the number of frames, and when it was counted. It is a
// sequence lock with one writer; a reader that meets an update in progress retries.
class SideClock {
 public:
  struct Reading {
    std::uint64_t frames = 0;
    std::int64_t at_ns = 0;
    bool whole = false;  // both values are from the same update
  };

  HOPCODEC_REALTIME void set(std::uint64_t frames, std::int64_t at_ns) noexcept {
    // Round to even: an earlier writer may have been killed during an update.
    const std::uint32_t v = (version_.load(std::memory_order_relaxed) + 1) & ~1U;
    version_.store(v + 1, std::memory_order_seq_cst);
    frames_.store(frames, std::memory_order_seq_cst);
    at_ns_.store(at_ns, std::memory_order_seq_cst);
    version_.store(v + 2, std::memory_order_seq_cst);
  }
  // Updates only the time, for use while no frames are counted. A concurrent clear of the frames
  // stays in effect.
  HOPCODEC_REALTIME void touch(std::int64_t at_ns) noexcept {
    at_ns_.store(at_ns, std::memory_order_release);
  }
  // The retries are bounded, because a writer that died during an update must not hang the reader.
  // A reading that is not whole is off by one period, which the engine's control loop smooths.
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

// Written only by the capture side of the callback.
struct CaptureSide {
  // Counts the frames that the device delivered since the start, including dropped ones.
  alignas(64) SideClock clock;
  Counter entered{0};
  Counter left{0};
  Counter frames{0};
  Counter dropped_frames{0};  // dropped because the ring was full
  Counter drop_events{0};
  Counter input_underflows{0};
  Counter input_overflows{0};
  Counter monitor_lost_frames{0};
  Counter largest_block{0};
};

// Written only by the playback side of the callback.
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

// Written only by the engine.
struct EngineSide {
  // A new value resets the player's concealment.
  alignas(64) std::atomic<std::uint32_t> start_number{0};
  // 1 while the rings are in use. Otherwise the callback only updates the clocks and plays silence.
  std::atomic<std::uint32_t> armed{0};
  // Overdue frames that the engine will never write because the callback has already concealed
  // them. The callback must not discard later frames to make up for them.
  std::atomic<std::int64_t> written_off{0};
  std::atomic<std::uint32_t> conceal_frames{320};  // frames that a concealment repeats
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
  RingIndices captured_ring;  // monitors: all captured audio, and all played audio
  RingIndices heard_ring;
};

class Port {
 public:
  // Creates a new block. Throws std::invalid_argument, or std::system_error if the system refuses
  // the memory.
  Port(int channels, double seconds, bool monitor);
  // Maps the block behind an inherited descriptor, which the caller keeps and closes. Throws the
  // same exceptions.
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
  // The start_number that the concealment belongs to.
  std::uint32_t& player_start() { return player_start_; }

  // Empties the rings and resets the clocks, but not the counters. Neither a callback nor an engine
  // may be running.
  void clear() noexcept;
  // Waits until no callback is running. Gives up after 100 ms, because a process killed in its
  // callback never leaves it.
  void wait_for_callbacks() const noexcept;

  // Locks the block in memory. Returns the reason if the system refuses, otherwise an empty string.
  std::string lock_memory() noexcept;

 private:
  Port(int fd, bool owned, std::size_t bytes);
  Ring ring(RingIndices& indices, std::uint64_t frames, std::size_t& at) const;

  int fd_;
  bool owned_;
  std::size_t bytes_;
  PortBlock* block_;
  int channels_;    // a copy, because the other process can overwrite the block
  std::size_t at_;  // offset of the next ring's data during construction
  Ring capture_;
  Ring playback_;
  Ring captured_;
  Ring heard_;
  Concealment concealment_;
  std::uint32_t player_start_ = 0;
};

}  // namespace hopcodec::realtime
