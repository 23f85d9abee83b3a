// Which kernel computes a product: thin for few rows, wide once tiles can fill the device. The
// choice changes no bit.
#define HOPCODEC_ISA cuda
#include "kernels/cuda/product.hpp"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/product_thin.cuh"
#include "kernels/cuda/product_wide.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kProcessors = 132;  // of an H200; only the choice of shapes depends on it
constexpr int kEnoughTiles = 64;  // below, wide tiles leave most of the device idle
constexpr int kFewRows = 128;
constexpr int kMostGroups = 16;

int rows_of(const Product& p) { return p.lanes.count * p.lanes.max_rows; }

int chains_in(const Product& p) {
  return chains_of(p.source[0].depth) + (p.sources > 1 ? chains_of(p.source[1].depth) : 0);
}

bool is_wide(const Product& p, int tile_rows, int tile_columns) {
  const int tiles = ceil_div(rows_of(p), tile_rows) * ceil_div(p.matrix.columns, tile_columns);
  return rows_of(p) >= kFewRows && tiles >= kEnoughTiles;
}

// Rows that share a read of the weights. Deep products are bound by those reads; shallow ones need
// threads more.
int shared_rows(const Product& p) {
  const int rows = rows_of(p);
  if (chains_in(p) > 1) return rows >= 8 ? 8 : rows >= 3 ? 4 : 1;
  return rows * p.matrix.columns >= 4 * 256 * kProcessors ? 4 : 1;
}

ThinShape thin_shape(const Product& p, int shared) {
  const int row_blocks = ceil_div(rows_of(p), shared);
  ThinShape shape{32, 1, 1};
  while (shape.groups < chains_in(p) && shape.groups < kMostGroups) shape.groups *= 2;
  while (shape.columns > 4 &&
         (shape.columns * shape.groups > kThinThreads / 2 ||
          ceil_div(p.matrix.columns, shape.columns) * row_blocks < kProcessors)) {
    shape.columns /= 2;
  }
  const int room = kThinThreads / 2 / (shape.columns * shape.groups);
  while (shape.lanes < room && shape.lanes < row_blocks) shape.lanes *= 2;
  return shape;
}

unsigned threads_of(const ThinShape& s) {
  return static_cast<unsigned>(s.columns * s.groups * s.lanes);
}

dim3 thin_grid(const Product& p, const ThinShape& s, int shared, int n) {
  return dim3(static_cast<unsigned>(ceil_div(p.matrix.columns, s.columns)),
              static_cast<unsigned>(ceil_div(rows_of(p), s.lanes * shared)),
              static_cast<unsigned>(n));
}

dim3 tiles_of(const Product& p, int rows, int columns) {
  return dim3(static_cast<unsigned>(ceil_div(p.matrix.columns, columns)),
              static_cast<unsigned>(ceil_div(rows_of(p), rows)));
}

cudaError_t launch_thin(const Product* products, int n, cudaStream_t stream) {
  // One block size serves both: the smaller product's extra threads find nothing to do.
  const int shared = shared_rows(products[0]);
  Pair pair{{products[0], products[n - 1]}, {}};
  dim3 grid(1);
  unsigned threads = 0;
  for (int i = 0; i < n; ++i) {
    pair.shape[i] = thin_shape(products[i], shared);
    if (threads_of(pair.shape[i]) > threads) threads = threads_of(pair.shape[i]);
  }
  for (int i = 0; i < n; ++i) {
    ThinShape& shape = pair.shape[i];
    shape.lanes = static_cast<int>(threads) / (shape.columns * shape.groups);
    const dim3 own = thin_grid(products[i], shape, shared, n);
    grid = dim3(own.x > grid.x ? own.x : grid.x, own.y > grid.y ? own.y : grid.y, own.z);
  }
  if (shared == 8) return launch(thin<8>, grid, threads, stream, pair);
  if (shared == 4) return launch(thin<4>, grid, threads, stream, pair);
  return launch(thin<1>, grid, threads, stream, pair);
}

template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
cudaError_t launch_wide(const Product& p, cudaStream_t stream) {
  using T = Tile<kRows, kColumns, kThreadRows, kThreadColumns>;
  return launch(wide<kRows, kColumns, kThreadRows, kThreadColumns>, tiles_of(p, kRows, kColumns),
                T::kThreads, stream, p);
}

cudaError_t one(const Product& p, cudaStream_t stream) {
  const int columns = p.matrix.columns;
  if (columns > 64 && is_wide(p, 128, 128)) return launch_wide<128, 128, 8, 8>(p, stream);
  if (columns > 32 && is_wide(p, 128, 64)) return launch_wide<128, 64, 8, 8>(p, stream);
  if (columns > 16 && is_wide(p, 128, 32)) return launch_wide<128, 32, 8, 4>(p, stream);
  if (columns > 4 && is_wide(p, 128, 16)) return launch_wide<128, 16, 4, 4>(p, stream);
  return launch_thin(&p, 1, stream);
}

}  // namespace

cudaError_t product(const Product* products, int n, cudaStream_t stream) {
  if (n == 1) return one(products[0], stream);
  // Side by side while both are small; each to its best kernel once they fill the device anyway.
  if (!is_wide(products[0], 128, 16) && !is_wide(products[1], 128, 16)) {
    return launch_thin(products, 2, stream);
  }
  const cudaError_t first = one(products[0], stream);
  return first != cudaSuccess ? first : one(products[1], stream);
}

cudaError_t lstm_step(const Product& p, const Cell& cell, cudaStream_t stream) {
  if (is_wide(p, 128, 128)) {
    using T = Tile<128, 128, 8, 8>;
    return launch(wide_cell<128, 128, 8, 8>, tiles_of(p, 128, 128), T::kThreads, stream, p, cell);
  }
  const int shared = shared_rows(p);
  const ThinShape shape = thin_shape(p, shared);
  const dim3 grid = thin_grid(p, shape, shared, 1);
  const unsigned threads = threads_of(shape);
  if (shared == 8) return launch(thin_cell<8>, grid, threads, stream, p, cell, shape);
  if (shared == 4) return launch(thin_cell<4>, grid, threads, stream, p, cell, shape);
  return launch(thin_cell<1>, grid, threads, stream, p, cell, shape);
}

}  // namespace hopcodec::kernels::cuda
