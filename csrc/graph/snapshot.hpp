// The format of a snapshot: a header with a checksum, then the stream's state. It is the same on
// every device, so a stream can move between devices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace hopcodec::graph {

// Thrown by restore() if the snapshot is damaged, or was taken with other weights or another start
// policy.
class SnapshotError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Size of the header in front of the state.
std::size_t snapshot_header_bytes();

// Writes the header at `to`. The caller has already written the state behind it.
void seal_snapshot(std::byte* to, std::uint64_t fingerprint, std::size_t state_bytes) noexcept;

// Returns where in `from` the state begins. Throws SnapshotError unless size, fingerprint and
// checksum match. The caller must check the positions inside the state.
const std::byte* open_snapshot(const std::byte* from, std::size_t bytes, std::uint64_t fingerprint,
                               std::size_t state_bytes);

}  // namespace hopcodec::graph
