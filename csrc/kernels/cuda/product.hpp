// y[t, n] = bias[n] + sum_k x[t, k] w[k, n] for the windows of many lanes: convolutions, transposed
// convolutions and the two products of an LSTM step.
//
// Each output is the same sequence of IEEE operations as on the CPU (kernels/gemm.inl.hpp): chains
// of 256 fused multiply-adds over k in order, added to a running total that begins with the bias.
// It costs nothing here. With few rows a product is bound by reading weights, and the chains are
// what is spread over threads: K / 256 of them per column, where otherwise K would have to be cut
// anyway. With many rows it is one more addition per 256.
//
// On a tensor core (product_mma.cuh) factors are rounded and the order within a chain is the
// instruction's own, so the bits are not the CPU's. They are still the same for any number of rows
// and any neighbours: every kernel of a matrix makes the same chains and adds them in order.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/lane.hpp"

namespace hopcodec::kernels::cuda {

inline constexpr int kPanelColumns = 4;  // columns of a packed panel

// How the factors of a product are multiplied. Sums are float32 always.
enum class Precision : std::int32_t { kFloat32, kTf32, kBfloat16 };

// Windows of a buffer: window t starts at at + begin * row_floats + t * step_floats and has `taps`
// runs of `tap_length` consecutive floats, tap_stride floats apart.
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
// its column at once, neighbouring threads read neighbouring columns. Each source's depth is padded
// to a multiple of four with zeros, columns too. Bias: one float per padded column.
struct Matrix {
  const float* weight;
  const float* bias;
  std::int32_t columns;
  std::int32_t groups;  // of four k, over both sources
  // For a tensor core instead, `weight` being null: slices of 16 k by 8 columns in the order of
  // slice_at (index.hpp), of tf32 words or of bfloat16; bias as above.
  Precision precision = Precision::kFloat32;
  const void* panels = nullptr;
  std::int32_t slices = 0;  // of 16 k, over both sources
};

struct Product {
  Matrix matrix;
  Source source[2];  // an LSTM has two: x, then h; chains do not cross from one to the other
  std::int32_t sources;
  std::int32_t out_channels;  // of an output row; a window makes columns / out_channels rows
  Activation output;
  std::ptrdiff_t add_at;  // rows added to the result (a residual's shortcut), or -1
  Sink sink[kMaxSinks];
  std::int32_t sinks;
  Lanes lanes;
};

// One step of an LSTM on row `step`: columns are (unit, gate), gates i, f, g, o. The cell is
// updated in place; the hidden vector of row `step` is read behind row step - 1 and written behind
// itself.
struct Cell {
  std::int32_t units;
  std::int32_t step;
  std::size_t cell_at;
  std::size_t hidden_at;   // rows 0 (before the step) to max_rows
  std::ptrdiff_t skip_at;  // rows added to the output, or -1
};

// One or two products that need nothing of each other, in one launch.
cudaError_t product(const Product* products, int n, cudaStream_t stream);

// product.matrix.columns = 4 * cell.units. Lanes with fewer than step + 1 rows stand still.
cudaError_t lstm_step(const Product& product, const Cell& cell, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
