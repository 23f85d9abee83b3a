// Binds the resampler, for tests of it.
#include "realtime/resampler.hpp"

#include <cmath>
#include <stdexcept>
#include <vector>

#include "bindings/port.hpp"

namespace hopcodec::bindings {
namespace {

Floats resample(realtime::Resampler& self, const Floats& audio, int channels, double ratio) {
  expect_shape("audio", audio, {channels, -1});
  const std::vector<float> input = interleaved(audio);
  const auto frames = static_cast<std::uint64_t>(audio.shape(1));
  const auto room =
      static_cast<std::uint64_t>(std::ceil(static_cast<double>(frames) * ratio * 1.02)) + 16;
  std::vector<float> output(room * static_cast<std::uint64_t>(channels));
  const auto moved = self.process(input.data(), frames, output.data(), room);
  if (moved.used != frames) throw std::logic_error("resampler: expected room for all output");
  return planar(output, channels, moved.made);
}

struct BoundResampler {
  realtime::Resampler resampler;
  int channels;
  double ratio;  // output rate / input rate
};

}  // namespace

void bind_resampler(py::module_& m) {
  py::class_<BoundResampler>(m, "Resampler")
      .def(py::init([](int input_rate, int output_rate, int channels) {
             return BoundResampler{{input_rate, output_rate, channels},
                                   channels,
                                   static_cast<double>(output_rate) / input_rate};
           }),
           py::arg("input_rate"), py::arg("output_rate"), py::arg("channels") = 1)
      .def(
          "process",
          [](BoundResampler& self, const Floats& audio) {
            return resample(self.resampler, audio, self.channels, self.ratio);
          },
          py::arg("audio").noconvert())
      .def(
          "adjust", [](BoundResampler& self, double by) { self.resampler.adjust(by); },
          py::arg("adjustment"))
      .def("reset", [](BoundResampler& self) { self.resampler.reset(); })
      .def_property_readonly(
          "delay_frames", [](const BoundResampler& self) { return self.resampler.delay_frames(); });
}

}  // namespace hopcodec::bindings
