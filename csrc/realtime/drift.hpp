// Holds the level of a buffer between two clocks by resampling a little faster or slower: a
// proportional-integral loop, critically damped, whose integral learns how far the clocks differ.
#pragma once

#include <algorithm>

#include "base/realtime.hpp"

namespace hopcodec::realtime {

class DriftLoop {
 public:
  // How much more input to use per output, as a fraction, when the buffer has been `error_s` too
  // full for the last `dt_s`.
  HOPCODEC_REALTIME double update(double error_s, double dt_s) noexcept {
    smooth_ += (error_s - smooth_) * std::min(1.0, dt_s / kSmoothS);
    integral_ = std::clamp(integral_ + kIntegral * smooth_ * dt_s, -kMost, kMost);
    return std::clamp(kProportional * smooth_ + integral_, -kMost, kMost);
  }
  // What the loop has learned of the difference between the clocks.
  double learned() const { return integral_; }
  // After a jump of the buffer; what was learned stays.
  HOPCODEC_REALTIME void jumped() noexcept { smooth_ = 0.0; }
  void reset() noexcept { smooth_ = integral_ = 0.0; }

 private:
  // A natural frequency of 0.02 Hz: a step of 1000 ppm moves the buffer by 1e-3 / (e * omega), or
  // 3 ms, and a callback that is 1 ms late moves the pitch by less than a cent (578 ppm).
  static constexpr double kOmega = 0.1257;
  static constexpr double kProportional = 2.0 * kOmega;
  static constexpr double kIntegral = kOmega * kOmega;
  static constexpr double kSmoothS = 0.5;
  static constexpr double kMost = 0.004;

  double smooth_ = 0.0;
  double integral_ = 0.0;
};

}  // namespace hopcodec::realtime
