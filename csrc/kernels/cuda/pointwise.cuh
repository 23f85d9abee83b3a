// Applies a nonlinearity that is chosen at run time to one value of a channel.
#pragma once

#include "kernels/cuda/lane.hpp"
#include "kernels/cuda/scalar.cuh"
#include "kernels/math.inl.hpp"

namespace hopcodec::kernels::cuda {

__device__ inline float snake(float x, float alpha, float inverse_alpha) {
  return fma(inverse_alpha, sin_squared(mul(alpha, x)), x);
}

__device__ inline float activate(const Activation& a, float x, int channel) {
  switch (a.kind) {
    case Pointwise::kElu:
      return elu(x);
    case Pointwise::kTanh:
      return tanh(x);
    case Pointwise::kSnake:
      return snake(x, a.alpha[channel], a.inverse_alpha[channel]);
    case Pointwise::kNone:
      break;
  }
  return x;
}

}  // namespace hopcodec::kernels::cuda
