// Sets the floating-point mode of this thread and restores the caller's afterwards. The caller's
// mode never affects a result.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hopcodec::base {

class FloatMode {
 public:
#if defined(__x86_64__)
  using Register = unsigned;
  static constexpr Register kDefault = 0x1f80;           // all exceptions masked, round to nearest
  static constexpr Register kFlush = kDefault | 0x8040;  // denormals to zero, read and written
  static Register now() noexcept { return _mm_getcsr(); }
  static void set(Register mode) noexcept { _mm_setcsr(mode); }
#elif defined(__aarch64__)
  using Register = std::uint64_t;
  static constexpr Register kDefault = 0;
  static constexpr Register kFlush = Register{1} << 24;
  static Register now() noexcept {
    Register mode;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
  }
  static void set(Register mode) noexcept { asm volatile("msr fpcr, %0" ::"r"(mode)); }
#else
  using Register = unsigned;
  static constexpr Register kDefault = 0;
  static constexpr Register kFlush = 0;
  static Register now() noexcept { return 0; }
  static void set(Register) noexcept {}
#endif

  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;

 protected:
  explicit FloatMode(Register mode) noexcept : saved_(now()) { set(mode); }
  ~FloatMode() { set(saved_); }

 private:
  Register saved_;
};

// For weights, and whatever else is computed once.
class DefaultFloatMode : public FloatMode {
 public:
  DefaultFloatMode() noexcept : FloatMode(kDefault) {}
};

// For a push. A decaying tail would otherwise produce denormals, which the FPU computes slowly, and
// a late hop is an audible click.
class FlushDenormals : public FloatMode {
 public:
  FlushDenormals() noexcept : FloatMode(kFlush) {}
};

}  // namespace hopcodec::base
