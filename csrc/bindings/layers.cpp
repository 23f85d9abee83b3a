#include "bindings/layers.hpp"

#include <bit>

#include <pybind11/stl.h>

#include "base/float_mode.hpp"
#include "bindings/arrays.hpp"
#include "layers/truncated.hpp"

namespace hopcodec::bindings {
namespace {

using layers::Activation;

// Adds the numbers of a shape to the hash, so that equal weights in another shape give another
// hash.
std::uint64_t mix(std::uint64_t hash, std::initializer_list<int> numbers) {
  for (const int n : numbers) {
    hash = (hash ^ static_cast<std::uint64_t>(static_cast<unsigned>(n))) * 0x9e3779b97f4a7c15ULL;
    hash ^= hash >> 29;
  }
  return hash;
}

layers::Storage parse_precision(const std::string& name) {
  if (name == "fp32") return layers::Storage::kFloat32;
  if (name == "bf16") return layers::Storage::kBfloat16;
  throw py::value_error("precision: expected \"fp32\" or \"bf16\", got \"" + name + "\"");
}

Activation make_activation(const std::string& name, const py::object& alpha, int channels,
                           std::uint64_t& hash) {
  const layers::Nonlinearity kind = layers::parse_nonlinearity(name);
  const float* values = optional_data("alpha", alpha, {channels});
  hash = mix(hash, {static_cast<int>(kind)});
  for (int c = 0; values != nullptr && c < channels; ++c) {
    hash = mix(hash, {std::bit_cast<int>(values[c])});
  }
  return Activation(kind, values, static_cast<std::size_t>(channels));
}

void add_conv1d(LayerList& list, const Floats& weight, const Floats& bias, int stride, int dilation,
                int left, int right, bool reflect, bool full_window, const std::string& activation,
                const std::string& output_activation, const py::object& alpha) {
  expect_shape("conv1d weight", weight, {-1, -1, -1});
  expect_shape("conv1d bias", bias, {weight.shape(0)});
  layers::Conv1dWeights w;
  w.shape = {.in_channels = static_cast<int>(weight.shape(1)),
             .out_channels = static_cast<int>(weight.shape(0)),
             .kernel = static_cast<int>(weight.shape(2)),
             .stride = stride,
             .dilation = dilation,
             .left = left,
             .right = right,
             .reflect = reflect,
             .full_window = full_window};
  w.shape.check();
  std::uint64_t hash = list.hash;
  w.input = make_activation(activation, alpha, w.shape.in_channels, hash);
  w.output = make_activation(output_activation, py::none(), w.shape.out_channels, hash);
  w.matrix = layers::pack_conv1d(w.shape, weight.data(), bias.data(), list.storage);
  list.hash = mix(w.matrix->hash(hash), {1, w.shape.in_channels, w.shape.kernel, stride, dilation,
                                         left, right, reflect, full_window});
  list.layers.emplace_back(std::move(w));
}

void add_conv_transpose1d(LayerList& list, const Floats& weight, const Floats& bias, int stride,
                          int trim_left, int trim_right, const std::string& activation,
                          const py::object& alpha) {
  expect_shape("conv_transpose1d weight", weight, {-1, -1, -1});
  expect_shape("conv_transpose1d bias", bias, {weight.shape(1)});
  layers::ConvTranspose1dWeights w;
  w.shape = {.in_channels = static_cast<int>(weight.shape(0)),
             .out_channels = static_cast<int>(weight.shape(1)),
             .kernel = static_cast<int>(weight.shape(2)),
             .stride = stride,
             .trim_left = trim_left,
             .trim_right = trim_right};
  w.shape.check();
  std::uint64_t hash = list.hash;
  w.input = make_activation(activation, alpha, w.shape.in_channels, hash);
  w.matrix = layers::pack_conv_transpose1d(w.shape, weight.data(), bias.data(), list.storage);
  list.hash = mix(w.matrix->hash(hash),
                  {2, w.shape.in_channels, w.shape.kernel, stride, trim_left, trim_right});
  list.layers.emplace_back(std::move(w));
}

// Normalises over all channels and rows, and trims `trim_left` and `trim_right` rows of the result.
void add_group_norm(LayerList& list, const Floats& weight, const Floats& bias, int trim_left,
                    int trim_right, float eps) {
  expect_shape("group_norm weight", weight, {-1});
  expect_shape("group_norm bias", bias, {weight.shape(0)});
  const auto channels = static_cast<std::size_t>(weight.shape(0));
  std::shared_ptr<float[]> factors = base::make_floats(channels);
  std::shared_ptr<float[]> offsets = base::make_floats(channels);
  std::copy_n(weight.data(), channels, factors.get());
  std::copy_n(bias.data(), channels, offsets.get());
  list.hash = mix(list.hash, {5, trim_left, trim_right, std::bit_cast<int>(eps)});
  for (std::size_t c = 0; c < channels; ++c) {
    list.hash = mix(list.hash, {std::bit_cast<int>(factors[c]), std::bit_cast<int>(offsets[c])});
  }
  list.layers.emplace_back(layers::GroupNormWeights{.channels = static_cast<int>(channels),
                                                    .eps = eps,
                                                    .trim_left = trim_left,
                                                    .trim_right = trim_right,
                                                    .weight = std::move(factors),
                                                    .bias = std::move(offsets)});
}

// `stages` has one (weight_ih, weight_hh, bias_ih, bias_hh) per stacked LSTM.
void add_lstm(LayerList& list,
              const std::vector<std::tuple<Floats, Floats, Floats, Floats>>& stages, bool skip) {
  if (stages.empty()) throw py::value_error("lstm: expected at least one stage, got none");
  expect_shape("lstm weight_ih", std::get<0>(stages.front()), {-1, -1});
  const py::ssize_t n = std::get<0>(stages.front()).shape(1);
  layers::LstmWeights w{static_cast<int>(n), skip, {}};
  for (const auto& [weight_ih, weight_hh, bias_ih, bias_hh] : stages) {
    expect_shape("lstm weight_ih", weight_ih, {4 * n, n});
    expect_shape("lstm weight_hh", weight_hh, {4 * n, n});
    expect_shape("lstm bias_ih", bias_ih, {4 * n});
    expect_shape("lstm bias_hh", bias_hh, {4 * n});
    w.stages.push_back(layers::pack_lstm(w.channels, weight_ih.data(), weight_hh.data(),
                                         bias_ih.data(), bias_hh.data(), list.storage));
    list.hash = w.stages.back().recurrent->hash(w.stages.back().input->hash(list.hash));
  }
  list.hash = mix(list.hash, {3, skip});
  list.layers.emplace_back(std::move(w));
}

void add_residual(LayerList& list, const LayerList& branch, const LayerList& shortcut) {
  auto w = std::make_shared<layers::ResidualWeights>();
  w->branch = branch.layers;
  w->shortcut = shortcut.layers;
  list.hash = mix(list.hash ^ branch.hash, {4}) ^ shortcut.hash * 3;
  list.layers.emplace_back(std::shared_ptr<const layers::ResidualWeights>(std::move(w)));
}

void add_truncated(LayerList& list, const LayerList& inner, int step, int ahead) {
  auto w = std::make_shared<layers::TruncatedWeights>();
  w->layers = inner.layers;
  w->step = step;
  w->ahead = ahead;
  w->check();
  list.hash = mix(list.hash ^ inner.hash, {6, step, ahead});
  list.layers.emplace_back(std::shared_ptr<const layers::TruncatedWeights>(std::move(w)));
}

void add_codebook(Quantizer& quantizer, const Floats& entries, const py::object& in_weight,
                  const py::object& in_bias, const py::object& out_weight,
                  const py::object& out_bias) {
  expect_shape("codebook", entries, {-1, -1});
  layers::RvqWeights& w = quantizer.weights;
  const auto size = static_cast<int>(entries.shape(0));
  const auto inner = static_cast<int>(entries.shape(1));
  if (size < 1 || size > 65536) {
    throw py::value_error("codebook: expected 1 to 65536 entries, got " + std::to_string(size));
  }
  const bool projected = !in_weight.is_none();
  const float* in_data = optional_data("in_weight", in_weight, {inner, -1});
  const int dim =
      projected ? static_cast<int>(py::reinterpret_borrow<py::array>(in_weight).shape(1)) : inner;
  if (!w.books.empty() && (w.size != size || w.inner != inner || w.dim != dim)) {
    throw py::value_error("codebook: expected shape (" + std::to_string(w.size) + ", " +
                          std::to_string(w.inner) + ") like the first, got " + shape_text(entries));
  }
  layers::Codebook book = layers::make_codebook(entries.data(), size, inner, projected);
  if (projected) {
    const float* out_data = optional_data("out_weight", out_weight, {dim, inner});
    if (out_data == nullptr) throw py::value_error("codebook: expected out_weight, got None");
    const layers::Conv1dShape down{.in_channels = dim, .out_channels = inner, .kernel = 1};
    const layers::Conv1dShape up{.in_channels = inner, .out_channels = dim, .kernel = 1};
    book.project = layers::pack_conv1d(down, in_data, optional_data("in_bias", in_bias, {inner}));
    book.unproject = layers::pack_conv1d(up, out_data, optional_data("out_bias", out_bias, {dim}));
  }
  quantizer.hash = book.search->hash(quantizer.hash);
  if (projected) quantizer.hash = book.unproject->hash(book.project->hash(quantizer.hash));
  w.size = size;
  w.inner = inner;
  w.dim = dim;
  w.books.push_back(std::move(book));
}

}  // namespace

void bind_layers(py::module_& m) {
  const py::call_guard<base::DefaultFloatMode> guard;
  py::class_<LayerList>(m, "Layers")
      .def(py::init([](const std::string& precision) {
             return LayerList{{}, parse_precision(precision), 0};
           }),
           py::arg("precision") = "fp32")
      .def("__len__", [](const LayerList& list) { return list.layers.size(); })
      .def("conv1d", &add_conv1d, guard, py::arg("weight").noconvert(), py::arg("bias").noconvert(),
           py::kw_only(), py::arg("stride") = 1, py::arg("dilation") = 1, py::arg("left") = 0,
           py::arg("right") = 0, py::arg("reflect") = false, py::arg("full_window") = false,
           py::arg("activation") = "none", py::arg("output_activation") = "none",
           py::arg("alpha") = py::none())
      .def("conv_transpose1d", &add_conv_transpose1d, guard, py::arg("weight").noconvert(),
           py::arg("bias").noconvert(), py::kw_only(), py::arg("stride"), py::arg("trim_left") = 0,
           py::arg("trim_right") = 0, py::arg("activation") = "none", py::arg("alpha") = py::none())
      .def("group_norm", &add_group_norm, guard, py::arg("weight").noconvert(),
           py::arg("bias").noconvert(), py::kw_only(), py::arg("trim_left") = 0,
           py::arg("trim_right") = 0, py::arg("eps") = 1e-5F)
      .def("lstm", &add_lstm, guard, py::arg("stages").noconvert(), py::kw_only(), py::arg("skip"))
      .def("residual", &add_residual, guard, py::arg("branch"), py::arg("shortcut"))
      .def("truncated", &add_truncated, guard, py::arg("layers"), py::kw_only(), py::arg("step"),
           py::arg("ahead"));

  py::class_<Quantizer>(m, "Quantizer")
      .def(py::init<>())
      .def("__len__", [](const Quantizer& q) { return q.weights.books.size(); })
      .def("add", &add_codebook, guard, py::arg("entries").noconvert(), py::kw_only(),
           py::arg("in_weight") = py::none(), py::arg("in_bias") = py::none(),
           py::arg("out_weight") = py::none(), py::arg("out_bias") = py::none());
}

}  // namespace hopcodec::bindings
