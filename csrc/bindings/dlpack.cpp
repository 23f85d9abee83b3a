// Reads a DLPack capsule (dmlc.github.io/dlpack) as plain numbers, so that tensors of any library
// can be used without depending on it. The producer keeps ownership.
#include <pybind11/stl.h>

#include "bindings/arrays.hpp"

namespace hopcodec::bindings {
namespace {

// The unversioned exchange structure; a producer returns it unless the consumer asks for a version.
struct DLTensor {
  void* data;
  std::int32_t device_type;
  std::int32_t device_id;
  std::int32_t ndim;
  std::uint8_t type_code;
  std::uint8_t type_bits;
  std::uint16_t type_lanes;
  const std::int64_t* shape;
  const std::int64_t* strides;  // in elements; null for C order
  std::uint64_t byte_offset;
};

bool is_c_contiguous(const DLTensor& t) {
  if (t.strides == nullptr) return true;
  std::int64_t expected = 1;
  for (int d = t.ndim - 1; d >= 0; --d) {
    if (t.shape[d] == 0) return true;
    if (t.shape[d] != 1 && t.strides[d] != expected) return false;
    expected *= t.shape[d];
  }
  return true;
}

std::string type_name(const DLTensor& t) {
  static constexpr const char* kKinds[] = {"int", "uint", "float", "handle", "bfloat", "complex"};
  std::string name = t.type_code < 6    ? kKinds[t.type_code]
                     : t.type_code == 6 ? "bool"
                                        : "type " + std::to_string(t.type_code) + "-";
  if (t.type_code != 6) name += std::to_string(t.type_bits);
  return t.type_lanes == 1 ? name : name + "x" + std::to_string(t.type_lanes);
}

// (address, shape, dtype, device type, device, C-contiguous)
py::typing::Tuple<std::uintptr_t, py::typing::Tuple<int, py::ellipsis>, std::string, int, int, bool>
look(const py::capsule& capsule) {
  // Check the name here, because pybind11's get_pointer accepts any name.
  if (!PyCapsule_IsValid(capsule.ptr(), "dltensor")) {
    throw py::type_error("dlpack: expected an unused capsule \"dltensor\", got another");
  }
  const auto& t = *static_cast<const DLTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
  py::tuple shape(static_cast<std::size_t>(t.ndim));
  for (int d = 0; d < t.ndim; ++d) shape[static_cast<std::size_t>(d)] = t.shape[d];
  const auto address = reinterpret_cast<std::uintptr_t>(t.data) + t.byte_offset;
  return py::make_tuple(address, shape, type_name(t), t.device_type, t.device_id,
                        is_c_contiguous(t));
}

}  // namespace

void bind_dlpack(py::module_& m) { m.def("look_at_dlpack", &look, py::arg("capsule")); }

}  // namespace hopcodec::bindings
