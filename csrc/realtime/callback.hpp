// What runs in the device's own thread: a block from the microphone into the ring, a block from the
// ring to the speaker, the time, the counters. It never waits for anything.
#pragma once

#include <cstdint>

#include "realtime/port.hpp"

namespace hopcodec::realtime {

// PortAudio's status flags, with its values.
enum BlockFlags : std::uint32_t {
  kInputUnderflow = 1,
  kInputOverflow = 2,
  kOutputUnderflow = 4,
  kOutputOverflow = 8,
  kPrimingOutput = 16,
};

// One block of a device. `input` and `output` are interleaved, of the channels that port.link says;
// either may be null. Capture and playback may come from different threads.
HOPCODEC_REALTIME void on_block(Port& port, const float* input, float* output, std::uint64_t frames,
                                std::uint32_t flags, std::int64_t at_ns) noexcept;

// The halves, for transports without a device: frames of the port's own channels.
HOPCODEC_REALTIME std::uint64_t on_capture(Port& port, const float* input, std::uint64_t frames,
                                           int channels, std::int64_t at_ns) noexcept;
HOPCODEC_REALTIME void on_playback(Port& port, float* output, std::uint64_t frames, int channels,
                                   std::int64_t at_ns) noexcept;
// Only what is there, nothing made up, and no demand: such a reader sets no latency to be held.
// Returns the frames.
HOPCODEC_REALTIME std::uint64_t take_ready(Port& port, float* output, std::uint64_t frames,
                                           std::int64_t at_ns) noexcept;

// With the signature of PaStreamCallback; `user` is a Port.
extern "C" HOPCODEC_REALTIME int hopcodec_stream_callback(const void* input, void* output,
                                                          unsigned long frames,
                                                          const void* time_info,
                                                          unsigned long flags, void* user) noexcept;

}  // namespace hopcodec::realtime
