// A live codec: a worker thread between the two rings of a port, and the controls that may be
// touched while it runs. Controls are for one caller at a time (they lock among themselves); the
// worker takes no lock.
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
  int priority = 3;  // of the worker, SCHED_FIFO; 0: as everybody
  bool lock_memory = true;
  double backlog_s = 0.2;  // hops that wait longer are dropped; 0: none ever is
};

// Seconds, in the order in which a sound meets them.
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

// What the engine is set to, after the newest switch.
struct EngineView {
  int codebooks = 0;
  int sample_rate_hz = 0;
  int hop_samples = 0;
  int delay_samples = 0;  // the codec's look-ahead
  bool transparent = false;
  std::int64_t queue_frames = 0;
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

  // While running, the new one takes over at a hop boundary. Throws std::invalid_argument.
  void set_coder(std::unique_ptr<Coder> coder, int codebooks);
  // Throws std::invalid_argument for a bad link, std::logic_error without a coder or twice.
  void start(const LinkSettings& link, bool threaded);
  // Returns when the worker has ended, within a hop; false if there was none.
  bool stop() noexcept;
  bool running() const noexcept { return running_.load(); }
  // Instead of a thread. Throws std::logic_error if there is one, or the engine is not started.
  int step(std::int64_t now);
  // Deletes what the worker has given back; returns how many.
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
  std::unique_ptr<Route> forget(const Route* route) noexcept;
  const Coder* coder() const;

  std::shared_ptr<Port> port_;
  EngineOptions options_;
  std::string memory_error_;
  Worker worker_;
  mutable std::mutex control_;
  std::unique_ptr<Coder> coder_;  // while stopped; the newest route has it while running
  int codebooks_ = 0;
  std::vector<std::unique_ptr<Route>> routes_;  // every one that the worker may still look at
  LinkSettings link_;
  bool threaded_ = false;
  std::atomic<bool> running_{false};
  std::atomic<bool> stop_{false};
  mutable std::mutex scheduling_mutex_;
  Scheduling scheduling_;
  std::thread thread_;
};

}  // namespace hopcodec::realtime
