// Binds the kernels as functions on numpy arrays, channels first as in torch. Every call packs its
// weights, so these are for experiments and tests. A session packs once.
#include <algorithm>
#include <cstring>
#include <vector>

#include <pybind11/typing.h>

#include "base/float_mode.hpp"
#include "base/integers.hpp"
#include "bindings/arrays.hpp"
#include "bindings/isa_argument.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/fold.hpp"
#include "kernels/group_norm.hpp"
#include "layers/activation.hpp"
#include "layers/conv1d.hpp"
#include "layers/conv_transpose1d.hpp"
#include "layers/lstm.hpp"
#include "layers/rvq.hpp"

namespace hopcodec::bindings {
namespace {

using base::usize;
using layers::Compute;
using layers::RowBlock;

// The Compute of one call: the kernels of `isa` on the calling thread.
struct Caller {
  explicit Caller(const std::string& isa)
      : pool(1), compute{kernels::table_of(isa_argument(isa)), pool} {}
  layers::Pool pool;
  Compute compute;
  base::FlushDenormals flush;
};

// (rows, columns) -> (columns, rows)
void transpose(const float* from, float* to, py::ssize_t rows, py::ssize_t columns) {
  for (py::ssize_t r = 0; r < rows; ++r) {
    for (py::ssize_t c = 0; c < columns; ++c) to[c * rows + r] = from[r * columns + c];
  }
}

// x (batch, in, time), state (batch, in, held) -> y (batch, out, frames), state (batch, in, held')
py::typing::Tuple<Floats, Floats> causal_conv1d(const Floats& x, const Floats& weight,
                                                const Floats& bias, const Floats& state, int stride,
                                                int dilation, const std::string& activation,
                                                const py::object& alpha, const std::string& isa) {
  expect_shape("weight", weight, {-1, -1, -1});
  const py::ssize_t out = weight.shape(0);
  const py::ssize_t in = weight.shape(1);
  expect_shape("bias", bias, {out});
  expect_shape("x", x, {-1, in, -1});
  const py::ssize_t batch = x.shape(0);
  const py::ssize_t time = x.shape(2);
  expect_shape("state", state, {batch, in, -1});
  const py::ssize_t held = state.shape(2);
  const layers::Conv1dShape shape{.in_channels = static_cast<int>(in),
                                  .out_channels = static_cast<int>(out),
                                  .kernel = static_cast<int>(weight.shape(2)),
                                  .stride = stride,
                                  .dilation = dilation};
  shape.check();
  Caller caller(isa);
  const auto matrix = layers::pack_conv1d(shape, weight.data(), bias.data());
  const layers::Activation input(layers::parse_nonlinearity(activation),
                                 optional_data("alpha", alpha, {in}), usize(in));
  const py::ssize_t total = held + time;
  const py::ssize_t frames = total < shape.reach() ? 0 : (total - shape.reach()) / stride + 1;
  const py::ssize_t kept = total - frames * stride;
  Floats y({batch, out, frames});
  Floats next({batch, in, kept});
  std::vector<float> rows(usize(total * in));
  std::vector<float> result(usize(frames * out));
  std::vector<float> fresh(usize(time * in));
  const kernels::Window window = {shape.kernel, shape.in_channels,
                                  std::ptrdiff_t{dilation} * shape.in_channels};
  for (py::ssize_t b = 0; b < batch; ++b) {
    transpose(state.data() + b * in * held, rows.data(), in, held);
    transpose(x.data() + b * in * time, fresh.data(), in, time);
    // The state holds rows after the activation, as a layer's history does.
    input.apply(caller.compute.kernels, fresh.data(), usize(time), usize(in));
    std::copy(fresh.begin(), fresh.end(), rows.begin() + held * in);
    const RowBlock block = {.a = rows.data(),
                            .a_step = std::ptrdiff_t{stride} * in,
                            .c = result.data(),
                            .c_step = out,
                            .rows = static_cast<int>(frames)};
    matrix->multiply(caller.compute, window, &block, 1);
    transpose(result.data(), y.mutable_data() + b * out * frames, frames, out);
    transpose(rows.data() + frames * stride * in, next.mutable_data() + b * in * kept, kept, in);
  }
  return py::make_tuple(y, next);
}

// x (batch, in, time), state (batch, in, taps - 1) -> y (batch, out, time * stride), state
py::typing::Tuple<Floats, Floats> causal_conv_transpose1d(const Floats& x, const Floats& weight,
                                                          const Floats& bias, const Floats& state,
                                                          int stride, const std::string& isa) {
  expect_shape("weight", weight, {-1, -1, -1});
  const py::ssize_t in = weight.shape(0);
  const py::ssize_t out = weight.shape(1);
  expect_shape("bias", bias, {out});
  expect_shape("x", x, {-1, in, -1});
  const py::ssize_t batch = x.shape(0);
  const py::ssize_t time = x.shape(2);
  const layers::ConvTranspose1dShape shape{.in_channels = static_cast<int>(in),
                                           .out_channels = static_cast<int>(out),
                                           .kernel = static_cast<int>(weight.shape(2)),
                                           .stride = stride};
  shape.check();
  const py::ssize_t held = shape.taps() - 1;
  expect_shape("state", state, {batch, in, held});
  Caller caller(isa);
  const auto matrix = layers::pack_conv_transpose1d(shape, weight.data(), bias.data());
  Floats y({batch, out, time * stride});
  Floats next({batch, in, held});
  std::vector<float> rows(usize((held + time) * in));
  std::vector<float> result(usize(time * stride * out));
  for (py::ssize_t b = 0; b < batch; ++b) {
    transpose(state.data() + b * in * held, rows.data(), in, held);
    transpose(x.data() + b * in * time, rows.data() + held * in, in, time);
    const RowBlock block = {.a = rows.data(),
                            .a_step = in,
                            .c = result.data(),
                            .c_step = std::ptrdiff_t{stride} * out,
                            .rows = static_cast<int>(time)};
    matrix->multiply(caller.compute, {1, static_cast<int>(shape.taps() * in), 0}, &block, 1);
    transpose(result.data(), y.mutable_data() + b * out * time * stride, time * stride, out);
    transpose(rows.data() + time * in, next.mutable_data() + b * in * held, held, in);
  }
  return py::make_tuple(y, next);
}

// x (n, time), hidden (n), cell (n) -> y (n, time), hidden (n), cell (n)
py::typing::Tuple<Floats, Floats, Floats> lstm(const Floats& x, const Floats& weight_ih,
                                               const Floats& weight_hh, const Floats& bias_ih,
                                               const Floats& bias_hh, const Floats& hidden,
                                               const Floats& cell, const std::string& isa) {
  expect_shape("x", x, {-1, -1});
  const py::ssize_t n = x.shape(0);
  const py::ssize_t time = x.shape(1);
  expect_shape("weight_ih", weight_ih, {4 * n, n});
  expect_shape("weight_hh", weight_hh, {4 * n, n});
  expect_shape("bias_ih", bias_ih, {4 * n});
  expect_shape("bias_hh", bias_hh, {4 * n});
  expect_shape("hidden", hidden, {n});
  expect_shape("cell", cell, {n});
  Caller caller(isa);
  const layers::LstmWeights::Stage stage = layers::pack_lstm(
      static_cast<int>(n), weight_ih.data(), weight_hh.data(), bias_ih.data(), bias_hh.data());
  Floats h(n);
  Floats c(n);
  std::copy_n(hidden.data(), n, h.mutable_data());
  std::copy_n(cell.data(), n, c.mutable_data());
  std::vector<float> rows(usize(time * n));
  std::vector<float> gates(usize(4 * n));
  transpose(x.data(), rows.data(), n, time);
  const kernels::Window window = {1, static_cast<int>(n), 0};
  for (py::ssize_t t = 0; t < time; ++t) {
    const RowBlock from_x = {
        .a = rows.data() + t * n, .a_step = n, .c = gates.data(), .c_step = 4 * n, .rows = 1};
    const RowBlock from_h = {
        .a = h.data(), .a_step = n, .c = gates.data(), .c_step = 4 * n, .rows = 1};
    stage.input->multiply(caller.compute, window, &from_x, 1);
    stage.recurrent->multiply(caller.compute, window, &from_h, 1, /*resume=*/true);
    caller.compute.kernels.lstm_cell(gates.data(), c.mutable_data(), h.mutable_data(), usize(n));
    std::copy_n(h.data(), n, rows.data() + t * n);
  }
  Floats y({n, time});
  transpose(rows.data(), y.mutable_data(), time, n);
  return py::make_tuple(y, h, c);
}

layers::RvqWeights rvq_weights(const Floats& codebooks, bool normalised) {
  expect_shape("codebooks", codebooks, {-1, -1, -1});
  layers::RvqWeights w{.size = static_cast<int>(codebooks.shape(1)),
                       .dim = static_cast<int>(codebooks.shape(2)),
                       .inner = static_cast<int>(codebooks.shape(2)),
                       .books = {}};
  if (w.size < 1 || w.size > 65536) {
    throw py::value_error("codebooks: expected 1 to 65536 entries, got " + std::to_string(w.size));
  }
  for (py::ssize_t q = 0; q < codebooks.shape(0); ++q) {
    w.books.push_back(layers::make_codebook(codebooks.data(q, 0, 0), w.size, w.inner, normalised));
  }
  return w;
}

// x (dim, time), codebooks (n_q, size, dim) -> codes (n_q, time)
Codes rvq_encode(const Floats& x, const Floats& codebooks, const std::string& isa) {
  const layers::RvqWeights weights = rvq_weights(codebooks, /*normalised=*/false);
  expect_shape("x", x, {weights.dim, -1});
  const py::ssize_t time = x.shape(1);
  Caller caller(isa);
  layers::Rvq rvq(weights, 32);
  std::vector<float> rows(usize(time * weights.dim));
  transpose(x.data(), rows.data(), weights.dim, time);
  Codes codes({static_cast<py::ssize_t>(weights.codebooks()), time});
  std::vector<layers::Rvq::Frame> frames;
  for (py::ssize_t t = 0; t < time; ++t) {
    frames.push_back({rows.data() + t * weights.dim, codes.mutable_data() + t, time});
  }
  rvq.encode(caller.compute, frames.data(), static_cast<int>(time), weights.codebooks());
  return codes;
}

// codes (n_q, time), codebooks (>= n_q, size, dim) -> x (dim, time)
Floats rvq_decode(const Codes& codes, const Floats& codebooks, const std::string& isa) {
  const layers::RvqWeights weights = rvq_weights(codebooks, /*normalised=*/false);
  expect_shape("codes", codes, {-1, -1});
  const py::ssize_t n_q = codes.shape(0);
  const py::ssize_t time = codes.shape(1);
  if (n_q > weights.codebooks()) {
    throw py::value_error("codes: expected at most " + std::to_string(weights.codebooks()) +
                          " codebooks, got " + std::to_string(n_q));
  }
  for (py::ssize_t i = 0; i < codes.size(); ++i) {
    if (codes.data()[i] < weights.size) continue;
    throw py::value_error("codes: expected values below " + std::to_string(weights.size) +
                          ", got " + std::to_string(codes.data()[i]));
  }
  Caller caller(isa);
  layers::Rvq rvq(weights, 1);
  std::vector<float> rows(usize(time * weights.dim));
  for (py::ssize_t t = 0; t < time; ++t) {
    rvq.decode(caller.compute, codes.data() + t, time, static_cast<int>(n_q),
               rows.data() + t * weights.dim);
  }
  Floats x({py::ssize_t{weights.dim}, time});
  transpose(rows.data(), x.mutable_data(), time, weights.dim);
  return x;
}

// x (dim, time), codebooks (size, dim): nearest after L2 normalisation of both -> codes (time)
Codes nearest_normalised(const Floats& x, const Floats& codebook, const std::string& isa) {
  expect_shape("codebook", codebook, {-1, -1});
  const py::ssize_t size = codebook.shape(0);
  const py::ssize_t dim = codebook.shape(1);
  expect_shape("x", x, {dim, -1});
  if (size < 1 || size > 65536) {
    throw py::value_error("codebook: expected 1 to 65536 entries, got " + std::to_string(size));
  }
  const py::ssize_t time = x.shape(1);
  Caller caller(isa);
  const layers::Codebook book = layers::make_codebook(codebook.data(), static_cast<int>(size),
                                                      static_cast<int>(dim), /*normalised=*/true);
  std::vector<float> rows(usize(time * dim));
  std::vector<float> scores(usize(size));
  transpose(x.data(), rows.data(), dim, time);
  Codes codes(time);
  for (py::ssize_t t = 0; t < time; ++t) {
    float* row = rows.data() + t * dim;
    kernels::normalise(row, row, usize(dim));
    const RowBlock block = {.a = row, .a_step = dim, .c = scores.data(), .c_step = size, .rows = 1};
    book.search->multiply(caller.compute, {1, static_cast<int>(dim), 0}, &block, 1);
    codes.mutable_data()[t] =
        static_cast<std::uint16_t>(caller.compute.kernels.argmax(scores.data(), usize(size)));
  }
  return codes;
}

Floats like(const Floats& x) {
  return Floats(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
}

using Map = void (*)(const float*, float*, std::size_t);

Floats map(const Floats& x, Map kernels::KernelTable::* kernel, const std::string& isa) {
  const Caller caller(isa);
  Floats y = like(x);
  (caller.compute.kernels.*kernel)(x.data(), y.mutable_data(), usize(x.size()));
  return y;
}

// x (batch, channels, time), alpha (channels)
Floats snake(const Floats& x, const Floats& alpha, const std::string& isa) {
  expect_shape("alpha", alpha, {-1});
  const py::ssize_t channels = alpha.shape(0);
  expect_shape("x", x, {-1, channels, -1});
  const py::ssize_t time = x.shape(2);
  const Caller caller(isa);
  const layers::Activation activation(layers::Nonlinearity::kSnake, alpha.data(), usize(channels));
  Floats y = like(x);
  std::vector<float> rows(usize(channels * time));
  for (py::ssize_t b = 0; b < x.shape(0); ++b) {
    transpose(x.data() + b * channels * time, rows.data(), channels, time);
    activation.apply(caller.compute.kernels, rows.data(), usize(time), usize(channels));
    transpose(rows.data(), y.mutable_data() + b * channels * time, time, channels);
  }
  return y;
}

// x (batch, channels, time); statistics per batch item and group
Floats group_norm(const Floats& x, int groups, const Floats& weight, const Floats& bias,
                  float eps) {
  expect_shape("x", x, {-1, -1, -1});
  const py::ssize_t channels = x.shape(1);
  const py::ssize_t time = x.shape(2);
  expect_shape("weight", weight, {channels});
  expect_shape("bias", bias, {channels});
  if (groups < 1 || channels % groups != 0) {
    throw py::value_error("groups: expected a divisor of " + std::to_string(channels) +
                          " channels, got " + std::to_string(groups));
  }
  const kernels::KernelTable& table = kernels::table_of(isa_argument(""));
  Floats y = like(x);
  std::vector<float> rows(usize(channels * time));
  std::vector<double> map(usize(2 * channels));
  for (py::ssize_t b = 0; b < x.shape(0); ++b) {
    transpose(x.data() + b * channels * time, rows.data(), channels, time);
    std::vector<double> moments(usize(2 * channels));
    double* squares = moments.data() + channels;
    table.add_moments(rows.data(), usize(time), usize(channels), moments.data(), squares);
    kernels::normalising_map(moments.data(), squares, usize(time), usize(channels), usize(groups),
                             weight.data(), bias.data(), eps, map.data(), map.data() + channels);
    table.map_channels(rows.data(), rows.data(), usize(time), usize(channels), map.data(),
                       map.data() + channels);
    transpose(rows.data(), y.mutable_data() + b * channels * time, time, channels);
  }
  return y;
}

Floats fold_weight_norm(const Floats& g, const Floats& v) {
  expect_shape("v", v, {-1, -1});
  expect_shape("g", g, {v.shape(0)});
  Floats w({v.shape(0), v.shape(1)});
  kernels::fold_weight_norm(g.data(), v.data(), w.mutable_data(),
                            static_cast<std::size_t>(v.shape(0)),
                            static_cast<std::size_t>(v.shape(1)));
  return w;
}

}  // namespace

void bind_ops(py::module_& m) {
  const py::call_guard<base::DefaultFloatMode> guard;
  m.def("causal_conv1d", &causal_conv1d, guard, py::arg("x").noconvert(),
        py::arg("weight").noconvert(), py::arg("bias").noconvert(), py::arg("state").noconvert(),
        py::kw_only(), py::arg("stride") = 1, py::arg("dilation") = 1,
        py::arg("activation") = "none", py::arg("alpha") = py::none(), py::arg("isa") = "");
  m.def("causal_conv_transpose1d", &causal_conv_transpose1d, guard, py::arg("x").noconvert(),
        py::arg("weight").noconvert(), py::arg("bias").noconvert(), py::arg("state").noconvert(),
        py::kw_only(), py::arg("stride"), py::arg("isa") = "");
  m.def("lstm", &lstm, guard, py::arg("x").noconvert(), py::arg("weight_ih").noconvert(),
        py::arg("weight_hh").noconvert(), py::arg("bias_ih").noconvert(),
        py::arg("bias_hh").noconvert(), py::arg("hidden").noconvert(), py::arg("cell").noconvert(),
        py::kw_only(), py::arg("isa") = "");
  m.def("rvq_encode", &rvq_encode, guard, py::arg("x").noconvert(),
        py::arg("codebooks").noconvert(), py::kw_only(), py::arg("isa") = "");
  m.def("rvq_decode", &rvq_decode, guard, py::arg("codes").noconvert(),
        py::arg("codebooks").noconvert(), py::kw_only(), py::arg("isa") = "");
  m.def("nearest_normalised", &nearest_normalised, guard, py::arg("x").noconvert(),
        py::arg("codebook").noconvert(), py::kw_only(), py::arg("isa") = "");
  const auto pointwise = [&m, &guard](const char* name, Map kernels::KernelTable::* kernel) {
    m.def(
        name, [kernel](const Floats& x, const std::string& isa) { return map(x, kernel, isa); },
        guard, py::arg("x").noconvert(), py::kw_only(), py::arg("isa") = "");
  };
  pointwise("elu", &kernels::KernelTable::elu);
  pointwise("tanh", &kernels::KernelTable::tanh);
  pointwise("sigmoid", &kernels::KernelTable::sigmoid);
  m.def("snake", &snake, guard, py::arg("x").noconvert(), py::arg("alpha").noconvert(),
        py::kw_only(), py::arg("isa") = "");
  m.def("group_norm", &group_norm, guard, py::arg("x").noconvert(), py::arg("groups"),
        py::arg("weight").noconvert(), py::arg("bias").noconvert(), py::arg("eps"));
  m.def("fold_weight_norm", &fold_weight_norm, guard, py::arg("g").noconvert(),
        py::arg("v").noconvert());
}

}  // namespace hopcodec::bindings
