#define HOPCODEC_ISA cuda
#include "cuda_mma_kernels.hpp"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/product_mma.cuh"

namespace hopcodec::test {

namespace cuda = kernels::cuda;

namespace {

template <class S>
cudaError_t tiles(const cuda::Product& p, cudaStream_t stream) {
  const int rows = p.lanes.count * p.lanes.max_rows;
  const dim3 grid(static_cast<unsigned>(cuda::ceil_div(rows, S::kRows) *
                                        cuda::ceil_div(p.matrix.columns, S::kColumns)));
  return cuda::launch_shared(cuda::mma<S>, grid, S::kThreads, sizeof(typename S::Memory), stream,
                             p);
}

}  // namespace

cudaError_t mma_wide_tiles(const cuda::Product& p, cudaStream_t stream) {
  return p.matrix.precision == cuda::Precision::kTf32
             ? tiles<cuda::WideTiles<cuda::Tf32>>(p, stream)
             : tiles<cuda::WideTiles<cuda::Bf16>>(p, stream);
}

cudaError_t mma_narrow_tiles(const cuda::Product& p, cudaStream_t stream) {
  return p.matrix.precision == cuda::Precision::kTf32
             ? tiles<cuda::NarrowTiles<cuda::Tf32>>(p, stream)
             : tiles<cuda::NarrowTiles<cuda::Bf16>>(p, stream);
}

}  // namespace hopcodec::test
