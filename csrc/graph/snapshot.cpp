#include "graph/snapshot.hpp"

#include <cstring>
#include <string>

namespace hopcodec::graph {
namespace {

struct Header {
  char magic[8];
  std::uint64_t fingerprint;
  std::uint64_t state_bytes;
  std::uint64_t checksum;
};
constexpr char kMagic[8] = {'H', 'O', 'P', 'S', 'T', 'A', 'T', '1'};

std::uint64_t checksum(const std::byte* bytes, std::size_t n) noexcept {
  std::uint64_t h = 0xcbf29ce484222325ULL;  // FNV-1a
  for (std::size_t i = 0; i < n; ++i)
    h = (h ^ static_cast<std::uint64_t>(bytes[i])) * 0x100000001b3ULL;
  return h;
}

}  // namespace

std::size_t snapshot_header_bytes() { return sizeof(Header); }

void seal_snapshot(std::byte* to, std::uint64_t fingerprint, std::size_t state_bytes) noexcept {
  Header header{{}, fingerprint, state_bytes, checksum(to + sizeof(Header), state_bytes)};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  std::memcpy(to, &header, sizeof header);
}

const std::byte* open_snapshot(const std::byte* from, std::size_t bytes, std::uint64_t fingerprint,
                               std::size_t state_bytes) {
  const std::size_t expected = sizeof(Header) + state_bytes;
  if (bytes != expected) {
    throw SnapshotError("snapshot: expected " + std::to_string(expected) + " bytes, got " +
                        std::to_string(bytes));
  }
  Header header;
  std::memcpy(&header, from, sizeof header);
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) {
    throw SnapshotError("snapshot: expected the magic HOPSTAT1, got other bytes");
  }
  if (header.fingerprint != fingerprint || header.state_bytes != state_bytes) {
    throw SnapshotError(
        "snapshot: expected one of the same codec, weights and start policy, got another's");
  }
  if (header.checksum != checksum(from + sizeof header, state_bytes)) {
    throw SnapshotError("snapshot: expected bytes that match their checksum, got damaged ones");
  }
  return from + sizeof header;
}

}  // namespace hopcodec::graph
