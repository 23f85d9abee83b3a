#include "bindings/arrays.hpp"

namespace py = pybind11;

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "The compiled core of hopcodec: kernels, layers and sessions. Private; see hopcodec.";
  hopcodec::bindings::bind_system(m);
  hopcodec::bindings::bind_layers(m);
  hopcodec::bindings::bind_sessions(m);
  hopcodec::bindings::bind_cuda(m);
  hopcodec::bindings::bind_cuda_ops(m);
  hopcodec::bindings::bind_dlpack(m);
  hopcodec::bindings::bind_ops(m);
  hopcodec::bindings::bind_port(m);
  hopcodec::bindings::bind_engine(m);
}
