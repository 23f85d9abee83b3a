// Sets the floating-point mode of a push and restores the caller's mode afterwards: round to
// nearest, exceptions masked, denormals flushed to zero. A decaying tail would otherwise produce
// denormals, which the FPU computes slowly, and a late hop is an audible click. The caller's mode
// never affects the result.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hopcodec::base {

class FlushDenormals {
 public:
#if defined(__x86_64__)
  FlushDenormals() noexcept : saved_(_mm_getcsr()) { _mm_setcsr(kMode); }
  ~FlushDenormals() { _mm_setcsr(saved_); }
#elif defined(__aarch64__)
  FlushDenormals() noexcept {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" ::"r"(kFz));
  }
  ~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }
#else
  FlushDenormals() noexcept = default;
#endif
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
#if defined(__x86_64__)
  static constexpr unsigned kMode = 0x9fc0;  // FTZ, DAZ, all exceptions masked, nearest
  unsigned saved_;
#elif defined(__aarch64__)
  static constexpr std::uint64_t kFz = std::uint64_t{1} << 24;
  std::uint64_t saved_;
#endif
};

}  // namespace hopcodec::base
