// What an audio thread asks of the system, and what it was granted.
#pragma once

#include <string>

namespace hopcodec::realtime {

struct Scheduling {
  std::string granted = "normal";  // "fifo 3", "nice -11" or "normal"
  std::string refused;             // why not more
};

// Raises the calling thread: SCHED_FIFO at `priority` (0: do not ask) if permitted, else a higher
// nice level, else nothing. Stay below the audio server: above it, it is starved of its own time.
Scheduling raise_this_thread(int priority);

// Touches the stack, so that the first deep call of the audio path meets no page fault.
void prefault_stack() noexcept;

}  // namespace hopcodec::realtime
