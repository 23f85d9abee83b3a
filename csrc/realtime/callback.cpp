#include "realtime/callback.hpp"

#include <algorithm>
#include <cstring>

#include "base/float_mode.hpp"
#include "realtime/clock.hpp"

namespace hopcodec::realtime {
namespace {

constexpr std::uint64_t kChunkFloats = 4096;  // size of buffers on the stack

// Codec channel c takes device channel `first` + c, or the device's last channel.
void take_channels(const float* from, int from_channels, int first, float* to, int to_channels,
                   std::uint64_t frames) noexcept {
  for (std::uint64_t i = 0; i < frames; ++i) {
    for (int c = 0; c < to_channels; ++c) to[c] = from[std::min(first + c, from_channels - 1)];
    from += from_channels;
    to += to_channels;
  }
}

// Device channel c plays codec channel sources[c], or the codec's last channel, or silence.
void give_channels(const float* from, int from_channels, const std::int8_t* sources, float* to,
                   int to_channels, std::uint64_t frames) noexcept {
  for (std::uint64_t i = 0; i < frames; ++i) {
    for (int c = 0; c < to_channels; ++c) {
      const int source = c < static_cast<int>(kMostDeviceChannels) ? sources[c] : -1;
      to[c] = source < 0 ? 0.0F : from[std::min(source, from_channels - 1)];
    }
    from += from_channels;
    to += to_channels;
  }
}

bool armed(const Port& port) noexcept {
  // Sequentially consistent with Inside and with the engine's store: either the engine waits for
  // this callback, or this callback does not touch the rings.
  return port.block().engine.armed.load(std::memory_order_seq_cst) != 0;
}

std::uint64_t write_mapped(Port& port, Ring& ring, const float* input, std::uint64_t frames,
                           int channels) noexcept {
  const auto first = static_cast<int>(port.block().link.first_input_channel);
  if (channels == port.channels() && first == 0) return ring.write(input, frames);
  float chunk[kChunkFloats];
  const std::uint64_t room = kChunkFloats / static_cast<std::uint64_t>(port.channels());
  std::uint64_t done = 0;
  while (done < frames) {
    const std::uint64_t n = std::min(room, frames - done);
    take_channels(input + done * static_cast<std::uint64_t>(channels), channels, first, chunk,
                  port.channels(), n);
    const std::uint64_t wrote = ring.write(chunk, n);
    done += wrote;
    if (wrote < n) break;
  }
  return done;
}

// Discards audio that arrived too late to be played, so that the latency stays constant.
void catch_up(Port& port) noexcept {
  PlaybackSide& side = port.block().playback;
  Ring& ring = port.playback();
  const auto demanded = static_cast<std::int64_t>(side.clock.frames());
  const auto taken = static_cast<std::int64_t>(ring.taken());
  const std::int64_t written_off = port.block().engine.written_off.load(std::memory_order_acquire);
  const std::int64_t late = demanded - taken - written_off;
  if (late <= 0) return;
  count(side.discarded_frames, ring.read(nullptr, static_cast<std::uint64_t>(late)));
}

// Forgets the concealment of an earlier start.
void reset_on_new_start(Port& port, std::uint32_t& seen) noexcept {
  const std::uint32_t start = port.block().engine.start_number.load(std::memory_order_acquire);
  if (start == seen) return;
  seen = start;
  port.concealment().reset();
}

void fill_chunk(Port& port, float* chunk, std::uint64_t frames) noexcept {
  PlaybackSide& side = port.block().playback;
  const std::uint64_t got = port.playback().read(chunk, frames);
  Concealment& concealment = port.concealment();
  concealment.receive(chunk, got);
  if (got == frames) return;
  if (!concealment.active()) count(side.conceal_events);
  count(side.concealed_frames, frames - got);
  concealment.conceal(chunk + got * static_cast<std::uint64_t>(port.channels()), frames - got,
                      port.block().engine.conceal_frames.load(std::memory_order_relaxed));
}

void keep_largest(Counter& largest, std::uint64_t frames) noexcept {
  if (frames > largest.load(std::memory_order_relaxed)) {
    largest.store(frames, std::memory_order_relaxed);
  }
}

void count_flags(Port& port, bool input, bool output, std::uint32_t flags) noexcept {
  if (flags == 0) return;
  CaptureSide& capture = port.block().capture;
  PlaybackSide& playback = port.block().playback;
  if (input && (flags & kInputUnderflow) != 0) count(capture.input_underflows);
  if (input && (flags & kInputOverflow) != 0) count(capture.input_overflows);
  if (output && (flags & kOutputUnderflow) != 0) count(playback.output_underflows);
  if (output && (flags & kOutputOverflow) != 0) count(playback.output_overflows);
}

// Marks one direction of the callback as running, so that the engine does not clear the rings
// meanwhile.
class Inside {
 public:
  Inside(Counter& entered, Counter& left) noexcept : left_(left) {
    entered.fetch_add(1, std::memory_order_seq_cst);
  }
  ~Inside() { left_.fetch_add(1, std::memory_order_seq_cst); }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Counter& left_;
};

std::uint64_t capture_block(Port& port, bool in_use, const float* input, std::uint64_t frames,
                            int channels, std::int64_t at_ns) noexcept {
  CaptureSide& side = port.block().capture;
  std::uint64_t accepted = 0;
  if (in_use) {
    accepted = write_mapped(port, port.capture(), input, frames, channels);
    if (accepted < frames) {
      count(side.dropped_frames, frames - accepted);
      count(side.drop_events);
    }
    if (port.monitored()) {
      count(side.monitor_lost_frames,
            frames - write_mapped(port, port.captured(), input, frames, channels));
    }
    side.clock.set(side.clock.frames() + frames, at_ns);
  } else {
    side.clock.touch(at_ns);
  }
  count(side.frames, frames);
  keep_largest(side.largest_block, frames);
  port.block().wake.post();
  return accepted;
}

void playback_block(Port& port, bool in_use, float* output, std::uint64_t frames, int channels,
                    std::int64_t at_ns) noexcept {
  const base::FlushDenormals flush;
  PlaybackSide& side = port.block().playback;
  if (in_use) {
    reset_on_new_start(port, port.player_start());
    catch_up(port);
    float chunk[kChunkFloats];
    const std::uint64_t room = kChunkFloats / static_cast<std::uint64_t>(port.channels());
    for (std::uint64_t done = 0; done < frames;) {
      const std::uint64_t n = std::min(room, frames - done);
      fill_chunk(port, chunk, n);
      if (port.monitored()) count(side.monitor_lost_frames, n - port.heard().write(chunk, n));
      give_channels(chunk, port.channels(), port.block().link.output_sources.data(),
                    output + done * static_cast<std::uint64_t>(channels), channels, n);
      done += n;
    }
    side.clock.set(side.clock.frames() + frames, at_ns);
  } else {
    std::memset(
        output, 0,
        static_cast<std::size_t>(frames) * static_cast<std::size_t>(channels) * sizeof(float));
    side.clock.touch(at_ns);
  }
  count(side.frames, frames);
  keep_largest(side.largest_block, frames);
}

}  // namespace

std::uint64_t on_capture(Port& port, const float* input, std::uint64_t frames, int channels,
                         std::int64_t at_ns) noexcept {
  const Inside inside(port.block().capture.entered, port.block().capture.left);
  return capture_block(port, armed(port), input, frames, channels, at_ns);
}

void on_playback(Port& port, float* output, std::uint64_t frames, int channels,
                 std::int64_t at_ns) noexcept {
  const Inside inside(port.block().playback.entered, port.block().playback.left);
  playback_block(port, armed(port), output, frames, channels, at_ns);
}

std::uint64_t take_ready(Port& port, float* output, std::uint64_t frames,
                         std::int64_t at_ns) noexcept {
  PlaybackSide& side = port.block().playback;
  const Inside inside(side.entered, side.left);
  std::uint64_t got = 0;
  if (armed(port)) {
    got = port.playback().read(output, frames);
    side.clock.touch(at_ns);
    count(side.frames, got);
  }
  return got;
}

void on_block(Port& port, const float* input, float* output, std::uint64_t frames,
              std::uint32_t flags, std::int64_t at_ns) noexcept {
  const Link& link = port.block().link;
  count_flags(port, input != nullptr, output != nullptr, flags);
  if ((flags & kPrimingOutput) != 0) {  // before the first capture: play silence
    if (output != nullptr) {
      std::memset(output, 0,
                  static_cast<std::size_t>(frames * link.output_channels) * sizeof(float));
    }
    return;
  }
  PortBlock& block = port.block();
  if (output == nullptr) {
    on_capture(port, input, frames, static_cast<int>(link.input_channels), at_ns);
    return;
  }
  if (input == nullptr) {
    on_playback(port, output, frames, static_cast<int>(link.output_channels), at_ns);
    return;
  }
  // Both directions must agree on whether the rings are in use, so that the latency counts from the
  // same block.
  const Inside capture(block.capture.entered, block.capture.left);
  const Inside playback(block.playback.entered, block.playback.left);
  const bool in_use = armed(port);
  capture_block(port, in_use, input, frames, static_cast<int>(link.input_channels), at_ns);
  playback_block(port, in_use, output, frames, static_cast<int>(link.output_channels), at_ns);
}

extern "C" int hopcodec_stream_callback(const void* input, void* output, unsigned long frames,
                                        const void* /*time_info*/, unsigned long flags,
                                        void* user) noexcept {
  on_block(*static_cast<Port*>(user), static_cast<const float*>(input), static_cast<float*>(output),
           frames, static_cast<std::uint32_t>(flags), now_ns());
  return 0;  // paContinue
}

}  // namespace hopcodec::realtime
