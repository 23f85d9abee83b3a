#define HOPCODEC_ISA cuda
#include "cuda_mma_kernels.hpp"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/product_mma.cuh"
#include "kernels/cuda/product_mma_thin.cuh"

namespace hopcodec::test {

namespace cuda = kernels::cuda;

namespace {

template <class S>
cudaError_t tiles(const cuda::Product& p, cudaStream_t stream) {
  const int rows = p.lanes.count * p.lanes.max_rows;
  const dim3 grid(static_cast<unsigned>(cuda::ceil_div(rows, S::kRows) *
                                        cuda::ceil_div(p.matrix.columns, S::kColumns)));
  const auto kernel = p.sources == 1 && p.source[0].depth <= cuda::kChainTerms
                          ? cuda::mma<S, true>
                          : cuda::mma<S, false>;
  return cuda::launch_shared(kernel, grid, S::kThreads, sizeof(typename S::Memory), stream, p);
}

template <class Format>
cudaError_t tiles_of(const cuda::Product& p, int rows, int columns, cudaStream_t stream) {
  if (rows == 64 && columns == 64) return tiles<cuda::MmaShape<Format, 64, 64, 32, 32>>(p, stream);
  if (rows != 128) return cudaErrorInvalidValue;
  switch (columns) {
    case 128:
      return tiles<cuda::MmaShape<Format, 128, 128, 64, 32>>(p, stream);
    case 64:
      return tiles<cuda::MmaShape<Format, 128, 64, 32, 32>>(p, stream);
    case 32:
      return tiles<cuda::MmaShape<Format, 128, 32, 32, 32>>(p, stream);
    case 16:
      return tiles<cuda::MmaShape<Format, 128, 16, 32, 16>>(p, stream);
    default:
      return cudaErrorInvalidValue;
  }
}

template <class Format, int kM>
cudaError_t thin(const cuda::Product& p, cudaStream_t stream) {
  const int rows = p.lanes.count * p.lanes.max_rows;
  const cuda::MmaPair pair{{p, p}, {{4, 2}, {4, 2}}};
  const dim3 grid(static_cast<unsigned>(cuda::ceil_div(p.matrix.columns, 16)),
                  static_cast<unsigned>(cuda::ceil_div(rows, 16 * kM)));
  return cuda::launch(cuda::mma_thin<Format, kM>, grid, 32 * 8, stream, pair);
}

template <class Format>
cudaError_t thin_of(const cuda::Product& p, int blocks, cudaStream_t stream) {
  if (blocks == 4) return thin<Format, 4>(p, stream);
  if (blocks == 2) return thin<Format, 2>(p, stream);
  return blocks == 1 ? thin<Format, 1>(p, stream) : cudaErrorInvalidValue;
}

}  // namespace

cudaError_t mma_tiles(const cuda::Product& p, int rows, int columns, cudaStream_t stream) {
  return p.matrix.precision == cuda::Precision::kTf32
             ? tiles_of<cuda::Tf32>(p, rows, columns, stream)
             : tiles_of<cuda::Bf16>(p, rows, columns, stream);
}

cudaError_t mma_thin_blocks(const cuda::Product& p, int blocks, cudaStream_t stream) {
  return p.matrix.precision == cuda::Precision::kTf32 ? thin_of<cuda::Tf32>(p, blocks, stream)
                                                      : thin_of<cuda::Bf16>(p, blocks, stream);
}

}  // namespace hopcodec::test
