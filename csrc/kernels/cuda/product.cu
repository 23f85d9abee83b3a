// Chooses the kernel for a product: thin for few rows, wide once tiles can fill the device. The
// choice changes no bit.
#define HOPCODEC_ISA cuda
#include "kernels/cuda/product.hpp"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/product_mma.hpp"
#include "kernels/cuda/product_thin.cuh"
#include "kernels/cuda/product_wide.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kProcessors = 132;  // of an H200; only the choice of shapes depends on it
constexpr int kEnoughTiles = 64;  // with fewer, wide tiles leave most of the device idle
constexpr int kAmpleTiles = 100;  // with fewer, narrower tiles finish sooner, on more processors
constexpr int kFewRows = 128;
constexpr int kMostGroups = 16;

int rows_of(const Product& p) { return p.lanes.count * p.lanes.max_rows; }

int chains_in(const Product& p) {
  return chains_of(p.source[0].depth) + (p.sources > 1 ? chains_of(p.source[1].depth) : 0);
}

bool is_wide(const Product& p, int tile_rows, int tile_columns, int enough = kEnoughTiles) {
  const int tiles = ceil_div(rows_of(p), tile_rows) * ceil_div(p.matrix.columns, tile_columns);
  return rows_of(p) >= kFewRows && tiles >= enough;
}

// Number of rows that share a read of the weights. While the second-level cache delivers everything
// within microseconds, rows should not share: sharing uses fewer threads and so has fewer loads in
// flight.
int shared_rows(const Product& p) {
  constexpr double kEasyBytes = 32e6;
  const double rows = rows_of(p);
  const double depth = p.source[0].depth + (p.sources > 1 ? p.source[1].depth : 0);
  const double bytes = rows * depth * p.matrix.columns * sizeof(float);
  if (chains_in(p) > 1) return bytes <= kEasyBytes ? 1 : bytes <= 4 * kEasyBytes ? 4 : 8;
  return rows * p.matrix.columns >= 4 * 256 * kProcessors ? 4 : 1;
}

ThinShape thin_shape(const Product& p, int shared) {
  const int row_blocks = ceil_div(rows_of(p), shared);
  ThinShape shape{32, 1, 1};
  while (shape.groups < chains_in(p) && shape.groups < kMostGroups) shape.groups *= 2;
  while (shape.columns > 4 && shape.columns / 2 >= p.matrix.columns) shape.columns /= 2;
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

// Rows are along x, because no other grid dimension is large enough for all streams.
dim3 thin_grid(const Product& p, const ThinShape& s, int shared, int n) {
  return dim3(static_cast<unsigned>(ceil_div(rows_of(p), s.lanes * shared)),
              static_cast<unsigned>(ceil_div(p.matrix.columns, s.columns)),
              static_cast<unsigned>(n));
}

cudaError_t launch_thin(const Product* products, int n, cudaStream_t stream) {
  // Both products use one block size; extra threads of the smaller one are idle.
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

// Columns first: blocks that run at the same time share rows, and all share the weights. The grid
// has one dimension, because no other is large enough for the rows of all streams.
dim3 tiles_of(const Product& p, int rows, int columns) {
  return dim3(
      static_cast<unsigned>(ceil_div(p.matrix.columns, columns) * ceil_div(rows_of(p), rows)));
}

template <int kRows, int kColumns, int kThreadRows, int kThreadColumns>
cudaError_t launch_wide(const Product& p, cudaStream_t stream) {
  using W = WideProduct<kRows, kColumns, kThreadRows, kThreadColumns>;
  return launch_shared(wide<kRows, kColumns, kThreadRows, kThreadColumns>,
                       tiles_of(p, kRows, kColumns), W::T::kThreads, sizeof(typename W::Memory),
                       stream, p);
}

bool is_small(const Product& p) {
  return p.matrix.precision == Precision::kFloat32 && !is_wide(p, 128, 16);
}

cudaError_t one(const Product& p, cudaStream_t stream) {
  if (p.matrix.precision != Precision::kFloat32) return product_mma(p, stream);
  const int columns = p.matrix.columns;
  const auto ample = [&](int tile) { return is_wide(p, 128, tile, kAmpleTiles); };
  if (columns > 64 && ample(128)) return launch_wide<128, 128, 8, 8>(p, stream);
  if (columns > 32 && ample(64)) return launch_wide<128, 64, 8, 8>(p, stream);
  if (columns > 16 && ample(32)) return launch_wide<128, 32, 8, 4>(p, stream);
  if (columns > 4 && is_wide(p, 128, 16)) return launch_wide<128, 16, 4, 4>(p, stream);
  return launch_thin(&p, 1, stream);
}

}  // namespace

cudaError_t product(const Product* products, int n, cudaStream_t stream) {
  // Small products run side by side. Larger ones fill the device alone, so each uses its best
  // kernel.
  if (n == 2 && is_small(products[0]) && is_small(products[1])) {
    return launch_thin(products, 2, stream);
  }
  for (int i = 0; i < n; ++i) {
    const cudaError_t error = one(products[i], stream);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t lstm_step(const Product& p, const Cell& cell, cudaStream_t stream) {
  if (p.matrix.precision != Precision::kFloat32) return lstm_step_mma(p, cell, stream);
  if (is_wide(p, 128, 128)) {
    using W = WideProduct<128, 128, 8, 8>;
    return launch_shared(wide_cell<128, 128, 8, 8>, tiles_of(p, 128, 128), W::T::kThreads,
                         sizeof(W::Memory), stream, p, cell);
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
