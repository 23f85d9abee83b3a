#include "realtime/port.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "base/memory.hpp"

namespace hopcodec::realtime {
namespace {

constexpr char kMagic[8] = {'H', 'O', 'P', 'P', 'O', 'R', 'T', '\0'};
constexpr std::uint32_t kVersion = 1;
constexpr double kHighestRate = 96000.0;
constexpr int kMostChannels = 64;
constexpr std::size_t kLine = 64;

[[noreturn]] void refuse(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::uint64_t frames_of(double seconds) {
  if (!(seconds >= 0.05 && seconds <= 60.0)) {
    throw std::invalid_argument("port: expected 0.05 to 60 seconds of ring, got " +
                                std::to_string(seconds));
  }
  return std::bit_ceil(static_cast<std::uint64_t>(seconds * kHighestRate));
}

std::size_t ring_bytes(std::uint64_t frames, int channels) {
  return base::round_up(
      static_cast<std::size_t>(frames) * static_cast<std::size_t>(channels) * sizeof(float), kLine);
}

std::size_t total_bytes(std::uint64_t ring_frames, std::uint64_t monitor_frames, int channels) {
  return base::round_up(sizeof(PortBlock), kLine) +
         2 * (ring_bytes(ring_frames, channels) + ring_bytes(monitor_frames, channels));
}

// Moves a descriptor above those of the standard streams, which may be closed here. A child process
// gets its own standard streams under these numbers. Returns -1 like fcntl().
int above_standard_streams(int fd) {
  if (fd < 0 || fd > STDERR_FILENO) return fd;
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int reason = errno;
  close(fd);
  errno = reason;
  return moved;
}

// Creates a file without a name; only the descriptor refers to it.
int anonymous_file(std::size_t bytes) {
#if defined(__linux__)
  const int fd =
      above_standard_streams(memfd_create("hopcodec-port", MFD_CLOEXEC | MFD_ALLOW_SEALING));
#else
  char path[] = "/tmp/hopcodec-port-XXXXXX";
  const int made = mkstemp(path);
  if (made >= 0) unlink(path);
  const int fd = above_standard_streams(made);
#endif
  if (fd < 0) refuse("port: cannot allocate shared memory");
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    const int reason = errno;
    close(fd);
    errno = reason;
    refuse("port: cannot allocate shared memory");
  }
#if defined(__linux__)
  // Seal the size, so that a process that gets the descriptor cannot shrink the memory.
  fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
#endif
  return fd;
}

int checked_channels(int channels) {
  if (channels >= 1 && channels <= kMostChannels) return channels;
  throw std::invalid_argument("port: expected 1 to " + std::to_string(kMostChannels) +
                              " channels, got " + std::to_string(channels));
}

int created(int channels, double seconds, bool monitor) {
  const std::uint64_t frames = frames_of(seconds);
  const std::uint64_t monitor_frames = monitor ? frames : 0;
  checked_channels(channels);
  const std::size_t bytes = total_bytes(frames, monitor_frames, channels);
  const int fd = anonymous_file(bytes);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    close(fd);
    refuse("port: cannot allocate shared memory");
  }
  std::memset(memory, 0, bytes);  // touches every page
  auto* block = new (memory) PortBlock{};
  std::memcpy(block->magic, kMagic, sizeof kMagic);
  block->version = kVersion;
  block->channels = static_cast<std::uint32_t>(channels);
  block->bytes = bytes;
  block->ring_frames = frames;
  block->monitor_frames = monitor_frames;
  munmap(memory, bytes);
  return fd;
}

std::size_t size_of(int fd) {
  struct stat about{};
  if (fstat(fd, &about) != 0) refuse("port: cannot read the descriptor's size");
  if (static_cast<std::size_t>(about.st_size) < sizeof(PortBlock)) {
    throw std::invalid_argument("port: expected a descriptor of at least " +
                                std::to_string(sizeof(PortBlock)) + " bytes, got " +
                                std::to_string(about.st_size));
  }
  return static_cast<std::size_t>(about.st_size);
}

PortBlock* map(int fd, std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) refuse("port: cannot allocate shared memory");
  auto* block = static_cast<PortBlock*>(memory);
  const bool ours = std::memcmp(block->magic, kMagic, sizeof kMagic) == 0 &&
                    block->version == kVersion && block->bytes == bytes && block->channels >= 1 &&
                    block->channels <= kMostChannels && std::has_single_bit(block->ring_frames) &&
                    total_bytes(block->ring_frames, block->monitor_frames,
                                static_cast<int>(block->channels)) == bytes;
  if (!ours) {
    munmap(memory, bytes);
    throw std::invalid_argument("port: expected a port of version " + std::to_string(kVersion) +
                                ", got other bytes");
  }
  // Touch every page, so that no callback causes a page fault.
  volatile const char* touch = static_cast<const char*>(memory);
  for (std::size_t at = 0; at < bytes; at += 4096) static_cast<void>(touch[at]);
  return block;
}

}  // namespace

Port::Port(int fd, bool owned, std::size_t bytes)
    : fd_(fd),
      owned_(owned),
      bytes_(bytes),
      block_(map(fd, bytes)),
      channels_(static_cast<int>(block_->channels)),
      at_(base::round_up(sizeof(PortBlock), kLine)),
      capture_(ring(block_->capture_ring, block_->ring_frames, at_)),
      playback_(ring(block_->playback_ring, block_->ring_frames, at_)),
      captured_(ring(block_->captured_ring, block_->monitor_frames, at_)),
      heard_(ring(block_->heard_ring, block_->monitor_frames, at_)),
      concealment_(channels_) {}

Port::Port(int channels, double seconds, bool monitor)
    : Port(created(channels, seconds, monitor), true,
           total_bytes(frames_of(seconds), monitor ? frames_of(seconds) : 0, channels)) {}

Port::Port(int fd) : Port(fd, false, size_of(fd)) {}

Port::~Port() {
  munmap(block_, bytes_);
  if (owned_) close(fd_);
}

Ring Port::ring(RingIndices& indices, std::uint64_t frames, std::size_t& at) const {
  auto* data = reinterpret_cast<float*>(reinterpret_cast<std::byte*>(block_) + at);
  at += ring_bytes(frames, channels());
  return Ring(indices, data, frames, channels());
}

void Port::clear() noexcept {
  capture_.reset();
  playback_.reset();
  captured_.reset();
  heard_.reset();
  block_->capture.clock.set(0, block_->capture.clock.at_ns());
  block_->playback.clock.set(0, block_->playback.clock.at_ns());
  block_->engine.written_off.store(0, std::memory_order_relaxed);
}

void Port::wait_for_callbacks() const noexcept {
  const auto inside = [this] {
    return block_->capture.entered.load() != block_->capture.left.load() ||
           block_->playback.entered.load() != block_->playback.left.load();
  };
  for (int i = 0; i < 100 && inside(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::string Port::lock_memory() noexcept {
  return mlock(block_, bytes_) == 0 ? "" : std::strerror(errno);
}

}  // namespace hopcodec::realtime
