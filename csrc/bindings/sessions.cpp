// Binds Encoder and Decoder on the CPU.
#include "bindings/sessions.hpp"

#include "base/float_mode.hpp"
#include "bindings/isa_argument.hpp"

namespace hopcodec::bindings {
namespace {

// Like push, for (dim, frames) latents instead of codes.
py::array_t<float> decoder_push_latents(graph::Decoder& decoder, const Floats& latents) {
  const py::ssize_t dim = decoder.latent_dim();
  expect_shape("latents", latents, {dim, -1});
  const py::ssize_t frames = latents.shape(1);
  std::vector<float> rows(static_cast<std::size_t>(dim * frames));
  for (py::ssize_t d = 0; d < dim; ++d) {
    for (py::ssize_t f = 0; f < frames; ++f) {
      rows[static_cast<std::size_t>(f * dim + d)] = latents.data()[d * frames + f];
    }
  }
  // With no frames, pass a pointer that is not null, because null means flush.
  static constexpr float kNothing = 0.0F;
  return decode_one(decoder, nullptr, py::none(), rows.empty() ? &kNothing : rows.data(), frames);
}

template <class S>
auto make(const LayerList& layers, const Quantizer& quantizer, int channels, int hop_samples,
          int streams, int max_frames, int threads, bool zero_start, bool whole_hops,
          const std::string& isa) {
  const graph::SessionOptions options{
      .streams = streams,
      .max_frames = max_frames,
      .threads = threads,
      .zero_start = zero_start,
      .whole_hops = whole_hops,
      .isa = isa_argument(isa),
      .fingerprint = fingerprint(layers, quantizer, channels, hop_samples)};
  return std::make_unique<S>(layers.layers, quantizer.weights, channels, hop_samples, options);
}

template <class S>
py::class_<S> bind_session(py::module_& m, const char* name) {
  py::class_<S> c(m, name);
  c.def(py::init(&make<S>), py::call_guard<base::DefaultFloatMode>(), py::arg("layers"),
        py::arg("quantizer"), py::kw_only(), py::arg("channels"), py::arg("hop_samples"),
        py::arg("streams") = 1, py::arg("max_frames") = 1, py::arg("threads") = 1,
        py::arg("zero_start") = false, py::arg("whole_hops") = false, py::arg("isa") = "");
  bind_common(c);
  return c;
}

}  // namespace

void bind_sessions(py::module_& m) {
  bind_encoder(bind_session<graph::Encoder>(m, "Encoder"));
  auto decoder = bind_session<graph::Decoder>(m, "Decoder");
  bind_decoder(decoder);
  decoder.def("push_latents", &decoder_push_latents, py::arg("latents").noconvert());
}

}  // namespace hopcodec::bindings
