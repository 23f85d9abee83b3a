// Chooses the kernel for a product: staged for a few rows, thin for more, wide once tiles can fill
// the device, narrow for very few columns. The choice changes no bit.
#define HOPCODEC_ISA cuda
#include "kernels/cuda/product.hpp"

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/product_mma.hpp"
#include "kernels/cuda/product_narrow.cuh"
#include "kernels/cuda/product_staged.cuh"
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

std::size_t staged_bytes(const StagedShape& s) {
  return static_cast<std::size_t>(staged_floats(s)) * sizeof(float);
}

// Whether a block may have this size: every processor still has a block, or the block is smaller
// than a warp.
bool fits(const Product& p, const StagedShape& s) {
  const int blocks = ceil_div(p.matrix.columns, s.columns) * ceil_div(rows_of(p), s.rows);
  const int threads = s.columns * s.groups * s.rows;
  const bool filled = s.columns < 2 * p.matrix.columns && s.rows < 2 * rows_of(p);
  return (blocks >= kProcessors || threads <= 32) && filled && s.columns <= kStagedRows &&
         s.rows <= kStagedRows && threads <= kStagedThreads && staged_bytes(s) <= kStagedBytes;
}

StagedShape staged_shape(const Product& p) {
  int deepest = p.source[0].depth;
  if (p.sources > 1 && p.source[1].depth > deepest) deepest = p.source[1].depth;
  StagedShape shape{
      4, 1, 1, deepest < kChainTerms ? 4 * groups_of(deepest) : kChainTerms, 1, kStagedThreads};
  while (shape.groups < chains_in(p) && shape.groups < kMostGroups) shape.groups *= 2;
  // Rows share reads of the weights, columns share reads of the rows; balance the two.
  while (true) {
    StagedShape wider = shape;
    wider.columns *= 2;
    StagedShape taller = shape;
    taller.rows *= 2;
    const bool widens = fits(p, wider);
    const bool grows = fits(p, taller);
    if (!widens && !grows) break;
    shape = grows && (!widens || shape.rows < shape.columns) ? taller : wider;
  }
  const int own = shape.columns * shape.groups * shape.rows;
  const int least = shape.groups * shape.slot > 512 ? 64 : 32;  // more threads to start many copies
  shape.threads = own < least ? least : own;
  return shape;
}

// Lets as many threads copy a chain side by side as it has groups of four.
void share_copies(StagedShape& shape, int threads) {
  shape.threads = threads;
  while (shape.across * 4 < shape.slot && shape.across < threads) shape.across *= 2;
}

dim3 staged_grid(const Product& p, const StagedShape& s, int n) {
  return dim3(static_cast<unsigned>(ceil_div(rows_of(p), s.rows)),
              static_cast<unsigned>(ceil_div(p.matrix.columns, s.columns)),
              static_cast<unsigned>(n));
}

cudaError_t launch_staged(const Product* products, int n, cudaStream_t stream) {
  StagedPair pair{{products[0], products[n - 1]}, {}};
  int threads = 0;
  for (int i = 0; i < n; ++i) {
    pair.shape[i] = staged_shape(products[i]);
    if (pair.shape[i].threads > threads) threads = pair.shape[i].threads;
  }
  dim3 grid(1);
  std::size_t bytes = 0;
  for (int i = 0; i < n; ++i) {
    share_copies(pair.shape[i], threads);
    if (staged_bytes(pair.shape[i]) > bytes) bytes = staged_bytes(pair.shape[i]);
    const dim3 own = staged_grid(products[i], pair.shape[i], n);
    grid = dim3(own.x > grid.x ? own.x : grid.x, own.y > grid.y ? own.y : grid.y, own.z);
  }
  return launch_within(staged, grid, static_cast<unsigned>(threads), bytes, kStagedBytes,
                       {stream, products[0].lanes.overlaps}, pair);
}

cudaError_t launch_staged_cell(const Product& p, const Cell& cell, cudaStream_t stream) {
  StagedShape shape = staged_shape(p);
  share_copies(shape, shape.threads);
  return launch_within(staged_cell, staged_grid(p, shape, 1), static_cast<unsigned>(shape.threads),
                       staged_bytes(shape), kStagedBytes, {stream, p.lanes.overlaps}, p, cell,
                       shape);
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
  if (shared == 1) return launch_staged(products, n, stream);
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
  const Order order(stream, products[0].lanes.overlaps);
  if (shared == 8) return launch(thin<8>, grid, threads, order, pair);
  return launch(thin<4>, grid, threads, order, pair);
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
                       {stream, p.lanes.overlaps}, p);
}

bool is_narrow(const Product& p) {
  const Source& s = p.source[0];
  return p.matrix.columns <= 4 && p.sources == 1 && s.taps == 1 && reads_by_four(s) &&
         p.lanes.count * narrow_blocks(p.lanes) >= kProcessors &&
         static_cast<std::size_t>(narrow_floats(s)) * sizeof(float) <= kNarrowBytes;
}

template <int kColumns>
cudaError_t launch_narrow(const Product& p, cudaStream_t stream) {
  return launch_within(
      narrow<kColumns>, dim3(static_cast<unsigned>(p.lanes.count * narrow_blocks(p.lanes))),
      kNarrowRows, static_cast<std::size_t>(narrow_floats(p.source[0])) * sizeof(float),
      kNarrowBytes, {stream, p.lanes.overlaps}, p);
}

cudaError_t one(const Product& p, cudaStream_t stream) {
  const int columns = p.matrix.columns;
  const auto ample = [&](int tile) { return is_wide(p, 128, tile, kAmpleTiles); };
  if (columns > 64 && ample(128)) return launch_wide<128, 128, 8, 8>(p, stream);
  if (columns > 32 && ample(64)) return launch_wide<128, 64, 8, 8>(p, stream);
  if (columns > 16 && ample(32)) return launch_wide<128, 32, 8, 4>(p, stream);
  if (columns > 4 && is_wide(p, 128, 16)) return launch_wide<128, 16, 4, 4>(p, stream);
  if (is_narrow(p)) {
    return columns == 1   ? launch_narrow<1>(p, stream)
           : columns == 2 ? launch_narrow<2>(p, stream)
                          : launch_narrow<4>(p, stream);
  }
  return launch_thin(&p, 1, stream);
}

}  // namespace

cudaError_t product(const Product* products, int n, cudaStream_t stream) {
  if (n == 2 && products[0].matrix.precision != products[1].matrix.precision) {
    const cudaError_t first = product(products, 1, stream);
    return first != cudaSuccess ? first : product(products + 1, 1, stream);
  }
  if (products[0].matrix.precision != Precision::kFloat32) return product_mma(products, n, stream);
  if (n == 1) return one(products[0], stream);
  // Small products run side by side. Larger ones fill the device alone, so each uses its best
  // kernel.
  if (!is_wide(products[0], 128, 16) && !is_wide(products[1], 128, 16)) {
    return launch_thin(products, 2, stream);
  }
  const cudaError_t first = one(products[0], stream);
  return first != cudaSuccess ? first : one(products[1], stream);
}

cudaError_t lstm_step(const Product& p, const Cell& cell, cudaStream_t stream) {
  if (p.matrix.precision != Precision::kFloat32) return lstm_step_mma(p, cell, stream);
  if (is_wide(p, 128, 128)) {
    using W = WideProduct<128, 128, 8, 8>;
    return launch_shared(wide_cell<128, 128, 8, 8>, tiles_of(p, 128, 128), W::T::kThreads,
                         sizeof(W::Memory), {stream, p.lanes.overlaps}, p, cell);
  }
  const int shared = shared_rows(p);
  if (shared == 1) return launch_staged_cell(p, cell, stream);
  const ThinShape shape = thin_shape(p, shared);
  const dim3 grid = thin_grid(p, shape, shared, 1);
  const unsigned threads = threads_of(shape);
  const Order order(stream, p.lanes.overlaps);
  if (shared == 8) return launch(thin_cell<8>, grid, threads, order, p, cell, shape);
  return launch(thin_cell<4>, grid, threads, order, p, cell, shape);
}

}  // namespace hopcodec::kernels::cuda
