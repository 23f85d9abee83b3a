// The engine's work, hop by hop: take a hop from the capture ring, code it, put what it became into
// the playback ring, keep the latency constant. No threads here; time is an argument.
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

  // Begins a link with an empty port. One clock: the playback ring is primed at once. Two clocks:
  // when both directions have been seen to run.
  void start(Route* route, const LinkSettings& link);

  // Does all the work there is at `now`; returns the hops done. `live`: time goes on meanwhile.
  HOPCODEC_REALTIME int step(std::int64_t now, bool live) noexcept;
  // Makes step() return after the hop it is at.
  void interrupt(bool on) noexcept { interrupted_.store(on, std::memory_order_relaxed); }

  // The route to take at the next hop boundary; returns one that was offered and not yet taken.
  Route* offer(Route* route) noexcept { return offered_.exchange(route); }
  // The routes that switches replaced, the last one first, for deletion: never freed here.
  Route* collect() noexcept { return retired_.exchange(nullptr); }
  // While nobody steps.
  Route* route() const { return route_; }

  std::atomic<bool> bypass{false};
  std::atomic<double> artificial_work{0.0};  // for tests: percent of a hop, spun away
  Probe probe;
  EngineStats stats;

 private:
  bool armed(std::int64_t now) noexcept;
  std::int64_t longest_silence_ns() const noexcept;
  void adopt() noexcept;
  void leave_hole(double frames) noexcept;
  bool hopeless(std::int64_t now) const noexcept;
  void drop_hop() noexcept;
  void run_hop(std::int64_t now, std::int64_t started, bool live) noexcept;
  void count_hop(const HopLevels& levels, std::int64_t compute_ns) noexcept;
  void play(std::uint64_t frames, std::int64_t now) noexcept;
  void make_up(std::uint64_t frames) noexcept;
  void blend_next() noexcept;
  void shift(std::int64_t frames) noexcept;
  std::uint32_t repeated() const noexcept;
  void prime(double frames) noexcept;
  void hold_level(std::int64_t now) noexcept;
  double level(std::int64_t now) const noexcept;
  // Output frames by which the next one written is late already; negative: frames in hand.
  std::int64_t owed() const noexcept;
  std::int64_t due_ns() const noexcept;

  Port& port_;
  Intake intake_;
  std::int64_t backlog_ns_;
  LinkSettings link_;
  Route* route_ = nullptr;
  std::atomic<Route*> offered_{nullptr};
  std::atomic<Route*> retired_{nullptr};
  std::atomic<bool> interrupted_{false};

  Concealment splice_;  // hides the seams that switches and dropped hops leave
  DriftLoop drift_;
  float dry_ = 0.0F;         // share of the input in the output at the end of the last hop
  double compute_ns_ = 0.0;  // of the last hops, smoothed
  bool dropped_last_ = false;
  bool late_ = false;               // whether the last hop came too late to be played whole
  double hole_fraction_ = 0.0;      // of a frame, of the holes left so far
  std::uint64_t skip_frames_ = 0;   // of the next output: cut away to shorten the latency
  double off_level_s_ = 0.0;        // how long the level has been far off
  std::int64_t level_seen_ns_ = 0;  // none yet
};

}  // namespace hopcodec::realtime
