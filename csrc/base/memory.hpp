// Owned, aligned, zeroed float memory. Sessions keep their weights, states and scratch in it.
#pragma once

#include <cstddef>
#include <memory>

namespace hopcodec::base {

inline constexpr std::size_t kAlignBytes = 64;
inline constexpr std::size_t kAlignFloats = kAlignBytes / sizeof(float);

constexpr std::size_t round_up(std::size_t n, std::size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

struct FreeAligned {
  void operator()(float* p) const noexcept;
};
using FloatBuffer = std::unique_ptr<float[], FreeAligned>;

// Returns `n` zeroed floats, aligned to a cache line. Large blocks use huge pages: a hop reads tens
// of megabytes of weights, and with small pages the page walks would cost time. Throws
// std::bad_alloc.
FloatBuffer make_floats(std::size_t n);

// Plans a block of memory: assigns offsets in it before it is allocated.
class Layout {
 public:
  // Reserves `n` floats and returns their offset in floats, aligned to a cache line.
  std::size_t take(std::size_t n) {
    const std::size_t at = floats_;
    floats_ += round_up(n, kAlignFloats);
    return at;
  }
  std::size_t floats() const { return floats_; }
  // Continues from offset `at`, an earlier value of floats(): memory behind it is reserved again.
  void resume(std::size_t at) { floats_ = at; }

 private:
  std::size_t floats_ = 0;
};

}  // namespace hopcodec::base
