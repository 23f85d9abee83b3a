// y[t, n] = bias[n] + sum_k x[t, k] w[k, n] for the windows of many lanes. Convolutions, transposed
// convolutions and the two products of an LSTM step use it.
//
// Each output is the same sequence of IEEE operations as on the CPU (kernels/gemm.inl.hpp): chains
// of 256 fused multiply-adds over k in order, added to a running total that begins with the bias.
// This order costs no speed. With few rows, a product is bound by reading weights, and K must be
// split over threads anyway; the chains are the split. With many rows, it costs one addition per
// 256 terms.
//
// On a tensor core (product_mma.cuh) factors are rounded, and the order within a chain is the
// instruction's, so the bits differ from the CPU's. They do not depend on the number of rows or on
// neighbours: every kernel for a matrix computes the same chains and adds them in order.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/lane.hpp"

namespace hopcodec::kernels::cuda {

inline constexpr int kPanelColumns = 4;  // columns of a packed panel

// Precision of the factors of a product. Sums are always float32.
enum class Precision : std::int32_t { kFloat32, kTf32, kBfloat16 };

// The windows of a buffer. Window t starts at `at` + begin * row_floats + t * step_floats and has
// `taps` runs of `tap_length` consecutive floats, tap_stride floats apart.
struct Source {
  std::size_t at;
  std::int32_t depth;  // taps * tap_length
  std::int32_t taps;
  std::int32_t tap_length;
  std::int32_t tap_stride;
  std::int32_t row_floats;
  std::int32_t step_floats;
};

// weight[((n / 4) * groups + k / 4) * 16 + n % 4 * 4 + k % 4]: a thread reads four consecutive k of
// its column at once, and neighbouring threads read neighbouring columns. The depth of each source
// and the columns are padded with zeros to multiples of four. The bias has one float per padded
// column.
struct Matrix {
  const float* weight;
  const float* bias;
  std::int32_t columns;
  std::int32_t groups;  // groups of four k, over both sources
  // For a tensor core, `weight` is null, and `panels` has slices of 16 k by 8 columns in the order
  // of slice_at (index.hpp), as tf32 words or bfloat16; the bias is as above.
  Precision precision = Precision::kFloat32;
  const void* panels = nullptr;
  std::int32_t slices = 0;  // slices of 16 k, over both sources
};

struct Product {
  Matrix matrix;
  Source source[2];  // an LSTM has two, x and h; no chain spans both
  std::int32_t sources;
  // Channels of an output row; a window makes columns / out_channels rows.
  std::int32_t out_channels;
  Activation output;
  std::ptrdiff_t add_at;  // offset of rows to add (a residual's shortcut), or -1
  Sink sink[kMaxSinks];
  std::int32_t sinks;
  Lanes lanes;
};

// One step of an LSTM on row `step`. Columns are (unit, gate), with gates i, f, g, o. The cell is
// updated in place. `hidden_at` has max_rows + 1 rows: the step reads row `step` and writes row
// `step` + 1.
struct Cell {
  std::int32_t units;
  std::int32_t step;
  std::size_t cell_at;
  std::size_t hidden_at;   // rows 0 to max_rows
  std::ptrdiff_t skip_at;  // offset of rows to add to the output, or -1
};

// Computes one or two independent products in one launch.
cudaError_t product(const Product* products, int n, cudaStream_t stream);

// product.matrix.columns is 4 * cell.units. Lanes with fewer than step + 1 rows do nothing.
cudaError_t lstm_step(const Product& product, const Cell& cell, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
