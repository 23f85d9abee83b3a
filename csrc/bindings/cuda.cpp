// Binds Encoder and Decoder on a GPU. A build without CUDA has the same classes, whose constructors
// raise a DeviceError that says so.
#include "bindings/sessions.hpp"

#include <pybind11/stl.h>

#if defined(HOPCODEC_HAS_CUDA)
#include "graph/cuda/decoder.hpp"
#include "graph/cuda/encoder.hpp"
#else
#include "bindings/cuda_absent.hpp"
#endif

namespace hopcodec::bindings {
namespace {

graph::cuda::Precision parse_product_precision(const std::string& name) {
  using graph::cuda::Precision;
  if (name == "fp32") return Precision::kFloat32;
  if (name == "tf32") return Precision::kTf32;
  if (name == "bf16") return Precision::kBfloat16;
  throw py::value_error("precision: expected \"fp32\", \"tf32\" or \"bf16\", got \"" + name + "\"");
}

template <class S>
auto make_cuda(const LayerList& layers, Quantizer& quantizer, int channels, int hop_samples,
               int streams, int max_frames, bool zero_start, bool whole_hops, int device,
               const std::vector<int>& codebooks, bool graphs, const std::string& precision) {
  const graph::cuda::Precision products = parse_product_precision(precision);
  const std::uint64_t hash = fingerprint(layers, quantizer, channels, hop_samples);
  if (quantizer.uploads == nullptr) quantizer.uploads = std::make_shared<graph::cuda::Uploads>();
  const ReleasedGil release;
  return std::make_unique<S>(layers.layers, quantizer.weights, channels, hop_samples,
                             graph::cuda::Options{.streams = streams,
                                                  .max_frames = max_frames,
                                                  .zero_start = zero_start,
                                                  .whole_hops = whole_hops,
                                                  .fingerprint = hash,
                                                  .device = device,
                                                  .graphs = graphs,
                                                  .codebooks = codebooks,
                                                  .precision = products,
                                                  .uploads = quantizer.uploads});
}

template <class S>
py::class_<S> bind_cuda_session(py::module_& m, const char* name) {
  py::class_<S> c(m, name);
  c.def(py::init(&make_cuda<S>), py::arg("layers"), py::arg("quantizer"), py::kw_only(),
        py::arg("channels"), py::arg("hop_samples"), py::arg("streams") = 1,
        py::arg("max_frames") = 1, py::arg("zero_start") = false, py::arg("whole_hops") = false,
        py::arg("device") = 0, py::arg("codebooks") = std::vector<int>(), py::arg("graphs") = true,
        py::arg("precision") = "fp32")
      .def_property_readonly("device_bytes", &S::device_bytes)
      .def_property_readonly("graph_steps", &S::graph_steps)
      .def_property_readonly("eager_steps", &S::eager_steps);
  bind_common(c);
  return c;
}

}  // namespace

void bind_cuda(py::module_& m) {
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const graph::cuda::DeviceError& error) {
      const py::object type = py::module_::import("hopcodec.errors").attr("DeviceError");
      PyErr_SetString(type.ptr(), error.what());
    }
  });
  // Raises a DeviceError with the reason unless sessions can run on this device.
  m.def("check", [](int device) { graph::cuda::Device{device}; }, py::arg("device") = 0);
  bind_encoder(bind_cuda_session<graph::cuda::Encoder>(m, "Encoder"));
  bind_decoder(bind_cuda_session<graph::cuda::Decoder>(m, "Decoder"));
}

}  // namespace hopcodec::bindings
