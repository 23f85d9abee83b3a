// The clock of the live engine: CLOCK_MONOTONIC, which all processes of a machine share.
#pragma once

#include <time.h>

#include <cstdint>

#include "base/realtime.hpp"

namespace hopcodec::realtime {

inline constexpr std::int64_t kSecondNs = 1'000'000'000;

// The time in nanoseconds. The vDSO reads it without a system call where it is available.
HOPCODEC_REALTIME inline std::int64_t now_ns() noexcept {
  timespec t{};
  HOPCODEC_VOUCHED_BEGIN  // no system call: read in user space (vDSO)
      clock_gettime(CLOCK_MONOTONIC, &t);
  HOPCODEC_VOUCHED_END
  return std::int64_t{t.tv_sec} * kSecondNs + t.tv_nsec;
}

}  // namespace hopcodec::realtime
