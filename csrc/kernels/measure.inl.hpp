// The peak rates of this core: multiply-adds without memory, and reads without arithmetic. The
// benchmarks report their speed as a fraction of these.
#pragma once

#include "kernels/kernels.hpp"

namespace hopcodec::kernels::HOPCODEC_ISA {

static float fma_burst(std::size_t count) {
  constexpr int kChains = 12;  // enough independent chains to cover the latency of two FMA pipes
  F sum[kChains];
  for (int i = 0; i < kChains; ++i) sum[i] = all(static_cast<float>(i));
  const F a = all(0.999F);
  const F b = all(0.001F);
  for (std::size_t n = 0; n < count; n += kChains * kLanes) {
    for (int i = 0; i < kChains; ++i) sum[i] = fma(sum[i], a, b);
  }
  float lanes[kLanes];
  float y = 0.0F;
  for (int i = 0; i < kChains; ++i) {
    store(lanes, sum[i]);
    y += lanes[0];
  }
  return y;
}

static float read_burst(const float* x, std::size_t n) {
  constexpr int kChains = 4;
  F sum[kChains];
  for (int i = 0; i < kChains; ++i) sum[i] = all(0.0F);
  for (std::size_t k = 0; k + kChains * kLanes <= n; k += kChains * kLanes) {
    for (int i = 0; i < kChains; ++i) sum[i] = add(sum[i], load(x + k + i * kLanes));
  }
  float lanes[kLanes];
  float y = 0.0F;
  for (int i = 0; i < kChains; ++i) {
    store(lanes, sum[i]);
    y += lanes[0];
  }
  return y;
}

}  // namespace hopcodec::kernels::HOPCODEC_ISA
