// The one clock of the live engine: CLOCK_MONOTONIC, which two processes of one machine share.
#pragma once

#include <time.h>

#include <cstdint>

#include "base/realtime.hpp"

namespace hopcodec::realtime {

inline constexpr std::int64_t kSecondNs = 1'000'000'000;

// Nanoseconds. Read in user space where the kernel offers it (vDSO).
HOPCODEC_REALTIME inline std::int64_t now_ns() noexcept {
  timespec t{};
  HOPCODEC_VOUCHED_BEGIN  // answered in user space
      clock_gettime(CLOCK_MONOTONIC, &t);
  HOPCODEC_VOUCHED_END
  return std::int64_t{t.tv_sec} * kSecondNs + t.tv_nsec;
}

}  // namespace hopcodec::realtime
