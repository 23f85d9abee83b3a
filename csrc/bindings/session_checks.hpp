// Checks of arguments to sessions, and Python exceptions for refused pushes.
#pragma once

#include "bindings/arrays.hpp"
#include "graph/session.hpp"

namespace hopcodec::bindings {

// Throws unless the status is kOk. A refused push left every stream unchanged. `streams` are the
// slots of a call with several streams, for the message.
void require_ok(const graph::Outcome& outcome, const int* streams = nullptr);

// Raises IndexError unless 0 <= stream < streams.
void expect_stream(int streams, int stream);

// Raises ValueError unless 1 <= n_q <= codebooks.
void expect_books(int n_q, int codebooks);

// Checks several streams, each of which may occur once.
void expect_streams(int available, const Ints& streams);

}  // namespace hopcodec::bindings
