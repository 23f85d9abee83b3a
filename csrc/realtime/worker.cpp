#include "realtime/worker.hpp"

#include <algorithm>
#include <cmath>

#include "base/float_mode.hpp"
#include "realtime/clock.hpp"

namespace hopcodec::realtime {
namespace {

// A direction without a callback for this long has stopped, and its clock is not extrapolated
// further.
constexpr std::int64_t kLongestPeriodNs = 100'000'000;
constexpr double kOffLevelS = 0.5;  // delay before a jump corrects the level
constexpr double kStarvedS = 0.25;  // likewise, where audio is made up or about to be

// The least deficit that counts before any hop is late, as a part of a hop: less is jitter.
constexpr double kDrainedPart = 16.0;

double position(const SideClock& clock, double rate_hz, std::int64_t now,
                std::int64_t longest_ns) noexcept {
  const SideClock::Reading reading = clock.get();
  const std::int64_t since = std::clamp<std::int64_t>(now - reading.at_ns, 0, longest_ns);
  return static_cast<double>(reading.frames) + static_cast<double>(since) * 1e-9 * rate_hz;
}

}  // namespace

Worker::Worker(Port& port, std::int64_t backlog_ns)
    : probe(port.channels()),
      port_(port),
      intake_(port),
      backlog_ns_(backlog_ns),
      splice_(port.channels()) {}

void Worker::start(Route* route, const LinkSettings& link) {
  route_ = route;
  link_ = link;
  splice_.reset();
  drift_.reset();
  stats.drift.store(0.0, std::memory_order_relaxed);
  dry_ = bypass.load() ? 1.0F : 0.0F;
  compute_ns_ = gap_fraction_ = off_level_s_ = 0.0;
  level_seen_ns_ = 0;
  skip_frames_ = 0;
  dropped_last_ = late_ = tight_ = false;
  PortBlock& block = port_.block();
  intake_.start();
  block.engine.conceal_frames.store(repeated());
  block.engine.start_number.fetch_add(1);
  count(stats.starts);
  if (link.one_clock) prime(static_cast<double>(route->queue_frames()));
}

// Longest time between two callbacks of a running direction.
std::int64_t Worker::longest_silence_ns() const noexcept {
  const std::int64_t in = 2 * link_.input_period * kSecondNs / link_.input_rate_hz;
  const std::int64_t out = 2 * link_.output_period * kSecondNs / link_.output_rate_hz;
  return std::max({kLongestPeriodNs, in, out});
}

// Fills the playback ring to its level and arms the callback.
void Worker::prime(double frames) noexcept {
  const auto n = static_cast<std::int64_t>(std::llround(frames));
  if (n > 0) port_.playback().write(nullptr, static_cast<std::uint64_t>(n));
  if (n < 0) skip_frames_ = static_cast<std::uint64_t>(-n);
  port_.block().engine.armed.store(1, std::memory_order_release);
}

bool Worker::armed(std::int64_t now) noexcept {
  if (port_.block().engine.armed.load(std::memory_order_relaxed) != 0) return true;
  const std::int64_t captured = port_.block().capture.clock.at_ns();
  const std::int64_t played = port_.block().playback.clock.at_ns();
  const bool both_run =
      captured != 0 && played != 0 && now - std::min(captured, played) < longest_silence_ns();
  if (!both_run) return false;
  // The level counts from this moment, at which both directions are somewhere within a period.
  const double in_period = static_cast<double>(now - captured) * 1e-9 * link_.output_rate_hz;
  const double out_period = static_cast<double>(now - played) * 1e-9 * link_.output_rate_hz;
  prime(static_cast<double>(route_->queue_frames()) - in_period + out_period);
  return true;
}

int Worker::step(std::int64_t now, bool live) noexcept {
  const base::FlushDenormals flush;
  const std::int64_t entered = now_ns();
  const auto time = [&] { return live ? now + (now_ns() - entered) : now; };
  if (!armed(now)) return 0;
  int hops = 0;
  while (!interrupted_.load(std::memory_order_relaxed)) {
    adopt();
    intake_.look();
    if (port_.playback().writable() < route_->most_output_frames()) break;
    if (!route_->gather(intake_)) break;
    const std::int64_t started = time();
    if (hops == 0) stats.wake.add(started - port_.block().capture.clock.at_ns());
    if (should_drop(started)) {
      drop_hop();
      continue;
    }
    const std::int64_t before = now_ns();
    run_hop(time(), before, live);
    hold_level(time());
    ++hops;
  }
  return hops;
}

// Replaces audio that will never come, at its position. If all of it is overdue and the ring is
// empty, counting the frames as written off is enough.
void Worker::leave_gap(double frames) noexcept {
  const double exact = gap_fraction_ + frames;
  const auto n = static_cast<std::int64_t>(exact);
  gap_fraction_ = exact - static_cast<double>(n);
  if (n <= 0) return;
  if (overdue_frames() < n || port_.playback().fill() > 0) {
    conceal(static_cast<std::uint64_t>(n));
    return;
  }
  std::atomic<std::int64_t>& written_off = port_.block().engine.written_off;
  written_off.store(written_off.load(std::memory_order_relaxed) + n, std::memory_order_release);
  blend_next();
}

std::int64_t Worker::overdue_frames() const noexcept {
  const auto demanded = static_cast<std::int64_t>(port_.block().playback.clock.frames());
  const auto written = static_cast<std::int64_t>(port_.playback().written());
  return demanded - written - port_.block().engine.written_off.load(std::memory_order_relaxed);
}

std::int64_t Worker::due_ns() const noexcept {
  const std::int64_t in_hand = std::max<std::int64_t>(0, -overdue_frames());
  const std::int64_t periods = 1 + in_hand / link_.output_period;
  return port_.block().playback.clock.at_ns() +
         periods * link_.output_period * kSecondNs / link_.output_rate_hz;
}

// Whether to drop this hop because coding it would only make the next ones late. A short delay is
// caught up by coding every hop, which keeps the codec's state intact, unless catching up takes
// longer than the audio lost, or the backlog exceeds its bound. Within the bound, two hops in a row
// are never both dropped, because the cost of a hop is known only from coding one.
bool Worker::should_drop(std::int64_t now) const noexcept {
  const double backlog_ns =
      static_cast<double>(intake_.readable()) * 1e9 / static_cast<double>(link_.input_rate_hz);
  if (backlog_ns_ == 0) return false;
  // A single callback may bring more than the bound.
  const double block_ns = static_cast<double>(link_.input_period) * 1e9 / link_.input_rate_hz;
  if (backlog_ns > std::max(static_cast<double>(backlog_ns_), block_ns)) return true;
  const auto hop_ns = static_cast<double>(route_->hop_ns());
  const bool late = static_cast<double>(due_ns() - now) < compute_ns_;
  if (dropped_last_ || !late || port_.block().playback.clock.frames() == 0) return false;
  if (compute_ns_ >= 0.95 * hop_ns) return true;
  const double lateness = static_cast<double>(overdue_frames());
  return lateness > 0.0 &&
         lateness * compute_ns_ / (hop_ns - compute_ns_) > route_->hop_output_frames();
}

void Worker::drop_hop() noexcept {
  route_->discard();
  leave_gap(route_->hop_output_frames());
  dropped_last_ = true;
  count(stats.dropped_hops);
}

void Worker::run_hop(std::int64_t now, std::int64_t started, bool live) noexcept {
  const float dry = bypass.load(std::memory_order_relaxed) ? 1.0F : 0.0F;
  const float gain = probe.input_gain.load(std::memory_order_relaxed);
  HopLevels levels;
  const std::uint64_t frames = route_->run(dry_, dry, gain, levels);
  dry_ = dry;
  const double work = artificial_work.load(std::memory_order_relaxed);
  const auto spin = static_cast<std::int64_t>(static_cast<double>(route_->hop_ns()) * work / 100.0);
  std::int64_t compute = now_ns() - started;
  while (compute < spin) compute = now_ns() - started;
  // In simulated time a hop costs exactly the requested work, so that results do not depend on the
  // machine's speed.
  const std::int64_t cost = live ? compute : spin;
  compute_ns_ += (static_cast<double>(cost) - compute_ns_) * (compute_ns_ == 0.0 ? 1.0 : 0.125);
  dropped_last_ = false;
  play(frames, now + cost);
  count_hop(levels, compute);
}

void Worker::count_hop(const HopLevels& levels, std::int64_t compute_ns) noexcept {
  count(stats.hops);
  if (levels.refused) count(stats.refused_hops);
  stats.compute.add(compute_ns);
  count(stats.bad_samples, static_cast<std::uint64_t>(levels.bad_samples));
  count(stats.clipped_samples, static_cast<std::uint64_t>(levels.clipped_samples));
  raise(stats.input_peak, levels.input_peak);
  raise(stats.output_peak, levels.output_peak);
  stats.input_rms.store(levels.input_rms, std::memory_order_relaxed);
  stats.output_rms.store(levels.output_rms, std::memory_order_relaxed);
}

void Worker::play(std::uint64_t frames, std::int64_t now) noexcept {
  const bool playing = port_.block().playback.clock.frames() > 0;
  if (playing) {
    overdue_ = static_cast<double>(overdue_frames());
    late_ = overdue_ > 0.0;
    if (late_) count(stats.late_hops);
    const std::int64_t slack = late_ ? 0 : due_ns() - now;
    tight_ = slack < route_->hop_ns() / 4;
    stats.slack.add(slack);
  }
  const std::uint64_t skipped = std::min(skip_frames_, frames);
  skip_frames_ -= skipped;
  float* output = route_->output() + skipped * static_cast<std::uint64_t>(port_.channels());
  probe.add(output, frames - skipped);
  splice_.receive(output, frames - skipped);
  port_.playback().write(output, frames - skipped);
}

std::uint32_t Worker::repeated() const noexcept {
  return static_cast<std::uint32_t>(route_->hop_output_frames());
}

void Worker::blend_next() noexcept { splice_.conceal(nullptr, 0, repeated()); }

// Writes concealment to the playback ring: a fading repetition of the last audio.
void Worker::conceal(std::uint64_t frames) noexcept {
  constexpr std::uint64_t kChunkFloats = 1024;
  float chunk[kChunkFloats];
  const std::uint64_t room = kChunkFloats / static_cast<std::uint64_t>(port_.channels());
  while (frames > 0) {
    const std::uint64_t n = std::min(room, frames);
    splice_.conceal(chunk, n, repeated());
    if (port_.playback().write(chunk, n) < n) return;
    frames -= n;
  }
}

// Changes the latency by `frames`: inserts concealment, or cuts the next audio short. Both are
// cross-faded.
void Worker::shift(std::int64_t frames) noexcept {
  blend_next();
  if (frames > 0) conceal(static_cast<std::uint64_t>(frames));
  if (frames < 0) skip_frames_ += static_cast<std::uint64_t>(-frames);
}

void Worker::adopt() noexcept {
  if (offered_.load(std::memory_order_relaxed) == nullptr) return;
  Route* next = offered_.exchange(nullptr, std::memory_order_acq_rel);
  if (next == nullptr) return;
  // The input inside the old route is lost with it.
  leave_gap(route_->pending_output_frames());
  shift(next->queue_frames() - route_->queue_frames());
  // Only the worker pushes, and collect() takes the whole list, so the ABA problem cannot occur.
  route_->next_retired = retired_.load(std::memory_order_relaxed);
  while (!retired_.compare_exchange_weak(route_->next_retired, route_, std::memory_order_release,
                                         std::memory_order_relaxed)) {
  }
  route_ = next;
  compute_ns_ = off_level_s_ = 0.0;
  port_.block().engine.conceal_frames.store(repeated(), std::memory_order_relaxed);
  count(stats.switches);
}

// Frames captured and not yet played, wherever they are, in output frames. The clocks of both
// directions are extrapolated between callbacks.
double Worker::level(std::int64_t now) const noexcept {
  const PortBlock& block = port_.block();
  const double captured =
      position(block.capture.clock, link_.input_rate_hz, now, longest_silence_ns());
  const double played =
      position(block.playback.clock, link_.output_rate_hz, now, longest_silence_ns());
  const double taken = static_cast<double>(intake_.taken());
  const double ready =
      static_cast<double>(port_.playback().written()) +
      static_cast<double>(block.engine.written_off.load(std::memory_order_relaxed)) + gap_fraction_;
  return (captured - taken) * link_.output_rate_hz / link_.input_rate_hz +
         route_->pending_output_frames() + ready - static_cast<double>(skip_frames_) - played;
}

// By how many frames the queue is too short: 0 unless audio is made up, or soon will be. `error` is
// the level above the target.
double Worker::starved_by(double error) const noexcept {
  const double hop = route_->hop_output_frames();
  if (link_.one_clock && tight_ && !late_ && error < -hop / kDrainedPart) {
    // Where one clock is only said to rule, a faster reader leaves hops less and less time. Give
    // them a period more before any is late.
    const double period = link_.output_period;
    return std::max(-error, period - std::fmod(std::max(0.0, -overdue_), period));
  }
  // A reader that returned at another phase finds hops late by a little, at the right level.
  if (link_.one_clock && late_ && error + overdue_ <= hop / 4.0) return std::max(-error, overdue_);
  // The deficit is smaller but permanent: audio that never came made every later hop late.
  return late_ ? std::max(0.0, -error) : 0.0;
}

void Worker::hold_level(std::int64_t now) noexcept {
  // Measure the elapsed time by the clock, not by hops: a caller that processes audio faster than
  // real time would be off level for almost no time. At the first hop no time has elapsed.
  const std::int64_t seen = level_seen_ns_ == 0 ? now : level_seen_ns_;
  const std::int64_t elapsed = std::clamp<std::int64_t>(now - seen, 0, longest_silence_ns());
  level_seen_ns_ = now;
  // A reader that only takes ready frames demands none, so there is no latency to hold.
  if (port_.block().playback.clock.frames() == 0) return;
  const double error = level(now) - static_cast<double>(route_->queue_frames());
  const double hop_s = static_cast<double>(route_->hop_ns()) * 1e-9;
  const double most =
      std::max(route_->hop_output_frames(), 2.0 * static_cast<double>(link_.output_period));
  const double lack = starved_by(error);
  const bool off = std::fabs(error) > most || lack > 0.0;
  off_level_s_ = off ? off_level_s_ + static_cast<double>(elapsed) * 1e-9 : 0.0;
  if (off_level_s_ > (lack > 0.0 ? kStarvedS : kOffLevelS)) {
    // The device lost or repeated audio. Rounded up, since a frame too few is late in every hop.
    shift(static_cast<std::int64_t>(std::ceil(lack > 0.0 ? lack : -error)));
    off_level_s_ = 0.0;
    drift_.level_jumped();
    count(stats.resyncs);
    return;
  }
  if (link_.one_clock) return;
  const double adjustment = drift_.update(error / link_.output_rate_hz, hop_s);
  route_->adjust(adjustment);
  // A fuller buffer means a slower output clock.
  stats.drift.store(-drift_.clock_difference(), std::memory_order_relaxed);
}

}  // namespace hopcodec::realtime
