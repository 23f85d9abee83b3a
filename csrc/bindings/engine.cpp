// Binds the live engine: controls, statistics, and the simulated device.
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <memory>
#include <optional>
#include <utility>

#include "bindings/port.hpp"
#include "graph/decoder.hpp"
#include "graph/encoder.hpp"
#include "realtime/engine.hpp"
#include "realtime/paced.hpp"

namespace hopcodec::bindings {
namespace {

using realtime::Counter;
using realtime::Engine;
using realtime::Histogram;
using realtime::PacedDevice;

// An engine, and the port that it keeps alive. stop() always releases the GIL, because freeing a
// coder may need it on another thread.
struct BoundEngine {
  std::shared_ptr<BoundPort> port;
  Engine engine;

  BoundEngine(std::shared_ptr<BoundPort> p, const realtime::EngineOptions& options)
      : port(std::move(p)), engine(port->port, options) {}
  ~BoundEngine() { stop(); }
  BoundEngine(const BoundEngine&) = delete;
  BoundEngine& operator=(const BoundEngine&) = delete;

  void stop() {
    if (engine.stop()) port->engines.fetch_sub(1);
  }
};

// Translates the core's errors: std::logic_error, a call in the wrong state, becomes StreamError.
template <class F>
auto in_turn(F call) {
  try {
    return call();
  } catch (const std::invalid_argument&) {
    throw;
  } catch (const std::logic_error& error) {
    raise("StreamError", error.what());
  }
}

// Keeps the sessions alive as long as the coder, and releases them with the GIL held.
std::shared_ptr<void> keep(py::object encoder, py::object decoder) {
  using Pair = std::pair<py::object, py::object>;
  return std::shared_ptr<void>(new Pair(std::move(encoder), std::move(decoder)), [](void* p) {
    const py::gil_scoped_acquire gil;
    delete static_cast<Pair*>(p);
  });
}

template <class S>
S* session_or_none(const char* what, const py::object& object) {
  if (object.is_none()) return nullptr;
  if (!py::isinstance<S>(object)) {
    throw py::type_error(std::string(what) + ": expected a session of the core or None, got " +
                         std::string(py::str(py::type::of(object))));
  }
  return object.cast<S*>();
}

void set_coder(BoundEngine& self, const py::object& encoder, const py::object& decoder,
               int codebooks, int sample_rate, int hop_samples) {
  auto* e = session_or_none<graph::Encoder>("encoder", encoder);
  auto* d = session_or_none<graph::Decoder>("decoder", decoder);
  auto coder = std::make_unique<realtime::Coder>(
      e, d, keep(encoder, decoder), self.port->port->channels(), sample_rate, hop_samples);
  in_turn([&] { self.engine.set_coder(std::move(coder), codebooks); });
}

void start(BoundEngine& self, int input_rate, int output_rate, int input_period, int output_period,
           bool one_clock, int block, std::optional<std::int64_t> queue_frames,
           std::int64_t extra_frames, bool thread) {
  realtime::LinkSettings link;
  link.input_rate_hz = input_rate;
  link.output_rate_hz = output_rate;
  link.input_period = input_period;
  link.output_period = output_period;
  link.one_clock = one_clock;
  link.block = block;
  link.queue_frames = queue_frames.value_or(-1);
  link.extra_frames = extra_frames;
  in_turn([&] {
    if (self.port->engines.load() > 0 && !self.engine.running()) {
      throw std::logic_error("engine: expected a port without a running engine, got one with");
    }
    self.engine.start(link, thread);
    self.port->engines.fetch_add(1);
  });
}

py::dict histogram(const Histogram& h) {
  py::dict d;
  d["count"] = h.count();
  d["mean_us"] = h.mean_ns() * 1e-3;
  d["p50_us"] = h.quantile_ns(0.50) * 1e-3;
  d["p90_us"] = h.quantile_ns(0.90) * 1e-3;
  d["p99_us"] = h.quantile_ns(0.99) * 1e-3;
  d["p999_us"] = h.quantile_ns(0.999) * 1e-3;
  d["max_us"] = h.max_ns() * 1e-3;
  return d;
}

void add_settings(py::dict& d, BoundEngine& self) {
  const realtime::EngineView view = self.engine.view();
  const realtime::Scheduling scheduling = self.engine.scheduling();
  d["running"] = self.engine.running();
  d["codebooks"] = view.codebooks;
  d["bypass"] = self.engine.worker().bypass.load();
  d["sample_rate"] = view.sample_rate_hz;
  d["hop_samples"] = view.hop_samples;
  d["transparent"] = view.transparent;
  d["target_frames"] = view.queue_frames;
  d["compute_frames"] = view.compute_frames;
  d["deadline_us"] = view.sample_rate_hz == 0 ? 0.0 : view.hop_samples * 1e6 / view.sample_rate_hz;
  d["scheduling"] = scheduling.granted;
  d["scheduling_error"] = scheduling.refused;
  d["memory_locked"] = self.engine.memory_locked();
  d["memory_error"] = self.engine.memory_error();
}

py::typing::Dict<py::str, py::object> stats(BoundEngine& self) {
  self.engine.collect();
  realtime::EngineStats& s = self.engine.worker().stats;
  const realtime::PortBlock& block = self.port->port->block();
  py::dict d;
  const std::pair<const char*, const Counter*> counters[] = {
      {"hops", &s.hops},
      {"late_hops", &s.late_hops},
      {"dropped_hops", &s.dropped_hops},
      {"refused_hops", &s.refused_hops},
      {"underruns", &block.playback.conceal_events},
      {"concealed_frames", &block.playback.concealed_frames},
      {"discarded_frames", &block.playback.discarded_frames},
      {"overruns", &block.capture.drop_events},
      {"overrun_frames", &block.capture.dropped_frames},
      {"bad_samples", &s.bad_samples},
      {"clipped_samples", &s.clipped_samples},
      {"starts", &s.starts},
      {"switches", &s.switches},
      {"resyncs", &s.resyncs},
  };
  for (const auto& [name, counter] : counters) d[name] = counter->load(std::memory_order_relaxed);
  d["input_peak"] = s.input_peak.exchange(0.0F);
  d["output_peak"] = s.output_peak.exchange(0.0F);
  d["input_rms"] = s.input_rms.load();
  d["output_rms"] = s.output_rms.load();
  d["queue_frames"] = self.port->port->playback().fill();
  d["capture_frames"] = self.port->port->capture().fill();
  d["drift_ppm"] = s.drift.load() * 1e6;
  d["compute"] = histogram(s.compute);
  d["wake"] = histogram(s.wake);
  d["queue"] = histogram(s.slack);
  add_settings(d, self);
  d["port"] = py::cast(self.port).attr("counters")();
  return d;
}

py::typing::Dict<py::str, py::float_> latency(const BoundEngine& self) {
  const realtime::LatencyParts parts = self.engine.latency();
  const std::pair<const char*, double> named[] = {
      {"input_buffer", parts.input_buffer},
      {"resampler_in", parts.resampler_in},
      {"framing", parts.framing},
      {"lookahead", parts.lookahead},
      {"compute", parts.compute},
      {"queue", parts.queue},
      {"resampler_out", parts.resampler_out},
      {"output_buffer", parts.output_buffer},
  };
  py::dict d;
  double total = 0.0;
  for (const auto& [name, seconds] : named) {
    d[name] = seconds * 1e3;
    total += seconds;
  }
  d["total"] = total * 1e3;
  d["added"] = (total - parts.input_buffer - parts.output_buffer) * 1e3;
  return d;
}

void reset_stats(BoundEngine& self) {
  self.engine.worker().stats.reset();
  realtime::PortBlock& block = self.port->port->block();
  for (Counter* counter : {&block.playback.conceal_events, &block.playback.concealed_frames,
                           &block.playback.discarded_frames, &block.playback.output_underflows,
                           &block.playback.output_overflows, &block.capture.input_underflows,
                           &block.capture.input_overflows}) {
    counter->store(0, std::memory_order_relaxed);
  }
}

void set_work(BoundEngine& self, double percent) {
  if (!(percent >= 0.0 && percent <= 1000.0)) {
    throw py::value_error("artificial_work: expected 0 to 1000 % of a hop, got " +
                          std::to_string(percent));
  }
  self.engine.worker().artificial_work.store(percent);
}

// Returns the number of frames that fitted in the queue.
std::uint64_t inject(BoundEngine& self, const Floats& audio) {
  const int channels = self.port->port->channels();
  if (audio.ndim() != 2 || audio.shape(0) != channels) {
    throw py::value_error("audio: expected shape (" + std::to_string(channels) + ", frames), got " +
                          shape_text(audio));
  }
  const std::vector<float> frames = interleaved(audio);
  return self.engine.worker().probe.offer(frames.data(),
                                          static_cast<std::uint64_t>(audio.shape(1)));
}

void set_input_gain(BoundEngine& self, double gain) {
  if (!(gain >= 0.0 && gain <= 16.0)) {
    throw py::value_error("input_gain: expected 0 to 16, got " + std::to_string(gain));
  }
  self.engine.worker().probe.input_gain.store(static_cast<float>(gain));
}

void bind_controls(py::class_<BoundEngine>& c) {
  c.def_property(
       "codebooks", [](const BoundEngine& self) { return self.engine.view().codebooks; },
       [](BoundEngine& self, int n_q) { in_turn([&] { self.engine.set_codebooks(n_q); }); })
      .def_property(
          "bypass", [](const BoundEngine& self) { return self.engine.worker().bypass.load(); },
          [](BoundEngine& self, bool on) { self.engine.worker().bypass.store(on); })
      .def_property(
          "artificial_work",
          [](const BoundEngine& self) { return self.engine.worker().artificial_work.load(); },
          &set_work)
      .def_property(
          "input_gain",
          [](const BoundEngine& s) -> double { return s.engine.worker().probe.input_gain.load(); },
          &set_input_gain)
      .def_property_readonly("running", [](const BoundEngine& s) { return s.engine.running(); })
      .def_property_readonly("target_frames",
                             [](const BoundEngine& s) { return s.engine.view().queue_frames; });
}

void bind_paced(py::module_& m) {
  py::class_<PacedDevice>(m, "PacedDevice")
      .def(py::init([](const BoundPort& port, int rate, int block, const py::object& input,
                       std::int64_t output_frames, int output_channels, double ppm) {
             realtime::PacedSettings settings;
             settings.rate_hz = rate;
             settings.block = block;
             settings.output_channels = output_channels;
             settings.output_frames =
                 static_cast<std::uint64_t>(std::max<std::int64_t>(output_frames, 0));
             settings.ppm = ppm;
             if (const float* audio = optional_data("input", input, {-1, -1})) {
               const auto array = py::reinterpret_borrow<Floats>(input);
               settings.input_channels = static_cast<int>(array.shape(1));
               settings.input.assign(audio, audio + array.size());
             }
             return std::make_unique<PacedDevice>(port.port, std::move(settings));
           }),
           py::arg("port"), py::kw_only(), py::arg("rate"), py::arg("block"), py::arg("input"),
           py::arg("output_frames") = 0, py::arg("output_channels") = 1, py::arg("ppm") = 0.0)
      .def("start", [](PacedDevice& d) { in_turn([&] { d.start(); }); })
      .def("stop", &PacedDevice::stop, py::call_guard<ReleasedGil>())
      .def("wait", &PacedDevice::wait, py::arg("timeout"), py::call_guard<ReleasedGil>())
      .def_property_readonly("position", &PacedDevice::position)
      .def_property_readonly("done", &PacedDevice::done)
      .def_property_readonly("late_wakes", &PacedDevice::late_wakes)
      .def_property_readonly("output", [](const PacedDevice& d) {
        const py::ssize_t channels = d.settings().output_channels;
        const auto frames = static_cast<py::ssize_t>(d.position());
        const py::ssize_t all = static_cast<py::ssize_t>(d.output().size()) / channels;
        Floats output({std::min(frames, all), channels});
        std::copy_n(d.output().data(), output.size(), output.mutable_data());
        return output;
      });
}

}  // namespace

void bind_engine(py::module_& m) {
  py::class_<BoundEngine> c(m, "Engine");
  c.def(py::init(
            [](std::shared_ptr<BoundPort> port, int priority, bool lock_memory, double backlog_ms) {
              return std::make_unique<BoundEngine>(
                  std::move(port), realtime::EngineOptions{.priority = priority,
                                                           .lock_memory = lock_memory,
                                                           .backlog_s = backlog_ms * 1e-3});
            }),
        py::arg("port"), py::kw_only(), py::arg("priority") = 3, py::arg("lock_memory") = true,
        py::arg("backlog_ms") = 200.0)
      .def("set_coder", &set_coder, py::arg("encoder"), py::arg("decoder"), py::kw_only(),
           py::arg("codebooks"), py::arg("sample_rate"), py::arg("hop_samples"))
      .def("start", &start, py::kw_only(), py::arg("input_rate"), py::arg("output_rate"),
           py::arg("input_period"), py::arg("output_period"), py::arg("one_clock"),
           py::arg("block") = 0, py::arg("queue_frames") = py::none(), py::arg("extra_frames") = 0,
           py::arg("thread") = true)
      .def("stop", &BoundEngine::stop, py::call_guard<ReleasedGil>())
      .def(
          "step",
          [](BoundEngine& self, std::int64_t now_ns) {
            return in_turn([&] { return self.engine.step(now_ns); });
          },
          py::arg("now_ns"))
      .def("inject", &inject, py::arg("audio").noconvert())
      .def("collect", [](BoundEngine& self) { return self.engine.collect(); })
      .def("latency", &latency)
      .def("stats", &stats)
      .def("reset_stats", &reset_stats);
  bind_controls(c);
  bind_paced(m);
}

}  // namespace hopcodec::bindings
