// Holds the level of a buffer between two clocks by resampling slightly faster or slower. The
// controller is a critically damped proportional-integral loop; its integral converges to the
// difference between the clocks.
#pragma once

#include <algorithm>

#include "base/realtime.hpp"

namespace hopcodec::realtime {

class DriftLoop {
 public:
  // Returns how much more input to use per output, as a fraction, after the buffer was `error_s`
  // too full for `dt_s`.
  HOPCODEC_REALTIME double update(double error_s, double dt_s) noexcept {
    smooth_ += (error_s - smooth_) * std::min(1.0, dt_s / kSmoothS);
    integral_ = std::clamp(integral_ + kIntegral * smooth_ * dt_s, -kMost, kMost);
    return std::clamp(kProportional * smooth_ + integral_, -kMost, kMost);
  }
  // The loop's estimate of the difference between the clocks, as a fraction.
  double clock_difference() const { return integral_; }
  // Call this after a jump of the level. It keeps the estimate.
  HOPCODEC_REALTIME void level_jumped() noexcept { smooth_ = 0.0; }
  void reset() noexcept { smooth_ = integral_ = 0.0; }

 private:
  // The natural frequency is 0.02 Hz. A step of 1000 ppm then moves the buffer by 1e-3 / (e *
  // omega), or 3 ms, and a callback that is 1 ms late shifts the pitch by less than a cent (578
  // ppm).
  static constexpr double kOmega = 0.1257;
  static constexpr double kProportional = 2.0 * kOmega;
  static constexpr double kIntegral = kOmega * kOmega;
  static constexpr double kSmoothS = 0.5;
  static constexpr double kMost = 0.004;

  double smooth_ = 0.0;
  double integral_ = 0.0;
};

}  // namespace hopcodec::realtime
