#define HOPCODEC_ISA cuda
#include "kernels/cuda/columns.cuh"
#include "kernels/cuda/launch.cuh"

namespace hopcodec::kernels::cuda {
namespace {

__global__ void __launch_bounds__(kTransposeThreads) transpose_rows(const RowsBack b) {
  __shared__ TransposeTile tile;
  const int across = ceil_div(b.time, kEdge);
  const int down = ceil_div(b.channels, kEdge);
  const int index = static_cast<int>(blockIdx.x);
  const std::size_t item = static_cast<std::size_t>(index / (across * down));
  const int first_c = index / across % down * kEdge;
  const int first_t = index % across * kEdge;
  const int lane = static_cast<int>(threadIdx.x) % kEdge;
  const float* rows = b.rows + item * b.step;
  for (int i = static_cast<int>(threadIdx.x) / kEdge; i < kEdge; i += kTransposeThreads / kEdge) {
    const int t = first_t + i;
    const int c = first_c + lane;
    if (t >= b.time || c >= b.channels) continue;
    tile[i][lane] = rows[static_cast<std::size_t>(t) * static_cast<std::size_t>(b.channels) +
                         static_cast<std::size_t>(c)];
  }
  __syncthreads();
  float* columns =
      b.columns + item * static_cast<std::size_t>(b.channels) * static_cast<std::size_t>(b.time);
  for (int i = static_cast<int>(threadIdx.x) / kEdge; i < kEdge; i += kTransposeThreads / kEdge) {
    const int t = first_t + lane;
    const int c = first_c + i;
    if (t >= b.time || c >= b.channels) continue;
    columns[static_cast<std::size_t>(c) * static_cast<std::size_t>(b.time) +
            static_cast<std::size_t>(t)] = tile[lane][i];
  }
}

}  // namespace

cudaError_t columns_from_rows(const RowsBack& b, cudaStream_t stream) {
  const int tiles = ceil_div(b.time, kEdge) * ceil_div(b.channels, kEdge) * b.batch;
  if (tiles == 0) return cudaSuccess;
  return launch(transpose_rows, dim3(static_cast<unsigned>(tiles)), kTransposeThreads, stream, b);
}

}  // namespace hopcodec::kernels::cuda
