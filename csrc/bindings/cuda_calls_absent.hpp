// The GPU operators in a build without CUDA: every call throws a DeviceError that says so.
#pragma once

#include "bindings/cuda_absent.hpp"

namespace hopcodec::bindings::cuda_calls {

inline constexpr int kMostDim = 512;  // equal to kernels::cuda::kMaxSearchDim

struct Absent {
  std::size_t workspace() const {
    graph::cuda::Device{0};
    return 0;
  }
  void run(int device, std::uintptr_t) const { graph::cuda::Device{device}; }
};

template <std::size_t kAddresses>
using Addresses = std::array<std::uintptr_t, kAddresses>;
template <std::size_t kLengths>
using Lengths = std::array<int, kLengths>;

inline Absent causal_conv1d(const Addresses<8>&, const Lengths<8>&, int) { return {}; }
inline Absent causal_conv_transpose1d(const Addresses<7>&, const Lengths<6>&) { return {}; }
inline Absent lstm(const Addresses<11>&, const Lengths<2>&) { return {}; }
inline Absent quantize(const Addresses<4>&, const Lengths<4>&, bool, bool) { return {}; }
inline Absent dequantize(const Addresses<3>&, const Lengths<4>&, bool) { return {}; }
inline Absent group_norm(const Addresses<5>&, const Lengths<4>&, float) { return {}; }
inline Absent snake(const Addresses<3>&, const Lengths<3>&) { return {}; }
inline Absent pointwise(const std::string&, const Addresses<2>&, std::size_t) { return {}; }

}  // namespace hopcodec::bindings::cuda_calls
