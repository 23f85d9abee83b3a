// Owned, aligned, zeroed float memory. Everything a session touches lives in one of these.
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

// `n` zeroed floats, cache-line aligned; large blocks ask the kernel for huge pages, because a hop
// streams through tens of megabytes of weights and page walks would show. Throws std::bad_alloc.
FloatBuffer make_floats(std::size_t n);

// Hands out offsets in a block that is allocated once, later: the arena's plan.
class Layout {
 public:
  // Offset in floats of `n` floats, cache-line aligned.
  std::size_t take(std::size_t n) {
    const std::size_t at = floats_;
    floats_ += round_up(n, kAlignFloats);
    return at;
  }
  std::size_t floats() const { return floats_; }
  // Goes on from `at`, a place known from floats(): what lies behind it is taken anew.
  void resume(std::size_t at) { floats_ = at; }

 private:
  std::size_t floats_ = 0;
};

}  // namespace hopcodec::base
