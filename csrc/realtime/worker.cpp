#include "realtime/worker.hpp"

#include <algorithm>
#include <cmath>

#include "base/denormals.hpp"
#include "realtime/clock.hpp"

namespace hopcodec::realtime {
namespace {

// A direction that has not called for so long has stopped; its clock is not read any further.
constexpr std::int64_t kLongestPeriodNs = 100'000'000;
constexpr double kOffLevelS = 0.5;  // before the level is set right by a jump

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
  compute_ns_ = hole_fraction_ = off_level_s_ = 0.0;
  level_seen_ns_ = 0;
  skip_frames_ = 0;
  dropped_last_ = late_ = false;
  PortBlock& block = port_.block();
  intake_.start();
  block.engine.conceal_frames.store(repeated());
  block.engine.start_number.fetch_add(1);
  count(stats.starts);
  if (link.one_clock) prime(static_cast<double>(route->queue_frames()));
}

// Between two callbacks of a direction that runs.
std::int64_t Worker::longest_silence_ns() const noexcept {
  const std::int64_t in = 2 * link_.input_period * kSecondNs / link_.input_rate_hz;
  const std::int64_t out = 2 * link_.output_period * kSecondNs / link_.output_rate_hz;
  return std::max({kLongestPeriodNs, in, out});
}

// From here on the callback uses the rings.
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
  // The level counts from this moment, in which both are somewhere within a period.
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
    if (hopeless(started)) {
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

// Stands in for audio that will never come, in its place. If it is overdue already, and nothing
// before it waits to be played, it is enough to say so.
void Worker::leave_hole(double frames) noexcept {
  const double exact = hole_fraction_ + frames;
  const auto n = static_cast<std::int64_t>(exact);
  hole_fraction_ = exact - static_cast<double>(n);
  if (n <= 0) return;
  if (owed() < n || port_.playback().fill() > 0) {
    make_up(static_cast<std::uint64_t>(n));
    return;
  }
  std::atomic<std::int64_t>& forgiven = port_.block().engine.forgiven;
  forgiven.store(forgiven.load(std::memory_order_relaxed) + n, std::memory_order_release);
  blend_next();
}

std::int64_t Worker::owed() const noexcept {
  const auto demanded = static_cast<std::int64_t>(port_.block().playback.clock.frames());
  const auto written = static_cast<std::int64_t>(port_.playback().written());
  return demanded - written - port_.block().engine.forgiven.load(std::memory_order_relaxed);
}

std::int64_t Worker::due_ns() const noexcept {
  const std::int64_t in_hand = std::max<std::int64_t>(0, -owed());
  const std::int64_t periods = 1 + in_hand / link_.output_period;
  return port_.block().playback.clock.at_ns() +
         periods * link_.output_period * kSecondNs / link_.output_rate_hz;
}

// Whether coding this hop would only make the next ones late. A short fit of lateness is coded
// through, so that the codec's memory stays whole; but not when that takes longer than the audio
// lost, nor when the backlog is beyond its bound. Never twice in a row within the bound: what a hop
// costs must be measured to be known.
bool Worker::hopeless(std::int64_t now) const noexcept {
  const double backlog_ns =
      static_cast<double>(intake_.readable()) * 1e9 / static_cast<double>(link_.input_rate_hz);
  if (backlog_ns_ == 0) return false;
  // A callback alone may bring more than the bound.
  const double block_ns = static_cast<double>(link_.input_period) * 1e9 / link_.input_rate_hz;
  if (backlog_ns > std::max(static_cast<double>(backlog_ns_), block_ns)) return true;
  const auto hop_ns = static_cast<double>(route_->hop_ns());
  const bool late = static_cast<double>(due_ns() - now) < compute_ns_;
  if (dropped_last_ || !late || port_.block().playback.clock.frames() == 0) return false;
  if (compute_ns_ >= 0.95 * hop_ns) return true;
  const double lateness = static_cast<double>(owed());
  return lateness > 0.0 &&
         lateness * compute_ns_ / (hop_ns - compute_ns_) > route_->hop_output_frames();
}

void Worker::drop_hop() noexcept {
  route_->skip();
  leave_hole(route_->hop_output_frames());
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
  // In made-up time a hop takes what is asked of it: a slow machine must not change what is done.
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
    late_ = owed() > 0;
    if (late_) count(stats.late_hops);
    stats.slack.add(late_ ? 0 : due_ns() - now);
  }
  const std::uint64_t skipped = std::min(skip_frames_, frames);
  skip_frames_ -= skipped;
  float* output = route_->output() + skipped * static_cast<std::uint64_t>(port_.channels());
  probe.add(output, frames - skipped);
  splice_.real(output, frames - skipped);
  port_.playback().write(output, frames - skipped);
}

std::uint32_t Worker::repeated() const noexcept {
  return static_cast<std::uint32_t>(route_->hop_output_frames());
}

void Worker::blend_next() noexcept { splice_.make_up(nullptr, 0, repeated()); }

// Puts audio made up from what was played last, fading, into the queue.
void Worker::make_up(std::uint64_t frames) noexcept {
  constexpr std::uint64_t kChunkFloats = 1024;
  float chunk[kChunkFloats];
  const std::uint64_t room = kChunkFloats / static_cast<std::uint64_t>(port_.channels());
  while (frames > 0) {
    const std::uint64_t n = std::min(room, frames);
    splice_.make_up(chunk, n, repeated());
    if (port_.playback().write(chunk, n) < n) return;
    frames -= n;
  }
}

// Changes the latency: made-up audio in between, or the next audio cut short, blended either way.
void Worker::shift(std::int64_t frames) noexcept {
  blend_next();
  if (frames > 0) make_up(static_cast<std::uint64_t>(frames));
  if (frames < 0) skip_frames_ += static_cast<std::uint64_t>(-frames);
}

void Worker::adopt() noexcept {
  if (offered_.load(std::memory_order_relaxed) == nullptr) return;
  Route* next = offered_.exchange(nullptr, std::memory_order_acq_rel);
  if (next == nullptr) return;
  // What the old route has taken in part is lost with it.
  leave_hole(route_->held_output_frames());
  shift(next->queue_frames() - route_->queue_frames());
  // One pusher, and collect() takes the whole list: nothing comes back while this looks away.
  route_->next_retired = retired_.load(std::memory_order_relaxed);
  while (!retired_.compare_exchange_weak(route_->next_retired, route_, std::memory_order_release,
                                         std::memory_order_relaxed)) {
  }
  route_ = next;
  compute_ns_ = off_level_s_ = 0.0;
  port_.block().engine.conceal_frames.store(repeated(), std::memory_order_relaxed);
  count(stats.switches);
}

// Output frames between the microphone's present and the speaker's: what was captured and is not
// yet played, wherever it is. Between two callbacks both sides are taken to move on.
double Worker::level(std::int64_t now) const noexcept {
  const PortBlock& block = port_.block();
  const double captured =
      position(block.capture.clock, link_.input_rate_hz, now, longest_silence_ns());
  const double played =
      position(block.playback.clock, link_.output_rate_hz, now, longest_silence_ns());
  const double taken = static_cast<double>(intake_.taken());
  const double ready = static_cast<double>(port_.playback().written()) +
                       static_cast<double>(block.engine.forgiven.load(std::memory_order_relaxed)) +
                       hole_fraction_;
  return (captured - taken) * link_.output_rate_hz / link_.input_rate_hz +
         route_->held_output_frames() + ready - static_cast<double>(skip_frames_) - played;
}

void Worker::hold_level(std::int64_t now) noexcept {
  // By the clock, not by the hop: a caller that hurries through its audio is off for no time at
  // all, and the first hop has seen none pass.
  const std::int64_t seen = level_seen_ns_ == 0 ? now : level_seen_ns_;
  const std::int64_t elapsed = std::clamp<std::int64_t>(now - seen, 0, longest_silence_ns());
  level_seen_ns_ = now;
  // A reader that only takes what is ready demands nothing: there is no latency to hold.
  if (port_.block().playback.clock.frames() == 0) return;
  const double error = level(now) - static_cast<double>(route_->queue_frames());
  const double hop_s = static_cast<double>(route_->hop_ns()) * 1e-9;
  const double most =
      std::max(route_->hop_output_frames(), 2.0 * static_cast<double>(link_.output_period));
  // Short by less, but short for good: audio that never came made every later hop late.
  const bool starved = late_ && error < -1.0;
  const bool off = std::fabs(error) > most || starved;
  off_level_s_ = off ? off_level_s_ + static_cast<double>(elapsed) * 1e-9 : 0.0;
  if (off_level_s_ > kOffLevelS) {
    // The device lost or repeated audio.
    shift(-std::llround(error));
    off_level_s_ = 0.0;
    drift_.jumped();
    count(stats.resyncs);
    return;
  }
  if (link_.one_clock) return;
  const double adjustment = drift_.update(error / link_.output_rate_hz, hop_s);
  route_->adjust(adjustment);
  // A fuller buffer means a slower output clock.
  stats.drift.store(-drift_.learned(), std::memory_order_relaxed);
}

}  // namespace hopcodec::realtime
