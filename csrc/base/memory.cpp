#include "base/memory.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace hopcodec::base {
namespace {
constexpr std::size_t kHugePage = std::size_t{2} << 20;
}

void FreeAligned::operator()(float* p) const noexcept { std::free(p); }

FloatBuffer make_floats(std::size_t n) {
  const bool huge = n * sizeof(float) >= kHugePage;
  const std::size_t align = huge ? kHugePage : kAlignBytes;
  const std::size_t bytes = round_up(n == 0 ? 1 : n * sizeof(float), align);
  void* p = std::aligned_alloc(align, bytes);
  if (p == nullptr) throw std::bad_alloc();
#if defined(__linux__)
  if (huge) madvise(p, bytes, MADV_HUGEPAGE);  // only advice: a failure costs speed
#endif
  std::memset(p, 0, bytes);  // also touches every page now, so that no push causes a page fault
  return FloatBuffer(static_cast<float*>(p));
}

}  // namespace hopcodec::base
