// Encoder and Decoder for Python: arrays in, arrays out, the GIL released while they work.
#include <algorithm>
#include <cstdio>

#include <pybind11/typing.h>

#include "bindings/arrays.hpp"
#include "bindings/isa_argument.hpp"
#include "bindings/layers.hpp"
#include "graph/decoder.hpp"
#include "graph/encoder.hpp"

namespace hopcodec::bindings {
namespace {

using graph::DecodeItem;
using graph::Decoder;
using graph::EncodeItem;
using graph::Encoder;
using graph::Outcome;
using graph::Status;

using Counts = py::array_t<std::int64_t>;

std::string number(float x) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", static_cast<double>(x));
  return text;
}

// A push that was refused left every stream as it was.
// `streams`: the slots of a call on several, to say which one.
void require_ok(const Outcome& outcome, const int* streams = nullptr) {
  const std::string at =
      std::to_string(outcome.position) +
      (streams == nullptr ? "" : " of stream " + std::to_string(streams[outcome.item]));
  const std::string which =
      streams == nullptr ? "the stream" : "stream " + std::to_string(streams[outcome.item]);
  switch (outcome.status) {
    case Status::kOk:
      return;
    case Status::kFinished:
      raise("StreamError", which + " was flushed: expected reset() before the next push or flush");
    case Status::kBusy:
    case Status::kNoRoom:  // sized from a state that another thread has since changed
      raise("StreamError",
            "the session is in use by another thread: expected one thread per session");
    case Status::kBadSample:
      throw py::value_error("audio: expected finite samples within +-1024 (full scale is 1), got " +
                            number(outcome.value) + " at sample " + at);
    case Status::kBadCode:
      throw py::value_error(
          "codes: expected values below the codebook size, got a larger one in frame " + at);
  }
}

graph::SessionOptions options_of(int streams, int max_frames, int threads, bool zero_start,
                                 const std::string& isa, std::uint64_t hash) {
  return {streams, max_frames, threads, zero_start, isa_argument(isa), hash};
}

void expect_stream(const graph::Session& session, int stream) {
  if (stream >= 0 && stream < session.streams()) return;
  throw py::index_error("stream: expected 0 to " + std::to_string(session.streams() - 1) +
                        ", got " + std::to_string(stream));
}

void expect_books(int n_q, int codebooks) {
  if (n_q >= 1 && n_q <= codebooks) return;
  throw py::value_error("codebooks: expected 1 to " + std::to_string(codebooks) + ", got " +
                        std::to_string(n_q));
}

void expect_streams(const graph::Session& session, const Ints& streams) {
  expect_shape("streams", streams, {-1});
  std::vector<bool> seen(static_cast<std::size_t>(session.streams()));
  for (py::ssize_t i = 0; i < streams.size(); ++i) {
    expect_stream(session, streams.data()[i]);
    const auto s = static_cast<std::size_t>(streams.data()[i]);
    if (seen[s])
      throw py::value_error("streams: expected each once, got " + std::to_string(s) + " twice");
    seen[s] = true;
  }
}

// The first `used` columns of a (rows, columns) array that was sized for the worst case.
template <class T>
py::array_t<T, py::array::c_style> cut(const py::array_t<T, py::array::c_style>& full,
                                       py::ssize_t used) {
  if (full.shape(1) == used) return full;
  py::array_t<T, py::array::c_style> exact({full.shape(0), used});
  for (py::ssize_t r = 0; r < full.shape(0); ++r) {
    std::copy_n(full.data(r), used, exact.mutable_data(r));
  }
  return exact;
}

// --- one stream ---------------------------------------------------------------------------------

// Room for `columns` columns in each row of a caller's array, or a new array of exactly that size.
template <class Array>
Array room_for(const char* name, const py::object& out, py::ssize_t rows, std::int64_t columns) {
  if (out.is_none()) return Array({rows, static_cast<py::ssize_t>(columns)});
  if (!Array::check_(out)) {
    throw py::type_error(std::string(name) +
                         ": expected a C-contiguous array of the result's dtype");
  }
  auto array = py::reinterpret_borrow<Array>(out);
  if (array.ndim() != 2 || array.shape(0) != rows || array.shape(1) < columns) {
    throw py::value_error(std::string(name) + ": expected shape (" + std::to_string(rows) +
                          ", at least " + std::to_string(columns) + "), got " + shape_text(array));
  }
  return array;
}

// The result: a new array cut to size, or the first columns of the caller's (a view, no copy).
template <class T>
py::array_t<T> written(const py::array_t<T, py::array::c_style>& array, const py::object& out,
                       std::int64_t columns) {
  if (out.is_none()) return cut(array, static_cast<py::ssize_t>(columns));
  const auto used = py::slice(0, static_cast<py::ssize_t>(columns), 1);
  return py::object(array[py::make_tuple(py::ellipsis(), used)]);
}

// `audio` null: flush.
py::array_t<std::uint16_t> encode_one(Encoder& encoder, const Floats* audio, int n_q,
                                      const py::object& out,
                                      std::vector<float>* latents = nullptr) {
  expect_books(n_q, encoder.codebooks());
  const bool last = audio == nullptr;
  const py::ssize_t samples = last ? 0 : audio->shape(1);
  const std::int64_t most = std::max<std::int64_t>(encoder.most_frames(0, samples, last), 0);
  Codes codes = room_for<Codes>("out", out, n_q, most);
  const py::ssize_t room = codes.shape(1);
  if (latents != nullptr) latents->resize(static_cast<std::size_t>(most * encoder.latent_dim()));
  EncodeItem item{.stream = 0,
                  .audio = last ? nullptr : audio->data(),
                  .channel_step = samples,
                  .samples = samples,
                  .codes = codes.mutable_data(),
                  .book_step = room,
                  .frame_step = 1,
                  .latents = latents != nullptr ? latents->data() : nullptr,
                  .frames = 0,
                  .capacity = most};
  Outcome outcome;
  {
    const py::gil_scoped_release release;
    outcome = last ? encoder.flush(&item, 1, n_q) : encoder.push(&item, 1, n_q);
  }
  require_ok(outcome);
  if (latents != nullptr) {
    latents->resize(static_cast<std::size_t>(item.frames * encoder.latent_dim()));
  }
  return written(codes, out, item.frames);
}

py::array_t<std::uint16_t> encoder_push(Encoder& encoder, const Floats& audio, int n_q,
                                        const py::object& out) {
  expect_shape("audio", audio, {encoder.channels(), -1});
  return encode_one(encoder, &audio, n_q, out);
}

py::array_t<std::uint16_t> encoder_flush(Encoder& encoder, int n_q) {
  return encode_one(encoder, nullptr, n_q, py::none());
}

// (dim, frames) latents before quantisation, for a push and (with `last`) the flush after it.
Floats encoder_latents(Encoder& encoder, const Floats& audio, bool last) {
  expect_shape("audio", audio, {encoder.channels(), -1});
  std::vector<float> rows;
  std::vector<float> tail;
  encode_one(encoder, &audio, 1, py::none(), &rows);
  if (last) encode_one(encoder, nullptr, 1, py::none(), &tail);
  rows.insert(rows.end(), tail.begin(), tail.end());
  const py::ssize_t dim = encoder.latent_dim();
  const py::ssize_t frames = static_cast<py::ssize_t>(rows.size()) / dim;
  Floats latents({dim, frames});
  for (py::ssize_t f = 0; f < frames; ++f) {
    for (py::ssize_t d = 0; d < dim; ++d) {
      latents.mutable_data()[d * frames + f] = rows[static_cast<std::size_t>(f * dim + d)];
    }
  }
  return latents;
}

// `codes` null: flush.
py::array_t<float> decode_one(Decoder& decoder, const Codes* codes, const py::object& out) {
  const bool last = codes == nullptr;
  const py::ssize_t n_q = last ? 0 : codes->shape(0);
  const py::ssize_t frames = last ? 0 : codes->shape(1);
  const std::int64_t most = std::max<std::int64_t>(decoder.most_samples(0, frames), 0);
  Floats audio = room_for<Floats>("out", out, decoder.channels(), most);
  DecodeItem item{.stream = 0,
                  .codes = last ? nullptr : codes->data(),
                  .book_step = frames,
                  .frame_step = 1,
                  .n_q = static_cast<int>(n_q),
                  .frames = frames,
                  .audio = audio.mutable_data(),
                  .channel_step = audio.shape(1),
                  .samples = 0,
                  .capacity = most};
  Outcome outcome;
  {
    const py::gil_scoped_release release;
    outcome = last ? decoder.flush(&item, 1) : decoder.push(&item, 1);
  }
  require_ok(outcome);
  return written(audio, out, item.samples);
}

py::array_t<float> decoder_push(Decoder& decoder, const Codes& codes, const py::object& out) {
  expect_shape("codes", codes, {-1, -1});
  expect_books(static_cast<int>(codes.shape(0)), decoder.codebooks());
  return decode_one(decoder, &codes, out);
}

py::array_t<float> decoder_flush(Decoder& decoder) {
  return decode_one(decoder, nullptr, py::none());
}

// --- many streams -------------------------------------------------------------------------------

// audio (n, channels, samples) or None to flush -> codes (n, n_q, most), frames (n)
py::typing::Tuple<Codes, Counts> encode_many(Encoder& encoder, const Ints& streams,
                                             const py::object& audio, int n_q) {
  expect_streams(encoder, streams);
  expect_books(n_q, encoder.codebooks());
  const py::ssize_t n = streams.shape(0);
  const bool last = audio.is_none();
  const float* data = optional_data("audio", audio, {n, encoder.channels(), -1});
  const py::ssize_t samples = last ? 0 : py::reinterpret_borrow<py::array>(audio).shape(2);
  std::int64_t most = 0;
  for (py::ssize_t i = 0; i < n; ++i) {
    most = std::max(most, encoder.most_frames(streams.data()[i], samples, last));
  }
  Codes codes({n, py::ssize_t{n_q}, static_cast<py::ssize_t>(most)});
  std::fill_n(codes.mutable_data(), codes.size(), std::uint16_t{0});
  std::vector<EncodeItem> items;
  for (py::ssize_t i = 0; i < n; ++i) {
    items.push_back({streams.data()[i], last ? nullptr : data + i * encoder.channels() * samples,
                     samples, samples, codes.mutable_data() + i * n_q * most, most, 1, nullptr, 0,
                     most});
  }
  Outcome outcome;
  {
    const py::gil_scoped_release release;
    const int count = static_cast<int>(n);
    outcome =
        last ? encoder.flush(items.data(), count, n_q) : encoder.push(items.data(), count, n_q);
  }
  require_ok(outcome, streams.data());
  Counts frames(n);
  for (py::ssize_t i = 0; i < n; ++i)
    frames.mutable_at(i) = items[static_cast<std::size_t>(i)].frames;
  return py::make_tuple(codes, frames);
}

// codes (n, n_q, frames) or None to flush -> audio (n, channels, most), samples (n)
py::typing::Tuple<Floats, Counts> decode_many(Decoder& decoder, const Ints& streams,
                                              const py::object& codes) {
  expect_streams(decoder, streams);
  const py::ssize_t n = streams.shape(0);
  const bool last = codes.is_none();
  const std::uint16_t* data = nullptr;
  py::ssize_t n_q = 0;
  py::ssize_t frames = 0;
  if (!last) {
    if (!Codes::check_(codes)) throw py::type_error("codes: expected a C-contiguous uint16 array");
    const auto array = py::reinterpret_borrow<Codes>(codes);
    expect_shape("codes", array, {n, -1, -1});
    n_q = array.shape(1);
    frames = array.shape(2);
    expect_books(static_cast<int>(n_q), decoder.codebooks());
    data = array.data();
  }
  std::int64_t most = 0;
  for (py::ssize_t i = 0; i < n; ++i) {
    most = std::max(most, decoder.most_samples(streams.data()[i], frames));
  }
  const py::ssize_t channels = decoder.channels();
  Floats audio({n, channels, static_cast<py::ssize_t>(most)});
  std::fill_n(audio.mutable_data(), audio.size(), 0.0F);
  std::vector<DecodeItem> items;
  for (py::ssize_t i = 0; i < n; ++i) {
    items.push_back({streams.data()[i], last ? nullptr : data + i * n_q * frames, frames, 1,
                     static_cast<int>(n_q), frames, audio.mutable_data() + i * channels * most,
                     most, 0, most});
  }
  Outcome outcome;
  {
    const py::gil_scoped_release release;
    const int count = static_cast<int>(n);
    outcome = last ? decoder.flush(items.data(), count) : decoder.push(items.data(), count);
  }
  require_ok(outcome, streams.data());
  Counts samples(n);
  for (py::ssize_t i = 0; i < n; ++i)
    samples.mutable_at(i) = items[static_cast<std::size_t>(i)].samples;
  return py::make_tuple(audio, samples);
}

// --- states -------------------------------------------------------------------------------------

py::bytes snapshot(const graph::Session& session, int stream) {
  expect_stream(session, stream);
  std::string blob(session.snapshot_bytes(), '\0');
  require_ok({session.snapshot(stream, reinterpret_cast<std::byte*>(blob.data()))});
  return py::bytes(blob);
}

void restore(graph::Session& session, const py::bytes& blob, int stream) {
  expect_stream(session, stream);
  const auto view = static_cast<std::string_view>(blob);
  try {
    require_ok(
        {session.restore(stream, reinterpret_cast<const std::byte*>(view.data()), view.size())});
  } catch (const graph::SnapshotError& error) {
    raise("StreamError", error.what());
  }
}

template <class S, class... Extra>
void bind_common(py::class_<S, Extra...>& c) {
  c.def(
       "reset",
       [](S& s, int stream) {
         expect_stream(s, stream);
         require_ok({s.reset(stream)});
       },
       py::arg("stream") = 0)
      .def(
          "snapshot", [](const S& s, int stream) { return snapshot(s, stream); },
          py::arg("stream") = 0)
      .def(
          "restore", [](S& s, const py::bytes& blob, int stream) { restore(s, blob, stream); },
          py::arg("blob"), py::arg("stream") = 0)
      .def_property_readonly("streams", &S::streams)
      .def_property_readonly("lookahead_samples", &S::lookahead_samples)
      .def_property_readonly("state_bytes", &S::state_bytes)
      .def_property_readonly("scratch_bytes", &S::scratch_bytes);
}

template <class S>
auto make(const LayerList& layers, const Quantizer& quantizer, int channels, int hop_samples,
          int streams, int max_frames, int threads, bool zero_start, const std::string& isa) {
  const std::uint64_t shape = static_cast<std::uint64_t>(channels) << 32 |
                              static_cast<std::uint64_t>(static_cast<unsigned>(hop_samples));
  const std::uint64_t hash = (layers.hash * 31 + quantizer.hash) * 31 + shape;
  return std::make_unique<S>(layers.layers, quantizer.weights, channels, hop_samples,
                             options_of(streams, max_frames, threads, zero_start, isa, hash));
}

template <class S>
py::class_<S> bind_session(py::module_& m, const char* name) {
  py::class_<S> c(m, name);
  c.def(py::init(&make<S>), py::arg("layers"), py::arg("quantizer"), py::kw_only(),
        py::arg("channels"), py::arg("hop_samples"), py::arg("streams") = 1,
        py::arg("max_frames") = 1, py::arg("threads") = 1, py::arg("zero_start") = false,
        py::arg("isa") = "");
  bind_common(c);
  return c;
}

}  // namespace

void bind_sessions(py::module_& m) {
  bind_session<Encoder>(m, "Encoder")
      .def("push", &encoder_push, py::arg("audio").noconvert(), py::arg("codebooks"),
           py::arg("out") = py::none())
      .def("flush", &encoder_flush, py::arg("codebooks"))
      .def("latents", &encoder_latents, py::arg("audio").noconvert(), py::arg("last"))
      .def("push_many", &encode_many, py::arg("streams").noconvert(), py::arg("audio"),
           py::arg("codebooks"));
  bind_session<Decoder>(m, "Decoder")
      .def("push", &decoder_push, py::arg("codes").noconvert(), py::arg("out") = py::none())
      .def("flush", &decoder_flush)
      .def("push_many", &decode_many, py::arg("streams").noconvert(), py::arg("codes"));
}

}  // namespace hopcodec::bindings
