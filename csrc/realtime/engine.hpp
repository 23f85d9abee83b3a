// A live codec: a worker thread between the two rings of a port, and controls that may be used
// while it runs. The controls lock a mutex, so one caller at a time uses them. The worker takes no
// lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "realtime/thread.hpp"
#include "realtime/worker.hpp"

namespace hopcodec::realtime {

struct EngineOptions {
  int priority = 3;  // SCHED_FIFO priority of the worker; 0 for normal scheduling
  bool lock_memory = true;
  double backlog_s = 0.2;  // hops that wait longer are dropped; 0 drops none
};

// Parts of the latency in seconds, in the order of the signal path.
struct LatencyParts {
  double input_buffer = 0.0;
  double resampler_in = 0.0;
  double framing = 0.0;
  double lookahead = 0.0;
  double compute = 0.0;
  double queue = 0.0;
  double resampler_out = 0.0;
  double output_buffer = 0.0;
};

// The engine's settings, as of the newest switch.
struct EngineView {
  int codebooks = 0;
  int sample_rate_hz = 0;
  int hop_samples = 0;
  int delay_samples = 0;  // delay of the coder, caused by the codec's look-ahead
  bool transparent = false;
  std::int64_t queue_frames = 0;
  std::int64_t compute_frames = 0;  // of queue_frames, for the time that a hop takes
  double resampler_in_s = 0.0;
  double resampler_out_s = 0.0;
  LinkSettings link;
};

class Engine {
 public:
  Engine(std::shared_ptr<Port> port, const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // If the engine runs, the new coder takes over at a hop boundary. Throws std::invalid_argument.
  void set_coder(std::unique_ptr<Coder> coder, int codebooks);
  // Throws std::invalid_argument for a bad link. Throws std::logic_error without a coder or when
  // the engine runs already.
  void start(const LinkSettings& link, bool threaded);
  // Returns once the worker has ended, which takes at most a hop. Returns false if the engine did
  // not run.
  bool stop() noexcept;
  bool running() const noexcept { return running_.load(); }
  // Does the worker's work in an engine that was started without a thread; throws std::logic_error
  // otherwise.
  int step(std::int64_t now);
  // Deletes the routes that the worker has retired and returns how many there were.
  int collect() noexcept;

  void set_codebooks(int n_q);
  EngineView view() const;
  LatencyParts latency() const;
  Scheduling scheduling() const;
  bool memory_locked() const { return memory_error_.empty() && options_.lock_memory; }
  std::string memory_error() const { return memory_error_; }

  Worker& worker() { return worker_; }
  const Worker& worker() const { return worker_; }
  Port& port() const { return *port_; }

 private:
  void run() noexcept;
  void begin_thread();
  double measure(Coder& coder, const LinkSettings& link) const;
  std::unique_ptr<Route> forget(const Route* route) noexcept;
  const Coder* coder() const;

  std::shared_ptr<Port> port_;
  EngineOptions options_;
  std::string memory_error_;
  Worker worker_;
  mutable std::mutex control_;
  std::unique_ptr<Coder> coder_;  // only while stopped; while running, the newest route owns it
  int codebooks_ = 0;
  std::vector<std::unique_ptr<Route>> routes_;  // all routes that the worker may still use
  LinkSettings link_;
  bool threaded_ = false;
  std::atomic<bool> running_{false};
  std::atomic<bool> stop_{false};
  mutable std::mutex scheduling_mutex_;
  Scheduling scheduling_;
  std::thread thread_;
};

}  // namespace hopcodec::realtime
