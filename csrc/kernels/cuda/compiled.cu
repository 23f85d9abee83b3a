#include "kernels/cuda/compiled.hpp"

#include <cuda_runtime.h>

namespace hopcodec::kernels::cuda {
namespace {

__global__ void probe() {}

}  // namespace

bool compiled_for_hopper() {
  cudaFuncAttributes attributes{};
  // Not the binary's version: compiled from old PTX it is the device's.
  return cudaFuncGetAttributes(&attributes, probe) == cudaSuccess && attributes.ptxVersion >= 90;
}

}  // namespace hopcodec::kernels::cuda
