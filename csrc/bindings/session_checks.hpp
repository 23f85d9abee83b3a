// What a session was given, or refused, as Python exceptions.
#pragma once

#include "bindings/arrays.hpp"
#include "graph/session.hpp"

namespace hopcodec::bindings {

// Throws unless kOk: a push that was refused left every stream as it was.
// `streams`: the slots of a call on several, to say which one.
void require_ok(const graph::Outcome& outcome, const int* streams = nullptr);

// IndexError, unless 0 <= stream < streams.
void expect_stream(int streams, int stream);

// ValueError, unless 1 <= n_q <= codebooks.
void expect_books(int n_q, int codebooks);

// The same for several streams, each of which may be there once.
void expect_streams(int available, const Ints& streams);

}  // namespace hopcodec::bindings
