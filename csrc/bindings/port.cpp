// Binds the port: the sides of the device's process and of the owner's process, and a transport
// without a device.
#include "bindings/port.hpp"

#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "realtime/callback.hpp"
#include "realtime/clock.hpp"

namespace hopcodec::bindings {

using realtime::kMostDeviceChannels;
using realtime::Port;
using realtime::PortState;

Floats planar(const std::vector<float>& interleaved, int channels, std::uint64_t frames) {
  Floats result({py::ssize_t{channels}, static_cast<py::ssize_t>(frames)});
  float* to = result.mutable_data();
  for (int c = 0; c < channels; ++c) {
    for (std::uint64_t t = 0; t < frames; ++t) {
      *to++ = interleaved[t * static_cast<std::uint64_t>(channels) + static_cast<std::uint64_t>(c)];
    }
  }
  return result;
}

std::vector<float> interleaved(const Floats& planar) {
  const auto channels = static_cast<std::size_t>(planar.shape(0));
  const auto frames = static_cast<std::size_t>(planar.shape(1));
  std::vector<float> result(channels * frames);
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t t = 0; t < frames; ++t) {
      result[t * channels + c] = planar.data()[c * frames + t];
    }
  }
  return result;
}

namespace {

// Allows one thread at a time; a second one gets an error instead of waiting.
class Claim {
 public:
  Claim(std::atomic<bool>& taken, const char* who) : taken_(taken) {
    if (taken_.exchange(true)) {
      raise("StreamError", std::string("port: expected one ") + who + " at a time, got another");
    }
  }
  ~Claim() { taken_.store(false); }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  std::atomic<bool>& taken_;
};

const char* name_of(PortState state) {
  switch (state) {
    case PortState::kNew:
      return "new";
    case PortState::kOpen:
      return "open";
    case PortState::kRunning:
      return "running";
    case PortState::kFailed:
      return "failed";
    case PortState::kClosed:
      return "closed";
  }
  return "unknown";
}

template <std::size_t N>
void put_text(char (&to)[N], const std::string& text) {
  const std::size_t n = std::min(text.size(), N - 1);
  std::memcpy(to, text.data(), n);
  std::memset(to + n, 0, N - n);
}

template <std::size_t N>
py::str get_text(const char (&from)[N]) {
  // Replace invalid UTF-8: names from the host may use another encoding, and truncation may split a
  // character.
  PyObject* text =
      PyUnicode_DecodeUTF8(from, static_cast<py::ssize_t>(strnlen(from, N)), "replace");
  if (text == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(text);
}

std::uint32_t in_bounds(const char* what, std::int64_t value, std::int64_t least,
                        std::int64_t most) {
  if (value >= least && value <= most) return static_cast<std::uint32_t>(value);
  throw py::value_error(std::string(what) + ": expected " + std::to_string(least) + " to " +
                        std::to_string(most) + ", got " + std::to_string(value));
}

void put_sources(realtime::Link& link, const std::vector<int>& sources) {
  if (sources.size() != link.output_channels) {
    throw py::value_error("output_sources: expected one of each of the " +
                          std::to_string(link.output_channels) + " output channels, got " +
                          std::to_string(sources.size()));
  }
  for (std::size_t c = 0; c < sources.size(); ++c) {
    if (sources[c] < -1 || sources[c] >= static_cast<int>(kMostDeviceChannels)) {
      throw py::value_error("output_sources: expected -1 (silence) or a codec channel, got " +
                            std::to_string(sources[c]));
    }
    link.output_sources[c] = static_cast<std::int8_t>(sources[c]);
  }
}

void open_port(BoundPort& self, std::int64_t input_rate, std::int64_t output_rate,
               std::int64_t input_channels, std::int64_t output_channels, std::int64_t input_period,
               std::int64_t output_period, bool one_clock, double input_latency,
               double output_latency, bool latency_exact, const std::string& name,
               std::int64_t first_input_channel, const std::vector<int>& output_sources) {
  realtime::Link link;
  link.input_rate_hz = in_bounds("input_rate", input_rate, 1000, 768000);
  link.output_rate_hz = in_bounds("output_rate", output_rate, 1000, 768000);
  link.input_channels = in_bounds("input_channels", input_channels, 1, kMostDeviceChannels);
  link.output_channels = in_bounds("output_channels", output_channels, 1, kMostDeviceChannels);
  link.first_input_channel =
      in_bounds("first_input_channel", first_input_channel, 0, input_channels - 1);
  if (!output_sources.empty()) put_sources(link, output_sources);
  link.input_period = in_bounds("input_period", input_period, 1, 65536);
  link.output_period = in_bounds("output_period", output_period, 1, 65536);
  link.one_clock = one_clock ? 1 : 0;
  const auto trusted = [](double s) { return std::isfinite(s) && s > 0.0 && s < 10.0 ? s : 0.0; };
  link.input_latency_s = trusted(input_latency);
  link.output_latency_s = trusted(output_latency);
  link.latency_exact = latency_exact ? 1 : 0;
  put_text(link.name, name);
  realtime::PortBlock& block = self.port->block();
  block.link = link;
  block.state.store(PortState::kOpen, std::memory_order_release);
}

py::typing::Dict<py::str, py::object> link_of(const BoundPort& self) {
  const realtime::Link& link = self.port->block().link;
  py::dict d;
  d["input_rate"] = link.input_rate_hz;
  d["output_rate"] = link.output_rate_hz;
  d["input_period"] = link.input_period;
  d["output_period"] = link.output_period;
  d["one_clock"] = link.one_clock != 0;
  return d;
}

void reset_port(BoundPort& self) {
  if (self.engines.load() > 0) {
    raise("StreamError", "port: expected no running engine on reset(), got one");
  }
  realtime::PortBlock& block = self.port->block();
  block.engine.armed.store(0);
  // A process killed inside a callback never counted itself out.
  block.capture.left.store(block.capture.entered.load());
  block.playback.left.store(block.playback.entered.load());
  self.port->clear();
  block.capture.largest_block.store(0);  // belongs to the last device
  block.playback.largest_block.store(0);
  block.capture.clock.set(0, 0);
  block.playback.clock.set(0, 0);
  block.beat_ns.store(0);
  block.going.store(0);
  block.stopping.store(0);
  block.state.store(PortState::kNew);
}

py::typing::Dict<py::str, py::int_> counters_of(const BoundPort& self) {
  const realtime::PortBlock& block = self.port->block();
  const realtime::CaptureSide& in = block.capture;
  const realtime::PlaybackSide& out = block.playback;
  py::dict d;
  d["callbacks"] = std::max(in.left.load(), out.left.load());
  d["capture_callbacks"] = in.left.load();
  d["playback_callbacks"] = out.left.load();
  d["captured_frames"] = in.frames.load();
  d["played_frames"] = out.frames.load();
  d["input_underflows"] = in.input_underflows.load();
  d["input_overflows"] = in.input_overflows.load();
  d["output_underflows"] = out.output_underflows.load();
  d["output_overflows"] = out.output_overflows.load();
  d["concealed_frames"] = out.concealed_frames.load();
  d["conceal_events"] = out.conceal_events.load();
  d["discarded_frames"] = out.discarded_frames.load();
  d["dropped_frames"] = in.dropped_frames.load();
  d["drop_events"] = in.drop_events.load();
  d["monitor_lost_frames"] = in.monitor_lost_frames.load() + out.monitor_lost_frames.load();
  d["largest_block"] = std::max(in.largest_block.load(), out.largest_block.load());
  return d;
}

// Returns the older callback of the directions in use, because one direction can stop alone.
std::int64_t last_callback(const BoundPort& self) {
  const std::int64_t in = self.port->block().capture.clock.at_ns();
  const std::int64_t out = self.port->block().playback.clock.at_ns();
  if (in == 0 || out == 0) return std::max(in, out);
  return std::min(in, out);
}

// --- without a device ---------------------------------------------------------------------------

std::int64_t write(BoundPort& self, const Floats& audio) {
  expect_shape("audio", audio, {self.port->channels(), -1});
  const Claim claim(self.writing, "writer");
  const std::vector<float> frames = interleaved(audio);
  return static_cast<std::int64_t>(realtime::on_capture(*self.port, frames.data(),
                                                        static_cast<std::uint64_t>(audio.shape(1)),
                                                        self.port->channels(), realtime::now_ns()));
}

std::uint64_t frames_argument(std::int64_t frames) {
  return in_bounds("frames", frames, 0, std::int64_t{1} << 28);
}

std::vector<float> room_for(const BoundPort& self, std::uint64_t frames) {
  return std::vector<float>(frames * static_cast<std::uint64_t>(self.port->channels()));
}

Floats read(BoundPort& self, std::int64_t most) {
  const Claim claim(self.reading, "reader");
  const std::uint64_t frames = std::min(frames_argument(most), self.port->playback().capacity());
  std::vector<float> audio = room_for(self, frames);
  const std::uint64_t got =
      realtime::take_ready(*self.port, audio.data(), frames, realtime::now_ns());
  return planar(audio, self.port->channels(), got);
}

Floats play(BoundPort& self, std::int64_t count) {
  const Claim claim(self.reading, "reader");
  const std::uint64_t frames = frames_argument(count);
  std::vector<float> audio = room_for(self, frames);
  realtime::on_playback(*self.port, audio.data(), frames, self.port->channels(),
                        realtime::now_ns());
  return planar(audio, self.port->channels(), frames);
}

Floats drain(BoundPort& self, realtime::Ring& ring, std::int64_t most) {
  if (!self.port->monitored()) {
    raise("StreamError", "port: expected Port(monitor=True), got one without");
  }
  const Claim claim(self.monitoring, "reader of the monitors");
  const std::uint64_t frames = std::min(frames_argument(most), ring.readable());
  std::vector<float> audio = room_for(self, frames);
  const std::uint64_t got = ring.read(audio.data(), frames);
  return planar(audio, self.port->channels(), got);
}

Floats callback(BoundPort& self, const py::object& input, std::int64_t count, std::int64_t at_ns,
                std::uint32_t flags, bool plays) {
  const realtime::Link& link = self.port->block().link;
  if (link.input_rate_hz == 0) raise("StreamError", "port: expected open() before callback()");
  const std::uint64_t frames = frames_argument(count);
  const float* audio = optional_data(
      "input", input,
      {static_cast<py::ssize_t>(frames), static_cast<py::ssize_t>(link.input_channels)});
  const Claim writer(self.writing, "writer");
  const Claim reader(self.reading, "reader");
  Floats output({plays ? static_cast<py::ssize_t>(frames) : py::ssize_t{0},
                 static_cast<py::ssize_t>(link.output_channels)});
  if (audio == nullptr && !plays) return output;
  realtime::on_block(*self.port, audio, plays ? output.mutable_data() : nullptr, frames, flags,
                     at_ns == 0 ? realtime::now_ns() : at_ns);
  return output;
}

void bind_child_side(py::class_<BoundPort, std::shared_ptr<BoundPort>>& c) {
  c.def("open", &open_port, py::kw_only(), py::arg("input_rate"), py::arg("output_rate"),
        py::arg("input_channels"), py::arg("output_channels"), py::arg("input_period"),
        py::arg("output_period"), py::arg("one_clock"), py::arg("input_latency") = 0.0,
        py::arg("output_latency") = 0.0, py::arg("latency_exact") = false, py::arg("name") = "",
        py::arg("first_input_channel") = 0, py::arg("output_sources") = std::vector<int>())
      .def("run", [](BoundPort& p) { p.port->block().state.store(PortState::kRunning); })
      .def("closed", [](BoundPort& p) { p.port->block().state.store(PortState::kClosed); })
      .def("beat", [](BoundPort& p) { p.port->block().beat_ns.store(realtime::now_ns()); })
      .def(
          "fail",
          [](BoundPort& p, const std::string& text) {
            put_text(p.port->block().error, text);
            p.port->block().state.store(PortState::kFailed, std::memory_order_release);
          },
          py::arg("text"))
      .def_property_readonly("going",
                             [](const BoundPort& p) { return p.port->block().going.load() != 0; })
      .def_property_readonly(
          "stopping", [](const BoundPort& p) { return p.port->block().stopping.load() != 0; });
}

void bind_owner_side(py::class_<BoundPort, std::shared_ptr<BoundPort>>& c) {
  c.def("go", [](BoundPort& p) { p.port->block().going.store(1); })
      .def("stop", [](BoundPort& p) { p.port->block().stopping.store(1); })
      .def("reset", &reset_port)
      .def("link", &link_of)
      .def("counters", &counters_of)
      .def_property_readonly("last_callback_ns", &last_callback)
      .def_property_readonly(
          "last_capture_ns",
          [](const BoundPort& p) { return p.port->block().capture.clock.at_ns(); })
      .def_property_readonly(
          "last_playback_ns",
          [](const BoundPort& p) { return p.port->block().playback.clock.at_ns(); })
      .def_property_readonly("last_beat_ns",
                             [](const BoundPort& p) { return p.port->block().beat_ns.load(); })
      .def_property_readonly("error",
                             [](const BoundPort& p) { return get_text(p.port->block().error); })
      .def_property_readonly("name",
                             [](const BoundPort& p) { return get_text(p.port->block().link.name); })
      .def_property_readonly("state", [](const BoundPort& p) {
        return name_of(p.port->block().state.load(std::memory_order_acquire));
      });
}

}  // namespace

void bind_port(py::module_& m) {
  py::class_<BoundPort, std::shared_ptr<BoundPort>> c(m, "Port");
  c.def(py::init([](int channels, double seconds, bool monitor) {
          auto bound = std::make_shared<BoundPort>();
          bound->port = std::make_shared<Port>(channels, seconds, monitor);
          return bound;
        }),
        py::kw_only(), py::arg("channels") = 1, py::arg("seconds") = 2.0,
        py::arg("monitor") = false)
      .def_static(
          "attach",
          [](int fd) {
            auto bound = std::make_shared<BoundPort>();
            bound->port = std::make_shared<Port>(fd);
            return bound;
          },
          py::arg("fd"))
      .def_property_readonly("fd", [](const BoundPort& p) { return p.port->fd(); })
      .def_property_readonly(
          "address",
          [](const BoundPort& p) { return reinterpret_cast<std::uintptr_t>(p.port.get()); })
      .def_property_readonly("channels", [](const BoundPort& p) { return p.port->channels(); });
  bind_child_side(c);
  bind_owner_side(c);
  c.def("write", &write, py::arg("audio").noconvert())
      .def("read", &read, py::arg("frames"))
      .def("play", &play, py::arg("frames"))
      .def("callback", &callback, py::arg("input"), py::arg("frames"), py::arg("now_ns") = 0,
           py::arg("flags") = 0, py::arg("plays") = true)
      .def(
          "heard", [](BoundPort& p, std::int64_t n) { return drain(p, p.port->heard(), n); },
          py::arg("frames"))
      .def(
          "captured", [](BoundPort& p, std::int64_t n) { return drain(p, p.port->captured(), n); },
          py::arg("frames"));
  m.def("callback_address",
        [] { return reinterpret_cast<std::uintptr_t>(&realtime::hopcodec_stream_callback); });
}

}  // namespace hopcodec::bindings
