// The form of a snapshot: a header with a checksum, then the stream's state. The same on every
// device, so that a stream may move.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace hopcodec::graph {

// Thrown by restore(): the snapshot is damaged, or of other weights or another start.
class SnapshotError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Bytes in front of the state.
std::size_t snapshot_header_bytes();

// Fills the header at `to`; the state stands behind it already.
void seal_snapshot(std::byte* to, std::uint64_t fingerprint, std::size_t state_bytes) noexcept;

// Where in `from` the state begins; throws SnapshotError unless it is one of this size and
// fingerprint, undamaged. Positions inside the state are the caller's to check.
const std::byte* open_snapshot(const std::byte* from, std::size_t bytes, std::uint64_t fingerprint,
                               std::size_t state_bytes);

}  // namespace hopcodec::graph
