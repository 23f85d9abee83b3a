#include "bindings/session_checks.hpp"

#include <cstdio>
#include <string>
#include <vector>

namespace hopcodec::bindings {

using graph::Outcome;
using graph::Status;

namespace {

std::string number(float x) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", static_cast<double>(x));
  return text;
}

}  // namespace

void require_ok(const Outcome& outcome, const int* streams) {
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
    case Status::kNoRoom:  // another thread changed the state after the arrays were sized
      raise("StreamError",
            "the session is in use by another thread: expected one thread per session");
    case Status::kTooLong:
      raise("StreamError", which + ": expected at most " + std::to_string(outcome.position) +
                               " samples or frames before a flush, as the codec normalises over "
                               "all of them, got more");
    case Status::kBadSample:
      throw py::value_error("audio: expected finite samples within +-1024 (full scale is 1), got " +
                            number(outcome.value) + " at sample " + at);
    case Status::kBadLatent:
      throw py::value_error("latents: expected finite numbers within +-1e6, got " +
                            number(outcome.value) + " in frame " + at);
    case Status::kBadCode:
      throw py::value_error(
          "codes: expected values below the codebook size, got a larger one in frame " + at);
  }
}

void expect_stream(int streams, int stream) {
  if (stream >= 0 && stream < streams) return;
  throw py::index_error("stream: expected 0 to " + std::to_string(streams - 1) + ", got " +
                        std::to_string(stream));
}

void expect_books(int n_q, int codebooks) {
  if (n_q >= 1 && n_q <= codebooks) return;
  throw py::value_error("codebooks: expected 1 to " + std::to_string(codebooks) + ", got " +
                        std::to_string(n_q));
}

void expect_streams(int available, const Ints& streams) {
  expect_shape("streams", streams, {-1});
  std::vector<bool> seen(static_cast<std::size_t>(available));
  for (py::ssize_t i = 0; i < streams.size(); ++i) {
    expect_stream(available, streams.data()[i]);
    const auto s = static_cast<std::size_t>(streams.data()[i]);
    if (seen[s])
      throw py::value_error("streams: expected each once, got " + std::to_string(s) + " twice");
    seen[s] = true;
  }
}

}  // namespace hopcodec::bindings
