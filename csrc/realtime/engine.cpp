#include "realtime/engine.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "realtime/clock.hpp"

namespace hopcodec::realtime {
namespace {

// Timeout of the worker's wait. No callback wakes the worker if the device is dead.
constexpr std::int64_t kLookNs = 50'000'000;
constexpr std::size_t kMeasuredHops = 50;
constexpr std::int64_t kMeasuredNs = 200'000'000;  // fewer hops, if they take longer

const EngineOptions& checked(const EngineOptions& options) {
  if (options.priority < 0 || options.priority > 99) {
    throw std::invalid_argument("priority: expected 0 to 99, got " +
                                std::to_string(options.priority));
  }
  if (!(options.backlog_s >= 0.0 && options.backlog_s <= 60.0)) {
    throw std::invalid_argument("backlog: expected 0 to 60 s, got " +
                                std::to_string(options.backlog_s));
  }
  return options;
}

void check_codebooks(const Coder& coder, int n_q) {
  const int most = coder.codebooks();
  const int least = most == 0 ? 0 : 1;  // a pass-through has none
  if (n_q >= least && n_q <= most) return;
  throw std::invalid_argument("codebooks: expected " + std::to_string(least) + " to " +
                              std::to_string(most) + ", got " + std::to_string(n_q));
}

}  // namespace

Engine::Engine(std::shared_ptr<Port> port, const EngineOptions& options)
    : port_(std::move(port)),
      options_(checked(options)),
      worker_(*port_, static_cast<std::int64_t>(options.backlog_s * 1e9)) {
  if (options.lock_memory) memory_error_ = port_->lock_memory();
}

Engine::~Engine() { stop(); }

// Requires control_ locked. Removes the route from routes_ and returns it. The caller deletes it
// after unlocking control_, because freeing a coder may lock a mutex of the sessions' owner.
std::unique_ptr<Route> Engine::forget(const Route* route) noexcept {
  const auto found = std::ranges::find(routes_, route, &std::unique_ptr<Route>::get);
  if (found == routes_.end()) return nullptr;
  std::unique_ptr<Route> forgotten = std::move(*found);
  routes_.erase(found);
  return forgotten;
}

int Engine::collect() noexcept {
  std::vector<std::unique_ptr<Route>> old;  // freed after unlocking
  const std::lock_guard lock(control_);
  for (const Route* route = worker_.collect(); route != nullptr;) {
    const Route* next = route->next_retired;
    old.push_back(forget(route));
    route = next;
  }
  return static_cast<int>(old.size());
}

void Engine::set_coder(std::unique_ptr<Coder> coder, int codebooks) {
  check_codebooks(*coder, codebooks);
  if (coder->channels() != port_->channels()) {
    throw std::invalid_argument("coder: expected " + std::to_string(port_->channels()) +
                                " channels, as the port has, got " +
                                std::to_string(coder->channels()));
  }
  collect();
  std::unique_ptr<Route> unused;  // freed after unlocking, like `coder`
  const std::lock_guard lock(control_);
  codebooks_ = codebooks;
  if (!running()) {
    coder_.swap(coder);
    return;
  }
  const double compute_s = threaded_ ? measure(*coder, link_) : 0.0;
  routes_.push_back(
      std::make_unique<Route>(std::move(coder), link_, port_->channels(), codebooks, compute_s));
  unused = forget(worker_.offer(routes_.back().get()));
  port_->block().wake.post();
}

void Engine::start(const LinkSettings& link, bool threaded) {
  const std::lock_guard lock(control_);
  if (running()) throw std::logic_error("engine: expected stop() before another start()");
  if (coder_ == nullptr) throw std::logic_error("engine: expected set_coder() before start()");
  check(link);
  Route::check_rates(link, coder_->sample_rate_hz());
  port_->block().engine.armed.store(0, std::memory_order_seq_cst);
  port_->wait_for_callbacks();
  port_->clear();
  const double compute_s = threaded ? measure(*coder_, link) : 0.0;
  coder_->reset();
  routes_.clear();
  routes_.push_back(
      std::make_unique<Route>(std::move(coder_), link, port_->channels(), codebooks_, compute_s));
  link_ = link;
  threaded_ = threaded;
  stop_.store(false);
  worker_.interrupt(false);
  worker_.start(routes_.back().get(), link);
  if (threaded) begin_thread();
  running_.store(true);
}

// Requires control_ locked. Returns the seconds that a hop takes at most, but for one outlier, and
// 0 where any hop that keeps real time is ready within a period. The coder is reset.
double Engine::measure(Coder& coder, const LinkSettings& link) const {
  const double hop_s = static_cast<double>(coder.hop()) / coder.sample_rate_hz();
  const double period_s = static_cast<double>(link.input_period) / link.input_rate_hz;
  if (period_s >= hop_s || link.queue_frames >= 0 || coder.codebooks() == 0) return 0.0;
  std::vector<std::int64_t> times;
  std::vector<float> silence(static_cast<std::size_t>(coder.hop() * coder.channels()));
  std::vector<float> coded(silence), dry(silence);
  // At the worker's priority: what interrupts this thread interrupts the worker.
  std::thread worker([&] {
    raise_this_thread(options_.priority);
    coder.step(silence.data(), codebooks_, coded.data(), dry.data());  // fills the caches
    const std::int64_t until = now_ns() + kMeasuredNs;
    while (times.size() < kMeasuredHops && (times.size() < 3 || now_ns() < until)) {
      const std::int64_t begun = now_ns();
      coder.step(silence.data(), codebooks_, coded.data(), dry.data());
      times.push_back(now_ns() - begun);
    }
  });
  worker.join();
  coder.reset();
  std::ranges::sort(times);
  return static_cast<double>(times[times.size() - 2]) * 1e-9;
}

// Requires control_ locked. If no thread can be started, the engine stays as it was before the
// start.
void Engine::begin_thread() {
  try {
    thread_ = std::thread([this] { run(); });
  } catch (...) {
    port_->block().engine.armed.store(0, std::memory_order_release);
    coder_ = routes_.back()->give_back();
    routes_.clear();
    throw;
  }
}

bool Engine::stop() noexcept {
  // Freed after unlocking: freeing may lock another mutex.
  std::vector<std::unique_ptr<Route>> old;
  const std::lock_guard lock(control_);
  if (!running()) return false;
  stop_.store(true);
  worker_.interrupt(true);
  port_->block().wake.post();
  if (thread_.joinable()) thread_.join();
  port_->block().engine.armed.store(0, std::memory_order_release);
  worker_.offer(nullptr);
  worker_.collect();
  coder_ = routes_.back()->give_back();
  old.swap(routes_);
  running_.store(false);
  return true;
}

void Engine::run() noexcept {
  {
    const Scheduling granted = raise_this_thread(options_.priority);
    const std::lock_guard lock(scheduling_mutex_);
    scheduling_ = granted;
  }
  prefault_stack();
  Wake& wake = port_->block().wake;
  while (!stop_.load(std::memory_order_acquire)) {
    const std::uint32_t seen = wake.seen();
    if (worker_.step(now_ns(), /*live=*/true) == 0) wake.wait(seen, kLookNs);
  }
}

int Engine::step(std::int64_t now) {
  const std::lock_guard lock(control_);
  if (!running() || threaded_) {
    throw std::logic_error("engine: expected start(thread=False) before step()");
  }
  return worker_.step(now, /*live=*/false);
}

// Requires control_ locked.
const Coder* Engine::coder() const {
  return routes_.empty() ? coder_.get() : &routes_.back()->coder();
}

void Engine::set_codebooks(int n_q) {
  const std::lock_guard lock(control_);
  if (coder() == nullptr) throw std::logic_error("engine: expected set_coder() before codebooks");
  check_codebooks(*coder(), n_q);
  codebooks_ = n_q;
  if (!routes_.empty()) routes_.back()->set_codebooks(n_q);
}

EngineView Engine::view() const {
  const std::lock_guard lock(control_);
  EngineView view;
  view.codebooks = codebooks_;
  if (coder() == nullptr) return view;
  view.sample_rate_hz = coder()->sample_rate_hz();
  view.hop_samples = coder()->hop();
  view.delay_samples = coder()->delay();
  if (routes_.empty()) return view;
  const Route& route = *routes_.back();
  view.transparent = route.transparent();
  view.queue_frames = route.queue_frames();
  view.compute_frames = route.compute_frames();
  view.resampler_in_s = route.input_delay_s();
  view.resampler_out_s = route.output_delay_s();
  view.link = link_;
  return view;
}

Scheduling Engine::scheduling() const {
  const std::lock_guard lock(scheduling_mutex_);
  return scheduling_;
}

LatencyParts Engine::latency() const {
  const EngineView v = view();
  LatencyParts parts;
  if (v.sample_rate_hz == 0 || !running()) return parts;
  const Link& reported = port_->block().link;
  const double rate = v.sample_rate_hz;
  const double queue = static_cast<double>(v.queue_frames) / v.link.output_rate_hz;
  // Devices often report wrong buffer latencies, but the true value is never below a period.
  const auto buffer_s = [&](double reported_s, int period, int rate_hz) {
    const double period_s = static_cast<double>(period) / rate_hz;
    return reported.latency_exact != 0 ? reported_s : std::max(reported_s, period_s);
  };
  parts.input_buffer =
      buffer_s(reported.input_latency_s, v.link.input_period, v.link.input_rate_hz);
  parts.output_buffer =
      buffer_s(reported.output_latency_s, v.link.output_period, v.link.output_rate_hz);
  parts.resampler_in = v.resampler_in_s;
  parts.resampler_out = v.resampler_out_s;
  parts.lookahead = v.delay_samples / rate;
  parts.framing = std::min(
      queue, static_cast<double>(framing_samples(v.link, v.sample_rate_hz, v.hop_samples)) / rate);
  parts.compute = std::min(queue - parts.framing, worker_.stats.compute.quantile_ns(0.5) * 1e-9);
  parts.queue = queue - parts.framing - parts.compute;
  return parts;
}

}  // namespace hopcodec::realtime
