// Scheduling of audio threads: what they request and what the system grants.
#pragma once

#include <string>

namespace hopcodec::realtime {

struct Scheduling {
  std::string granted = "normal";  // "fifo 3", "nice -11" or "normal"
  std::string refused;             // the reason if a request was refused
};

// Raises the priority of the calling thread: SCHED_FIFO at `priority` (0 does not ask) if
// permitted, otherwise a higher nice level, otherwise nothing. Stay below the priority of the audio
// server; a thread above it can starve it.
Scheduling raise_this_thread(int priority);

// Touches the stack so that the first deep call of the audio path causes no page fault.
void prefault_stack() noexcept;

}  // namespace hopcodec::realtime
