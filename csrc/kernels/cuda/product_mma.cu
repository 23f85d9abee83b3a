// Chooses the kernel for a product on a tensor core: thin for few rows, tiles once they can fill
// the device. The choice changes no bit.
#define HOPCODEC_ISA cuda
#include "kernels/cuda/product_mma.hpp"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/product_mma.cuh"
#include "kernels/cuda/product_mma_thin.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kProcessors = 132;  // of an H200; only the choice of shapes depends on it
// From this number on, tiles win even if most of the device is idle, because the thin kernel reads
// the rows once per panel of columns, from the second-level cache.
constexpr int kEnoughTiles = 20;
constexpr int kFewRows = 64;

int rows_of(const Product& p) { return p.lanes.count * p.lanes.max_rows; }

int chains_in(const Product& p) {
  return chains_of(p.source[0].depth) + (p.sources > 1 ? chains_of(p.source[1].depth) : 0);
}

int tiles_in(const Product& p, int rows, int columns) {
  return ceil_div(rows_of(p), rows) * ceil_div(p.matrix.columns, columns);
}

// Rows and columns of a tile; 0 if there are too few rows for tiles.
struct TileSize {
  int rows;
  int columns;
};

TileSize tile_size(const Product& p) {
  const int columns = p.matrix.columns;
  const int width = columns > 64 ? 128 : columns > 32 ? 64 : columns > 16 ? 32 : 16;
  if (rows_of(p) < kFewRows) return {0, 0};
  if (tiles_in(p, 128, width) >= kProcessors || width < 64) {
    return tiles_in(p, 128, width) >= kEnoughTiles ? TileSize{128, width} : TileSize{0, 0};
  }
  return tiles_in(p, 64, 64) >= kEnoughTiles ? TileSize{64, 64} : TileSize{0, 0};
}

template <class S, bool kOneChain>
cudaError_t launch_tiles(const Product& p, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(tiles_in(p, S::kRows, S::kColumns)));
  return launch_shared(mma<S, kOneChain>, grid, S::kThreads, sizeof(typename S::Memory),
                       {stream, p.lanes.overlaps}, p);
}

template <class S>
cudaError_t launch_tiles(const Product& p, cudaStream_t stream) {
  return chains_in(p) == 1 ? launch_tiles<S, true>(p, stream) : launch_tiles<S, false>(p, stream);
}

// The largest tiles of tf32 need more shared memory than consumer GPUs have. Setting the attribute
// before the launch then fails.
bool lacks_memory(cudaError_t error) {
  if (error != cudaErrorInvalidValue) return false;
  static_cast<void>(cudaGetLastError());
  return true;
}

template <class Format>
cudaError_t tiles(const Product& p, const TileSize& size, cudaStream_t stream) {
  if (size.rows == 64) return launch_tiles<MmaShape<Format, 64, 64, 32, 32>>(p, stream);
  if (size.columns == 128) {
    const cudaError_t error = launch_tiles<MmaShape<Format, 128, 128, 64, 32>>(p, stream);
    if (!lacks_memory(error)) return error;
  }
  if (size.columns >= 64) return launch_tiles<MmaShape<Format, 128, 64, 32, 32>>(p, stream);
  if (size.columns == 32) return launch_tiles<MmaShape<Format, 128, 32, 32, 32>>(p, stream);
  return launch_tiles<MmaShape<Format, 128, 16, 32, 16>>(p, stream);
}

constexpr int kEnoughWarps = 4 * kProcessors;

// Number of 16-row blocks that share a read of the weights, as long as there are enough warps.
int row_blocks(const Product& p) {
  int blocks = rows_of(p) > 32 ? 4 : rows_of(p) > 16 ? 2 : 1;
  const int across = ceil_div(p.matrix.columns, kSliceColumns) * chains_in(p);
  while (blocks > 1 && ceil_div(rows_of(p), 16 * blocks) * across < kEnoughWarps) blocks /= 2;
  return blocks;
}

MmaThinShape thin_shape(const Product& p, int blocks) {
  MmaThinShape shape{1, 1};
  while (shape.groups < chains_in(p) && shape.groups < kMostMmaWarps) shape.groups *= 2;
  const int panels = ceil_div(p.matrix.columns, kSliceColumns);
  const int rows = ceil_div(rows_of(p), 16 * blocks);
  // Add panels to a block while every processor still has a block.
  while (shape.groups * shape.panels * 2 <= kMostMmaWarps / 2 &&
         ceil_div(panels, shape.panels * 2) * rows >= kProcessors) {
    shape.panels *= 2;
  }
  return shape;
}

dim3 thin_grid(const Product& p, const MmaThinShape& shape, int blocks, int n) {
  return dim3(static_cast<unsigned>(ceil_div(p.matrix.columns, kSliceColumns * shape.panels)),
              static_cast<unsigned>(ceil_div(rows_of(p), 16 * blocks)), static_cast<unsigned>(n));
}

template <class Format>
cudaError_t thin(const Product* products, int n, cudaStream_t stream) {
  int blocks = 1;
  for (int i = 0; i < n; ++i) {
    blocks = row_blocks(products[i]) > blocks ? row_blocks(products[i]) : blocks;
  }
  MmaPair pair{{products[0], products[n - 1]}, {}};
  int warps = 0;
  for (int i = 0; i < n; ++i) {
    pair.shape[i] = thin_shape(products[i], blocks);
    const int own = pair.shape[i].groups * pair.shape[i].panels;
    warps = own > warps ? own : warps;
  }
  dim3 grid(1);
  for (int i = 0; i < n; ++i) {
    pair.shape[i].panels = warps / pair.shape[i].groups;  // both products use one block size
    const dim3 own = thin_grid(products[i], pair.shape[i], blocks, n);
    grid = dim3(own.x > grid.x ? own.x : grid.x, own.y > grid.y ? own.y : grid.y, own.z);
  }
  const auto threads = static_cast<unsigned>(32 * warps);
  const Order order(stream, products[0].lanes.overlaps);
  if (blocks == 4) return launch(mma_thin<Format, 4>, grid, threads, order, pair);
  if (blocks == 2) return launch(mma_thin<Format, 2>, grid, threads, order, pair);
  return launch(mma_thin<Format, 1>, grid, threads, order, pair);
}

template <class Format>
cudaError_t products_of(const Product* products, int n, cudaStream_t stream) {
  bool small = true;
  for (int i = 0; i < n; ++i) small = small && tile_size(products[i]).rows == 0;
  if (small) return thin<Format>(products, n, stream);
  for (int i = 0; i < n; ++i) {
    const TileSize size = tile_size(products[i]);
    const cudaError_t error = size.rows == 0 ? thin<Format>(&products[i], 1, stream)
                                             : tiles<Format>(products[i], size, stream);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

template <class S>
cudaError_t cell_tiles(const Product& p, const Cell& cell, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(tiles_in(p, S::kRows, S::kColumns)));
  return launch_shared(mma_cell<S>, grid, S::kThreads, sizeof(typename S::Memory),
                       {stream, p.lanes.overlaps}, p, cell);
}

template <class Format>
cudaError_t cell_step(const Product& p, const Cell& cell, cudaStream_t stream) {
  const TileSize size = tile_size(p);
  if (size.rows == 128 && size.columns == 128) {
    const cudaError_t error = cell_tiles<MmaShape<Format, 128, 128, 64, 32>>(p, cell, stream);
    if (!lacks_memory(error)) return error;
  }
  // All LSTMs of our codecs are at least as wide as a wide tile; the small tile works for any.
  if (size.rows != 0) return cell_tiles<MmaShape<Format, 64, 64, 32, 32>>(p, cell, stream);
  const int blocks = row_blocks(p);
  const MmaThinShape shape = thin_shape(p, blocks);
  const dim3 grid = thin_grid(p, shape, blocks, 1);
  const auto threads = static_cast<unsigned>(32 * shape.groups * shape.panels);
  const Order order(stream, p.lanes.overlaps);
  if (blocks == 4) return launch(mma_thin_cell<Format, 4>, grid, threads, order, p, shape, cell);
  if (blocks == 2) return launch(mma_thin_cell<Format, 2>, grid, threads, order, p, shape, cell);
  return launch(mma_thin_cell<Format, 1>, grid, threads, order, p, shape, cell);
}

}  // namespace

cudaError_t product_mma(const Product* products, int n, cudaStream_t stream) {
  return products[0].matrix.precision == Precision::kTf32 ? products_of<Tf32>(products, n, stream)
                                                          : products_of<Bf16>(products, n, stream);
}

cudaError_t lstm_step_mma(const Product& p, const Cell& cell, cudaStream_t stream) {
  return p.matrix.precision == Precision::kTf32 ? cell_step<Tf32>(p, cell, stream)
                                                : cell_step<Bf16>(p, cell, stream);
}

}  // namespace hopcodec::kernels::cuda
