// The interface of the numeric kernels: plain parameter structs and one table of pointers per
// instruction set. It uses no templates of the standard library, because it is compiled with
// -mavx512f: the linker could pick a weak template symbol from such a file for every CPU.
//
// The rule of this folder: every output element is computed by the same sequence of IEEE operations
// on every instruction set. Vectors run across independent elements, never inside a sum.
#pragma once

#include <cstddef>

#include "base/realtime.hpp"

namespace hopcodec::kernels {

// A sum of products is cut into chains of this many fused multiply-adds. Several short chains round
// less than one long chain. A sum may be stored and resumed at a chain boundary (see lstm).
inline constexpr int kChain = 256;

// Length of a stretch of a deep matrix's depth that many rows process together (see gemm): 256 KB
// of a panel.
inline constexpr int kStretch = 4 * kChain;

inline constexpr int kPanel = 64;  // widest packed panel, in output channels

// One panel of packed weights for `width` (64, 32 or 16) output channels, depth-major: weight[k *
// width + n]. Only the first `valid` columns exist; the rest are zero. bfloat16 weights are in
// `pairs` instead, two consecutive k per word: pairs[k / 2 * width + n].
struct Panel {
  const float* weight;
  const unsigned* pairs;  // null if the weights are float32
  const float* bias;      // width floats
  int width;
  int valid;
};

// The inputs of a row: `taps` runs of `tap_length` consecutive floats, `tap_stride` floats apart. A
// dilated convolution has one run per tap; an ordinary one is a single run.
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

// y[r, n] = bias[n] + sum_k a[r][k] * weight[k, n], in chains (kChain). With `resume`, the sum
// starts from the present value of y instead of the bias.
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
  // `gates` holds i, f, g and o, each `size` floats, before their nonlinearities. Updates cell and
  // hidden.
  HOPCODEC_REALTIME void (*lstm_cell)(const float* gates, float* cell, float* hidden,
                                      std::size_t size);
  // Index of the largest value; the lowest index wins ties. n >= 1.
  HOPCODEC_REALTIME int (*argmax)(const float* x, std::size_t n);
  // Adds x and x^2 of `rows` rows to each channel's two sums.
  HOPCODEC_REALTIME void (*add_moments)(const float* x, std::size_t rows, std::size_t channels,
                                        double* sum, double* squares);
  // y = x * scale + shift in float64, rounded once to float32. float64 is needed because scale is
  // large and nearly cancels with shift when the rows hardly vary. x may be y.
  HOPCODEC_REALTIME void (*map_channels)(const float* x, float* y, std::size_t rows,
                                         std::size_t channels, const double* scale,
                                         const double* shift);
  // For benchmarks: `count` independent multiply-adds (the result depends on all of them, so that
  // none is optimised away), and a read of n floats.
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
