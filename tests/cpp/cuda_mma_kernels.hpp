// Runs each tensor-core kernel by name. The library would choose one by the number of rows.
#pragma once

#include "kernels/cuda/product.hpp"

namespace hopcodec::test {

cudaError_t mma_wide_tiles(const kernels::cuda::Product& p, cudaStream_t stream);
cudaError_t mma_narrow_tiles(const kernels::cuda::Product& p, cudaStream_t stream);

}  // namespace hopcodec::test
