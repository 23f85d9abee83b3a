// A wait-free queue of audio frames between one writer and one reader, possibly in two processes.
// The shared part has no pointers. Its indices count frames since the start and never wrap.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "base/realtime.hpp"

namespace hopcodec::realtime {

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "the indices cross processes");

// In shared memory. Each index has its own cache line, so writer and reader do not contend for one.
struct RingIndices {
  alignas(64) std::atomic<std::uint64_t> written{0};
  alignas(64) std::atomic<std::uint64_t> taken{0};
};

// A process's view of the queue. A frame is `channels` floats.
class Ring {
 public:
  // `frames` is a power of two; `data` holds frames * channels floats.
  Ring(RingIndices& indices, float* data, std::uint64_t frames, int channels)
      : indices_(indices),
        data_(data),
        frames_(frames),
        channels_(static_cast<std::uint64_t>(channels)) {}

  std::uint64_t capacity() const { return frames_; }

  // Frames written and frames taken since the last reset.
  std::uint64_t written() const noexcept {
    return indices_.written.load(std::memory_order_acquire);
  }
  std::uint64_t taken() const noexcept { return indices_.taken.load(std::memory_order_acquire); }

  // For the reader: at least this many frames can be read.
  HOPCODEC_REALTIME std::uint64_t readable() const noexcept {
    return std::min(written() - indices_.taken.load(std::memory_order_relaxed), frames_);
  }
  // For the writer: at least this many frames can be written.
  HOPCODEC_REALTIME std::uint64_t writable() const noexcept {
    return frames_ - std::min(indices_.written.load(std::memory_order_relaxed) - taken(), frames_);
  }
  // For any thread: the number of queued frames at some recent moment.
  std::uint64_t fill() const noexcept {
    const std::uint64_t taken_first = taken();
    return std::min(written() - taken_first, frames_);
  }

  // For the writer. Writes as many frames as fit; null writes silence. Returns the number of frames
  // written.
  HOPCODEC_REALTIME std::uint64_t write(const float* from, std::uint64_t frames) noexcept {
    const std::uint64_t n = std::min(frames, writable());
    const std::uint64_t at = indices_.written.load(std::memory_order_relaxed);
    const std::uint64_t first = std::min(n, frames_ - (at & (frames_ - 1)));
    put(at, from, first);
    put(at + first, from == nullptr ? nullptr : from + first * channels_, n - first);
    indices_.written.store(at + n, std::memory_order_release);
    return n;
  }

  // For the reader. Takes up to `frames` frames; null discards them. Returns the number of frames
  // taken.
  HOPCODEC_REALTIME std::uint64_t read(float* to, std::uint64_t frames) noexcept {
    const std::uint64_t n = std::min(frames, readable());
    const std::uint64_t at = indices_.taken.load(std::memory_order_relaxed);
    if (to != nullptr) {
      const std::uint64_t first = std::min(n, frames_ - (at & (frames_ - 1)));
      get(at, to, first);
      get(at + first, to + first * channels_, n - first);
    }
    indices_.taken.store(at + n, std::memory_order_release);
    return n;
  }

  // Neither side may be active.
  void reset() noexcept {
    indices_.written.store(0, std::memory_order_relaxed);
    indices_.taken.store(0, std::memory_order_release);
  }

 private:
  float* slot(std::uint64_t at) const noexcept { return data_ + (at & (frames_ - 1)) * channels_; }
  void put(std::uint64_t at, const float* from, std::uint64_t n) noexcept {
    if (n == 0) return;
    const std::size_t bytes = static_cast<std::size_t>(n * channels_) * sizeof(float);
    if (from == nullptr) {
      std::memset(slot(at), 0, bytes);
    } else {
      std::memcpy(slot(at), from, bytes);
    }
  }
  void get(std::uint64_t at, float* to, std::uint64_t n) const noexcept {
    if (n == 0) return;
    std::memcpy(to, slot(at), static_cast<std::size_t>(n * channels_) * sizeof(float));
  }

  RingIndices& indices_;
  float* data_;
  std::uint64_t frames_;
  std::uint64_t channels_;
};

}  // namespace hopcodec::realtime
