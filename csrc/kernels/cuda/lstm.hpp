// One LSTM layer over time as a stand-alone operator on torch's layouts, with gates i, f, g, o.
// There is one launch per step (product.hpp, lstm_step). The bits are those of the CPU.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace hopcodec::kernels::cuda {

struct Lstm {
  const float* x;          // (units, time)
  const float* weight_ih;  // (4 units, units)
  const float* weight_hh;
  const float* bias_ih;  // (4 units)
  const float* bias_hh;
  const float* hidden;  // (units) before the first step; null for zeros
  const float* cell;
  std::int32_t units;
  std::int32_t time;
  float* y;  // (units, time)
  float* next_hidden;
  float* next_cell;
  float* workspace;  // lstm_workspace floats, aligned to 16 bytes
};

std::size_t lstm_workspace(const Lstm& op);

cudaError_t lstm(const Lstm& op, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
