#include "kernels/cuda/compiled.hpp"

#include <cuda_runtime.h>

namespace hopcodec::kernels::cuda {
namespace {

__global__ void probe() {}

}  // namespace

bool compiled_for_hopper() {
  cudaFuncAttributes attributes{};
  // Not binaryVersion: for code compiled from old PTX, that is the version of the device.
  return cudaFuncGetAttributes(&attributes, probe) == cudaSuccess && attributes.ptxVersion >= 90;
}

}  // namespace hopcodec::kernels::cuda
