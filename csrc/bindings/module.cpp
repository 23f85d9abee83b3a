#include "bindings/arrays.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "The compiled core of hopcodec: kernels, layers and sessions. Private; see hopcodec.";
  hopcodec::bindings::bind_system(m);
  auto sessions = m.def_submodule("sessions", "Layers, and sessions made of them on the CPU.");
  hopcodec::bindings::bind_layers(sessions);
  hopcodec::bindings::bind_sessions(sessions);
  auto cuda = m.def_submodule("cuda", "Sessions and operators on an NVIDIA GPU.");
  hopcodec::bindings::bind_cuda(cuda);
  hopcodec::bindings::bind_cuda_ops(cuda);
  auto ops = m.def_submodule("ops", "Operators on the CPU.");
  hopcodec::bindings::bind_ops(ops);
  hopcodec::bindings::bind_dlpack(ops);
  auto live = m.def_submodule("live", "The live engine, and its port to a device.");
  hopcodec::bindings::bind_port(live);
  hopcodec::bindings::bind_resampler(live);
  hopcodec::bindings::bind_engine(live);
}
