// Arguments that are numpy arrays. A wrong dtype or layout is a TypeError; arrays are never
// converted by a silent copy.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include "bindings/released_gil.hpp"

namespace hopcodec::bindings {

namespace py = pybind11;

using Floats = py::array_t<float, py::array::c_style>;
using Codes = py::array_t<std::uint16_t, py::array::c_style>;
using Ints = py::array_t<std::int32_t, py::array::c_style>;

inline std::string shape_text(const py::array& a) {
  std::string text = "(";
  for (py::ssize_t d = 0; d < a.ndim(); ++d) {
    text += (d == 0 ? "" : ", ") + std::to_string(a.shape(d));
  }
  return text + (a.ndim() == 1 ? ",)" : ")");
}

// Raises ValueError unless `a` has this shape; -1 matches any length.
inline void expect_shape(const char* name, const py::array& a,
                         std::initializer_list<py::ssize_t> shape) {
  bool same = a.ndim() == static_cast<py::ssize_t>(shape.size());
  std::string expected = "(";
  py::ssize_t d = 0;
  for (const py::ssize_t length : shape) {
    if (same && length >= 0 && a.shape(d) != length) same = false;
    expected += (d == 0 ? "" : ", ") + (length < 0 ? "*" : std::to_string(length));
    ++d;
  }
  if (same) return;
  throw py::value_error(std::string(name) + ": expected shape " + expected + "), got " +
                        shape_text(a));
}

// Raises hopcodec.errors.<type>.
[[noreturn]] inline void raise(const char* type, const std::string& message) {
  PyErr_SetString(py::module_::import("hopcodec.errors").attr(type).ptr(), message.c_str());
  throw py::error_already_set();
}

// Returns the data of a float32 array, or null for None.
inline const float* optional_data(const char* name, const py::object& object,
                                  std::initializer_list<py::ssize_t> shape) {
  if (object.is_none()) return nullptr;
  if (!Floats::check_(object)) {
    throw py::type_error(std::string(name) + ": expected a C-contiguous float32 array or None");
  }
  const auto array = py::reinterpret_borrow<Floats>(object);
  expect_shape(name, array, shape);
  return array.data();
}

void bind_layers(py::module_& m);
void bind_sessions(py::module_& m);
void bind_cuda(py::module_& m);
void bind_cuda_ops(py::module_& m);
void bind_dlpack(py::module_& m);
void bind_ops(py::module_& m);
void bind_system(py::module_& m);
void bind_port(py::module_& m);
void bind_resampler(py::module_& m);
void bind_engine(py::module_& m);

}  // namespace hopcodec::bindings
