// Binds the stand-alone GPU operators. They take addresses, lengths and a stream, and launch
// kernels; they allocate nothing, copy nothing to the host and wait for nothing.
// hopcodec/_cuda_ops.py has checked that the shapes agree. A build without CUDA has the same
// functions, which raise DeviceError.
#include <pybind11/stl.h>

#include <array>

#include "bindings/arrays.hpp"
#include "layers/activation.hpp"
#include "layers/conv1d.hpp"
#include "layers/conv_transpose1d.hpp"

#if defined(HOPCODEC_HAS_CUDA)
#include "bindings/cuda_calls.hpp"
#else
#include "bindings/cuda_calls_absent.hpp"
#endif

namespace hopcodec::bindings {
namespace {

using Address = std::uintptr_t;
template <std::size_t kCount>
using Addresses = std::array<Address, kCount>;
template <std::size_t kCount>
using Lengths = std::array<int, kCount>;

// Kernels count elements in 32 bits.
void expect_count(const char* name, std::initializer_list<std::int64_t> lengths) {
  constexpr std::int64_t kMost = std::int64_t{1} << 31;
  std::int64_t count = 1;
  for (const std::int64_t length : lengths) {
    if (length < 0) {
      throw py::value_error(std::string(name) + ": expected no negative length, got " +
                            std::to_string(length));
    }
    if (length > 0 && count >= kMost / length) {
      throw py::value_error(std::string(name) + ": expected fewer than 2^31 elements, got more");
    }
    count *= length;
  }
}

int activation_index(const std::string& name) {
  return static_cast<int>(layers::parse_nonlinearity(name));
}

// batch, in, out, kernel, time, held, stride, dilation
using Conv = Lengths<8>;

void check_conv(const Conv& n) {
  const layers::Conv1dShape shape{
      .in_channels = n[1], .out_channels = n[2], .kernel = n[3], .stride = n[6], .dilation = n[7]};
  shape.check();
  const std::int64_t total = std::int64_t{n[4]} + n[5];
  expect_count("x with its state", {n[0], n[1], total});
  expect_count("y", {n[0], n[2], total});
  expect_count("weight", {n[2] + 3, n[3], n[1] + 3});
}

std::size_t conv_workspace(const Conv& n) {
  check_conv(n);
  return cuda_calls::causal_conv1d({}, n, 0).workspace();
}

// x, weight, bias, state, alpha, y, next, workspace; bias, state and alpha may be 0.
void conv(const Addresses<8>& p, const Conv& n, const std::string& activation, int device,
          Address stream) {
  check_conv(n);
  cuda_calls::causal_conv1d(p, n, activation_index(activation)).run(device, stream);
}

// batch, in, out, kernel, time, stride; the state holds ceil(kernel / stride) - 1 columns.
using Transpose = Lengths<6>;

void check_transpose(const Transpose& n) {
  const layers::ConvTranspose1dShape shape{
      .in_channels = n[1], .out_channels = n[2], .kernel = n[3], .stride = n[5]};
  shape.check();
  const std::int64_t taps = shape.taps();
  expect_count("x with its state", {n[0], n[1], n[4] + taps});
  expect_count("y", {n[0], std::int64_t{n[2]} * n[5], n[4]});
  expect_count("weight", {std::int64_t{n[2]} * n[5] + 3, taps, n[1] + 3});
}

std::size_t transpose_workspace(const Transpose& n) {
  check_transpose(n);
  return cuda_calls::causal_conv_transpose1d({}, n).workspace();
}

// x, weight, bias, state, y, next, workspace; bias and state may be 0.
void transpose(const Addresses<7>& p, const Transpose& n, int device, Address stream) {
  check_transpose(n);
  cuda_calls::causal_conv_transpose1d(p, n).run(device, stream);
}

// units, time
void check_lstm(const Lengths<2>& n) {
  expect_count("x", {n[0], std::int64_t{n[1]} + 1});
  expect_count("weights", {8, n[0] + 3, n[0] + 3});
}

std::size_t lstm_workspace(const Lengths<2>& n) {
  check_lstm(n);
  return cuda_calls::lstm({}, n).workspace();
}

// x, weight_ih, weight_hh, bias_ih, bias_hh, hidden, cell, y, next hidden, next cell, workspace;
// hidden and cell may be 0.
void lstm(const Addresses<11>& p, const Lengths<2>& n, int device, Address stream) {
  check_lstm(n);
  cuda_calls::lstm(p, n).run(device, stream);
}

// dim, time, n_q, size
void check_quantize(const Lengths<4>& n) {
  if (n[0] < 1 || n[0] > cuda_calls::kMostDim) {
    throw py::value_error("codebooks: expected entries of 1 to " +
                          std::to_string(cuda_calls::kMostDim) + " floats on a GPU, got " +
                          std::to_string(n[0]));
  }
  expect_count("x", {n[0], n[1], 2});
  expect_count("codes", {n[1], n[2]});
  expect_count("codebooks", {n[2], std::int64_t{n[3]} + 3, n[0] + 3});
}

std::size_t quantize_workspace(const Lengths<4>& n, bool normalised) {
  check_quantize(n);
  return cuda_calls::quantize({}, n, normalised, false).workspace();
}

// x, codebooks, codes, workspace; codes are int32 when `wide`, else uint16.
void quantize(const Addresses<4>& p, const Lengths<4>& n, bool normalised, bool wide, int device,
              Address stream) {
  check_quantize(n);
  cuda_calls::quantize(p, n, normalised, wide).run(device, stream);
}

// codes, codebooks, x
void dequantize(const Addresses<3>& p, const Lengths<4>& n, bool wide, int device, Address stream) {
  expect_count("x", {n[0], n[1]});
  expect_count("codes", {n[1], n[2]});
  cuda_calls::dequantize(p, n, wide).run(device, stream);
}

// batch, channels, time, groups
void check_norm(const Lengths<4>& n) {
  if (n[3] < 1 || n[1] % n[3] != 0) {
    throw py::value_error("groups: expected a divisor of " + std::to_string(n[1]) +
                          " channels, got " + std::to_string(n[3]));
  }
  expect_count("x", {n[0], n[1], n[2]});
}

std::size_t norm_workspace(const Lengths<4>& n) {
  check_norm(n);
  return cuda_calls::group_norm({}, n, 0.0F).workspace();
}

// x, weight, bias, y, workspace
void norm(const Addresses<5>& p, const Lengths<4>& n, float eps, int device, Address stream) {
  check_norm(n);
  cuda_calls::group_norm(p, n, eps).run(device, stream);
}

// x, alpha, y; batch, channels, time
void snake(const Addresses<3>& p, const Lengths<3>& n, int device, Address stream) {
  expect_count("x", {n[0], n[1], n[2]});
  cuda_calls::snake(p, n).run(device, stream);
}

// x, y
void pointwise(const std::string& name, const Addresses<2>& p, std::size_t count, int device,
               Address stream) {
  cuda_calls::pointwise(name, p, count).run(device, stream);
}

}  // namespace

void bind_cuda_ops(py::module_& m) {
  // True in a build for tests in which device memory is host memory (tests/cpp/cuda_shim).
#if defined(HOPCODEC_CUDA_STAND_IN)
  m.def("stand_in", [] { return true; });
#else
  m.def("stand_in", [] { return false; });
#endif
  const auto p = py::arg("addresses");
  const auto n = py::arg("lengths");
  const auto device = py::arg("device");
  const auto stream = py::arg("stream");
  m.def("causal_conv1d_workspace", &conv_workspace, n);
  m.def("causal_conv1d", &conv, p, n, py::arg("activation"), device, stream);
  m.def("causal_conv_transpose1d_workspace", &transpose_workspace, n);
  m.def("causal_conv_transpose1d", &transpose, p, n, device, stream);
  m.def("lstm_workspace", &lstm_workspace, n);
  m.def("lstm", &lstm, p, n, device, stream);
  m.def("quantize_workspace", &quantize_workspace, n, py::arg("normalised"));
  m.def("quantize", &quantize, p, n, py::arg("normalised"), py::arg("wide"), device, stream);
  m.def("dequantize", &dequantize, p, n, py::arg("wide"), device, stream);
  m.def("group_norm_workspace", &norm_workspace, n);
  m.def("group_norm", &norm, p, n, py::arg("eps"), device, stream);
  m.def("snake", &snake, p, n, device, stream);
  m.def("pointwise", &pointwise, py::arg("name"), p, py::arg("count"), device, stream);
}

}  // namespace hopcodec::bindings
