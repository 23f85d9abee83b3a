// The tensor core's kernels, each by its own name: the library launches the one that suits the
// rows.
#pragma once

#include "kernels/cuda/product.hpp"

namespace hopcodec::test {

// By tiles of so many rows and columns: (128, 128), (128, 64), (128, 32), (128, 16) or (64, 64).
// cudaErrorInvalidValue for others.
cudaError_t mma_tiles(const kernels::cuda::Product& p, int rows, int columns, cudaStream_t stream);

// By the kernel for few rows, 16 * blocks of them at a time: 1, 2 or 4.
cudaError_t mma_thin_blocks(const kernels::cuda::Product& p, int blocks, cudaStream_t stream);

}  // namespace hopcodec::test
