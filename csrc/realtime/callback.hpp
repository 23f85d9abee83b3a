// The audio callback, which runs in the device's thread. It moves a block from the microphone to
// the capture ring and a block from the playback ring to the speaker, and updates clocks and
// counters. It never waits.
#pragma once

#include <cstdint>

#include "realtime/port.hpp"

namespace hopcodec::realtime {

// PortAudio's status flags, with the same values.
enum BlockFlags : std::uint32_t {
  kInputUnderflow = 1,
  kInputOverflow = 2,
  kOutputUnderflow = 4,
  kOutputOverflow = 8,
  kPrimingOutput = 16,
};

// Processes one block of a device. `input` and `output` are interleaved with the channel counts of
// port.link; either may be null. Capture and playback may come from different threads.
HOPCODEC_REALTIME void on_block(Port& port, const float* input, float* output, std::uint64_t frames,
                                std::uint32_t flags, std::int64_t at_ns) noexcept;

// The two directions separately, for transports without a device.
HOPCODEC_REALTIME std::uint64_t on_capture(Port& port, const float* input, std::uint64_t frames,
                                           int channels, std::int64_t at_ns) noexcept;
HOPCODEC_REALTIME void on_playback(Port& port, float* output, std::uint64_t frames, int channels,
                                   std::int64_t at_ns) noexcept;
// Takes only frames that are ready, without concealment. It does not count as demand, so such a
// reader sets no latency for the engine to hold. Returns the number of frames.
HOPCODEC_REALTIME std::uint64_t take_ready(Port& port, float* output, std::uint64_t frames,
                                           std::int64_t at_ns) noexcept;

// A PaStreamCallback; `user` is a Port.
extern "C" HOPCODEC_REALTIME int hopcodec_stream_callback(const void* input, void* output,
                                                          unsigned long frames,
                                                          const void* time_info,
                                                          unsigned long flags, void* user) noexcept;

}  // namespace hopcodec::realtime
