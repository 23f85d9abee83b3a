// Python's view of a session on any device: methods take and return arrays, and release the GIL
// while they compute.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>

#include <pybind11/typing.h>

#include "bindings/arrays.hpp"
#include "bindings/layers.hpp"
#include "bindings/session_checks.hpp"
#include "graph/decoder.hpp"
#include "graph/encoder.hpp"

namespace hopcodec::bindings {

using graph::DecodeItem;
using graph::EncodeItem;
using graph::Outcome;

using Counts = py::array_t<std::int64_t>;

// Returns the first `used` columns of a (rows, columns) array that was sized for the worst case.
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

// Transposes rows of `dim` floats to a (dim, rows) array.
inline Floats columns_of(const std::vector<float>& rows, py::ssize_t dim) {
  const py::ssize_t n = static_cast<py::ssize_t>(rows.size()) / dim;
  Floats columns({dim, n});
  for (py::ssize_t r = 0; r < n; ++r) {
    for (py::ssize_t d = 0; d < dim; ++d) {
      columns.mutable_data()[d * n + r] = rows[static_cast<std::size_t>(r * dim + d)];
    }
  }
  return columns;
}

// --- one stream ---------------------------------------------------------------------------------

inline bool share_memory(const py::array& a, const py::array& b) {
  const auto* first = static_cast<const std::byte*>(a.data());
  const auto* second = static_cast<const std::byte*>(b.data());
  const std::less<> before;
  return before(first, second + b.nbytes()) && before(second, first + a.nbytes());
}

// Returns the caller's array if each row has room for `columns` columns, or a new array of exactly
// that size. The caller's array must not share memory with `input`, which a long push still reads
// when it has written its first results.
template <class Array>
Array room_for(const char* name, const py::object& out, py::ssize_t rows, std::int64_t columns,
               const py::array* input = nullptr) {
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
  if ((array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) {
    throw py::value_error(std::string(name) +
                          ": expected an aligned array, got one at an odd address");
  }
  if (input != nullptr && share_memory(array, *input)) {
    throw py::value_error(std::string(name) +
                          ": expected memory of its own, got some of the input's");
  }
  return array;
}

// Returns the result: a new array cut to size, or a view of the first columns of the caller's
// array.
template <class T>
py::array_t<T> written(const py::array_t<T, py::array::c_style>& array, const py::object& out,
                       std::int64_t columns) {
  if (out.is_none()) return cut(array, static_cast<py::ssize_t>(columns));
  const auto used = py::slice(0, static_cast<py::ssize_t>(columns), 1);
  return py::object(array[py::make_tuple(py::ellipsis(), used)]);
}

// If `audio` is null, flushes the stream.
template <class E>
py::array_t<std::uint16_t> encode_one(E& encoder, const Floats* audio, int n_q,
                                      const py::object& out,
                                      std::vector<float>* latents = nullptr) {
  expect_books(n_q, encoder.codebooks());
  const bool last = audio == nullptr;
  const py::ssize_t samples = last ? 0 : audio->shape(1);
  const std::int64_t most = std::max<std::int64_t>(encoder.most_frames(0, samples, last), 0);
  Codes codes = room_for<Codes>("out", out, n_q, most, audio);
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
    const ReleasedGil release;
    outcome = last ? encoder.flush(&item, 1, n_q) : encoder.push(&item, 1, n_q);
  }
  require_ok(outcome);
  if (latents != nullptr) {
    latents->resize(static_cast<std::size_t>(item.frames * encoder.latent_dim()));
  }
  return written(codes, out, item.frames);
}

template <class E>
py::array_t<std::uint16_t> encoder_push(E& encoder, const Floats& audio, int n_q,
                                        const py::object& out) {
  expect_shape("audio", audio, {encoder.channels(), -1});
  return encode_one(encoder, &audio, n_q, out);
}

template <class E>
py::array_t<std::uint16_t> encoder_flush(E& encoder, int n_q) {
  return encode_one(encoder, nullptr, n_q, py::none());
}

// Encodes a whole signal with a push and a flush. Returns the codes and the latents (dim, frames).
template <class E>
py::typing::Tuple<Codes, Floats> encoder_analyse(E& encoder, const Floats& audio, int n_q) {
  expect_shape("audio", audio, {encoder.channels(), -1});
  std::vector<float> rows;
  std::vector<float> tail;
  const Codes head = encode_one(encoder, &audio, n_q, py::none(), &rows);
  const Codes rest = encode_one(encoder, nullptr, n_q, py::none(), &tail);
  rows.insert(rows.end(), tail.begin(), tail.end());
  Codes codes({py::ssize_t{n_q}, head.shape(1) + rest.shape(1)});
  for (py::ssize_t q = 0; q < n_q; ++q) {
    std::copy_n(head.data() + q * head.shape(1), head.shape(1), codes.mutable_data(q));
    std::copy_n(rest.data() + q * rest.shape(1), rest.shape(1),
                codes.mutable_data(q) + head.shape(1));
  }
  return py::make_tuple(codes, columns_of(rows, encoder.latent_dim()));
}

// Returns the (dim, frames) latents before quantisation of a push and, with `last`, of a flush.
template <class E>
Floats encoder_latents(E& encoder, const Floats& audio, bool last) {
  expect_shape("audio", audio, {encoder.channels(), -1});
  std::vector<float> rows;
  std::vector<float> tail;
  encode_one(encoder, &audio, 1, py::none(), &rows);
  if (last) encode_one(encoder, nullptr, 1, py::none(), &tail);
  rows.insert(rows.end(), tail.begin(), tail.end());
  return columns_of(rows, encoder.latent_dim());
}

// If `codes` is null, decodes `frames` latents at `rows`. If both are null, flushes the stream.
template <class D>
py::array_t<float> decode_one(D& decoder, const Codes* codes, const py::object& out,
                              const float* rows = nullptr, py::ssize_t frames = 0) {
  const bool last = codes == nullptr && rows == nullptr;
  const py::ssize_t n_q = codes == nullptr ? 0 : codes->shape(0);
  if (codes != nullptr) frames = codes->shape(1);
  const std::int64_t most = std::max<std::int64_t>(decoder.most_samples(0, frames), 0);
  Floats audio = room_for<Floats>("out", out, decoder.channels(), most, codes);
  DecodeItem item{.stream = 0,
                  .codes = codes == nullptr ? nullptr : codes->data(),
                  .book_step = frames,
                  .frame_step = 1,
                  .n_q = static_cast<int>(n_q),
                  .frames = frames,
                  .audio = audio.mutable_data(),
                  .channel_step = audio.shape(1),
                  .samples = 0,
                  .capacity = most,
                  .latents = rows};
  Outcome outcome;
  {
    const ReleasedGil release;
    outcome = last ? decoder.flush(&item, 1) : decoder.push(&item, 1);
  }
  require_ok(outcome);
  return written(audio, out, item.samples);
}

template <class D>
py::array_t<float> decoder_push(D& decoder, const Codes& codes, const py::object& out) {
  expect_shape("codes", codes, {-1, -1});
  expect_books(static_cast<int>(codes.shape(0)), decoder.codebooks());
  return decode_one(decoder, &codes, out);
}

template <class D>
py::array_t<float> decoder_flush(D& decoder) {
  return decode_one(decoder, nullptr, py::none());
}

// --- many streams -------------------------------------------------------------------------------

// audio (n, channels, samples), or None for a flush -> codes (n, n_q, most), frames (n)
template <class E>
py::typing::Tuple<Codes, Counts> encode_many(E& encoder, const Ints& streams,
                                             const py::object& audio, int n_q) {
  expect_streams(encoder.streams(), streams);
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
    items.push_back({.stream = streams.data()[i],
                     .audio = last ? nullptr : data + i * encoder.channels() * samples,
                     .channel_step = samples,
                     .samples = samples,
                     .codes = codes.mutable_data() + i * n_q * most,
                     .book_step = most,
                     .frame_step = 1,
                     .latents = nullptr,
                     .frames = 0,
                     .capacity = most});
  }
  Outcome outcome;
  {
    const ReleasedGil release;
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

// codes (n, n_q, frames), or None for a flush -> audio (n, channels, most), samples (n)
template <class D>
py::typing::Tuple<Floats, Counts> decode_many(D& decoder, const Ints& streams,
                                              const py::object& codes) {
  expect_streams(decoder.streams(), streams);
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
    items.push_back({.stream = streams.data()[i],
                     .codes = last ? nullptr : data + i * n_q * frames,
                     .book_step = frames,
                     .frame_step = 1,
                     .n_q = static_cast<int>(n_q),
                     .frames = frames,
                     .audio = audio.mutable_data() + i * channels * most,
                     .channel_step = most,
                     .samples = 0,
                     .capacity = most});
  }
  Outcome outcome;
  {
    const ReleasedGil release;
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

template <class S>
py::bytes snapshot(const S& session, int stream) {
  expect_stream(session.streams(), stream);
  std::string blob(session.snapshot_bytes(), '\0');
  require_ok({session.snapshot(stream, reinterpret_cast<std::byte*>(blob.data()))});
  return py::bytes(blob);
}

template <class S>
void restore(S& session, const py::bytes& blob, int stream) {
  expect_stream(session.streams(), stream);
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
         expect_stream(s.streams(), stream);
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

// Hash of one direction of a codec. Snapshots are checked against it, on any device.
inline std::uint64_t fingerprint(const LayerList& layers, const Quantizer& quantizer, int channels,
                                 int hop_samples) {
  const std::uint64_t shape = static_cast<std::uint64_t>(channels) << 32 |
                              static_cast<std::uint64_t>(static_cast<unsigned>(hop_samples));
  return (layers.hash * 31 + quantizer.hash) * 31 + shape;
}

template <class E>
void bind_encoder(py::class_<E> c) {
  c.def("push", &encoder_push<E>, py::arg("audio").noconvert(), py::arg("codebooks"),
        py::arg("out") = py::none())
      .def("flush", &encoder_flush<E>, py::arg("codebooks"))
      .def("analyse", &encoder_analyse<E>, py::arg("audio").noconvert(), py::arg("codebooks"))
      .def("latents", &encoder_latents<E>, py::arg("audio").noconvert(), py::arg("last"))
      .def("push_many", &encode_many<E>, py::arg("streams").noconvert(), py::arg("audio"),
           py::arg("codebooks"));
}

template <class D>
void bind_decoder(py::class_<D> c) {
  c.def("push", &decoder_push<D>, py::arg("codes").noconvert(), py::arg("out") = py::none())
      .def("flush", &decoder_flush<D>)
      .def("push_many", &decode_many<D>, py::arg("streams").noconvert(), py::arg("codes"));
}

}  // namespace hopcodec::bindings
