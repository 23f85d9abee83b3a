// The engine's work, hop by hop: take a hop from the capture ring, code it, write the result to the
// playback ring, and keep the latency constant. There are no threads in this file; the time is an
// argument.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "realtime/concealment.hpp"
#include "realtime/drift.hpp"
#include "realtime/intake.hpp"
#include "realtime/port.hpp"
#include "realtime/probe.hpp"
#include "realtime/route.hpp"
#include "realtime/stats.hpp"

namespace hopcodec::realtime {

class Worker {
 public:
  Worker(Port& port, std::int64_t backlog_ns);

  // Starts a link with an empty port. With one clock, the playback ring is primed at once. With two
  // clocks, it is primed once both directions run.
  void start(Route* route, const LinkSettings& link);

  // Does all work that is available at `now` and returns the number of hops. With `live`, the time
  // advances during the call.
  HOPCODEC_REALTIME int step(std::int64_t now, bool live) noexcept;
  // Makes step() return after the current hop.
  void interrupt(bool on) noexcept { interrupted_.store(on, std::memory_order_relaxed); }

  // Sets the route for the next hop boundary. Returns the one offered before if it was not taken
  // yet.
  Route* offer(Route* route) noexcept { return offered_.exchange(route); }
  // Returns the retired routes, newest first. The caller deletes them; the worker never frees
  // memory.
  Route* collect() noexcept { return retired_.exchange(nullptr); }
  // Only while no thread is in step().
  Route* route() const { return route_; }

  std::atomic<bool> bypass{false};
  std::atomic<double> artificial_work{0.0};  // for tests: busy-waits this percentage of a hop
  Probe probe;
  EngineStats stats;

 private:
  bool armed(std::int64_t now) noexcept;
  std::int64_t longest_silence_ns() const noexcept;
  void adopt() noexcept;
  void leave_gap(double frames) noexcept;
  bool should_drop(std::int64_t now) const noexcept;
  void drop_hop() noexcept;
  void run_hop(std::int64_t now, std::int64_t started, bool live) noexcept;
  void count_hop(const HopLevels& levels, std::int64_t compute_ns) noexcept;
  void play(std::uint64_t frames, std::int64_t now) noexcept;
  void conceal(std::uint64_t frames) noexcept;
  void blend_next() noexcept;
  void shift(std::int64_t frames) noexcept;
  std::uint32_t repeated() const noexcept;
  void prime(double frames) noexcept;
  void hold_level(std::int64_t now) noexcept;
  double level(std::int64_t now) const noexcept;
  double starved_by(double error) const noexcept;
  // By how many output frames the next frame written is overdue. Negative: frames in hand.
  std::int64_t overdue_frames() const noexcept;
  std::int64_t due_ns() const noexcept;

  Port& port_;
  Intake intake_;
  std::int64_t backlog_ns_;
  LinkSettings link_;
  Route* route_ = nullptr;
  std::atomic<Route*> offered_{nullptr};
  std::atomic<Route*> retired_{nullptr};
  std::atomic<bool> interrupted_{false};

  Concealment splice_;  // hides the seams after switches and dropped hops
  DriftLoop drift_;
  float dry_ = 0.0F;         // proportion of the input in the output at the end of the last hop
  double compute_ns_ = 0.0;  // smoothed over the last hops
  bool dropped_last_ = false;
  bool late_ = false;               // whether part of the last hop was too late to be played
  double overdue_ = 0.0;            // overdue_frames() before the last hop
  bool tight_ = false;              // whether it was ready shortly before it was due, or late
  double gap_fraction_ = 0.0;       // fraction of a frame left over from the gaps so far
  std::uint64_t skip_frames_ = 0;   // frames to cut from the next output to shorten the latency
  double off_level_s_ = 0.0;        // how long the level has been far from its target
  std::int64_t level_seen_ns_ = 0;  // 0 before the first hop
};

}  // namespace hopcodec::realtime
