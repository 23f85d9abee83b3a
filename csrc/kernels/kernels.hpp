// The only door to the numeric kernels: plain parameter structs and one table of pointers per
// instruction set. Kept free of the standard library's templates, because this header is compiled
// with -mavx512f: a weak template symbol from such a file could be picked by the linker for every
// CPU.
//
// The law of this folder: every output element is computed by the same sequence of IEEE operations
// on every instruction set. Vectors run across independent elements, never inside a sum.
#pragma once

#include <cstddef>

#include "base/realtime.hpp"

namespace hopcodec::kernels {

// Sums of products are cut into chains of this many fused multiply-adds. Short chains round less
// than one long one, and a chain boundary is where a sum may be stored and resumed (see lstm).
inline constexpr int kChain = 256;

// How much of a deep matrix's depth many rows take at a time (gemm): 256 KB of a panel.
inline constexpr int kStretch = 4 * kChain;

inline constexpr int kPanel = 64;  // widest packed panel, in output channels

// One panel of packed weights: `width` (64, 32 or 16) output channels, depth-major:
// weight[k * width + n]. Only the first `valid` columns exist; the rest are zero. Weights kept as
// bfloat16 stand in `pairs` instead, two consecutive k to a word: pairs[k / 2 * width + n].
struct Panel {
  const float* weight;
  const unsigned* pairs;  // null: float32
  const float* bias;      // width floats
  int width;
  int valid;
};

// Where a row's products come from: `taps` runs of `tap_length` consecutive floats, `tap_stride`
// floats apart. A dilated convolution has one run per tap; an ordinary one is a single run.
struct Window {
  int taps;
  int tap_length;
  std::ptrdiff_t tap_stride;
};

// Row r reads from a[r] and writes c[r][column ... column + valid).
struct Rows {
  const float* const* a;
  float* const* c;
  int rows;
  int column;
};

// y[r, n] = bias[n] + sum_k a[r][k] * weight[k, n], in chains (kChain); with `resume`, y is
// continued from its present value in place of the bias.
typedef HOPCODEC_REALTIME void (*GemmPanel)(const Panel&, const Window&, const Rows&, bool resume);

struct KernelTable {
  const char* isa;
  GemmPanel gemm_panel;
  HOPCODEC_REALTIME void (*elu)(const float* x, float* y, std::size_t n);
  HOPCODEC_REALTIME void (*tanh)(const float* x, float* y, std::size_t n);
  HOPCODEC_REALTIME void (*sigmoid)(const float* x, float* y, std::size_t n);
  // x + sin^2(alpha x) / (alpha + 1e-9), `rows` rows of `channels`.
  HOPCODEC_REALTIME void (*snake)(const float* x, const float* alpha, const float* inverse_alpha,
                                  float* y, std::size_t rows, std::size_t channels);
  HOPCODEC_REALTIME void (*add)(const float* x, float* y, std::size_t n);       // y += x
  HOPCODEC_REALTIME void (*subtract)(const float* x, float* y, std::size_t n);  // y -= x
  // gates: i, f, g, o, each `size` floats, before their nonlinearities; updates cell and hidden.
  HOPCODEC_REALTIME void (*lstm_cell)(const float* gates, float* cell, float* hidden,
                                      std::size_t size);
  // Index of the largest value; the lowest index wins ties. n >= 1.
  HOPCODEC_REALTIME int (*argmax)(const float* x, std::size_t n);
  // Adds x and x^2 of `rows` rows to each channel's two sums.
  HOPCODEC_REALTIME void (*add_moments)(const float* x, std::size_t rows, std::size_t channels,
                                        double* sum, double* squares);
  // y = x * scale + shift in float64, rounded once to float32: where rows are few and alike, scale
  // is large and nearly cancels with shift. x may be y.
  HOPCODEC_REALTIME void (*map_channels)(const float* x, float* y, std::size_t rows,
                                         std::size_t channels, const double* scale,
                                         const double* shift);
  // Measurement: `count` dependent-free multiply-adds (returns a value that depends on all of
  // them), and a read of n floats.
  float (*fma_burst)(std::size_t count);
  float (*read_burst)(const float* x, std::size_t n);
};

namespace generic {
extern const KernelTable kTable;
}
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}
namespace neon {
extern const KernelTable kTable;
}

}  // namespace hopcodec::kernels
