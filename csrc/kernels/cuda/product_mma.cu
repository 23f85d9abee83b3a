// Chooses the tiles of a product on a tensor core. The choice changes no bit.
#define HOPCODEC_ISA cuda
#include "kernels/cuda/product_mma.hpp"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/product_mma.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kProcessors = 132;  // of an H200; only the choice of tiles depends on it

unsigned tiles_in(const Product& p, int rows, int columns) {
  return static_cast<unsigned>(ceil_div(p.lanes.count * p.lanes.max_rows, rows) *
                               ceil_div(p.matrix.columns, columns));
}

template <class S>
cudaError_t launch_tiles(const Product& p, const Cell* cell, cudaStream_t stream) {
  const dim3 grid(tiles_in(p, S::kRows, S::kColumns));
  const auto bytes = sizeof(typename S::Memory);
  if (cell == nullptr) return launch_shared(mma<S>, grid, S::kThreads, bytes, stream, p);
  return launch_shared(mma_cell<S>, grid, S::kThreads, bytes, stream, p, *cell);
}

// Wide tiles read rows and weights less often. Narrow ones are more, so few rows use more of the
// device.
template <class Format>
cudaError_t tiles(const Product& p, const Cell* cell, cudaStream_t stream) {
  using Wide = WideTiles<Format>;
  const bool fills = tiles_in(p, Wide::kRows, Wide::kColumns) >= kProcessors;
  return fills && p.matrix.columns > NarrowTiles<Format>::kColumns
             ? launch_tiles<Wide>(p, cell, stream)
             : launch_tiles<NarrowTiles<Format>>(p, cell, stream);
}

cudaError_t tiles_of(const Product& p, const Cell* cell, cudaStream_t stream) {
  return p.matrix.precision == Precision::kTf32 ? tiles<Tf32>(p, cell, stream)
                                                : tiles<Bf16>(p, cell, stream);
}

}  // namespace

cudaError_t product_mma(const Product& p, cudaStream_t stream) {
  return tiles_of(p, nullptr, stream);
}

cudaError_t lstm_step_mma(const Product& p, const Cell& cell, cudaStream_t stream) {
  return tiles_of(p, &cell, stream);
}

}  // namespace hopcodec::kernels::cuda
