// The panel kernel: a block of MR rows by NV vectors of accumulators.
//
//   y[r, n] = start + sum_j chain_j,   chain_j = fma(a_k, w_kn, ... fma(a_0, w_0n, 0))
//
// where each chain has kChain terms and `start` is the bias, or y itself when resuming. k counts
// taps first, channels second. Rows may overlap in memory, as the windows of a convolution do; they
// are read in place.
//
// With many rows, a deep matrix is processed one stretch of k at a time: the stretch stays in the
// second-level cache until the last row has used it. Between stretches the partial sums are kept in
// y. Stretches end where chains end, so this changes no bit.
#pragma once

#include "kernels/kernels.hpp"

namespace hopcodec::kernels::HOPCODEC_ISA {

// The two memory formats of weights. Both pass float32 values to the same multiply-adds: bfloat16
// is the upper half of a float32, so widening it is an exact shift.
namespace {  // unnamed: an unoptimised build would otherwise export their members as weak symbols
struct Float32 {
  using Word = float;
  static constexpr int kPerWord = 1;
  static const Word* of(const Panel& panel) { return panel.weight; }
  static F load_word(const Word* p) { return load(p); }
  static F part(F word, int) { return word; }
};
struct Bfloat16 {
  using Word = unsigned;  // two consecutive k of one column, the even one in the low half
  static constexpr int kPerWord = 2;
  static const Word* of(const Panel& panel) { return panel.pairs; }
  static U load_word(const Word* p) { return load_bits(p); }
  static F part(U word, int odd) { return odd != 0 ? high_half(word) : low_half(word); }
};
}  // namespace

// A range of the depth of a matrix that begins where a chain begins, `done` products into tap
// `tap`.
struct Stretch {
  int first;
  int length;
  int tap;
  int done;
};

template <class W, int MR, int NV>
static inline void multiply(const float* const (&a)[MR], std::ptrdiff_t offset, int length,
                            const typename W::Word* weight, int width, F (&sum)[MR][NV]) {
  const float* row[MR];
  for (int r = 0; r < MR; ++r) row[r] = a[r] + offset;
  for (int k = 0; k < length; k += W::kPerWord) {
    decltype(W::load_word(weight)) word[NV];
    for (int v = 0; v < NV; ++v) word[v] = W::load_word(weight + v * kLanes);
    for (int half = 0; half < W::kPerWord; ++half) {
      F w[NV];
      for (int v = 0; v < NV; ++v) w[v] = W::part(word[v], half);
      for (int r = 0; r < MR; ++r) {
        const F x = all(row[r][k + half]);
        for (int v = 0; v < NV; ++v) sum[r][v] = fma(x, w[v], sum[r][v]);
      }
    }
    weight += width;
  }
}

// Computes kTogether whole chains of one row at the same time. A single row is bound by the
// bandwidth of its weights, and reading several streams of them is faster than reading one. Each
// chain is summed in its usual order, and the chains are added in order.
template <class W, int NV>
static inline void chains(const float* x, const typename W::Word* weight, int width,
                          F (&total)[NV]) {
  F sum[kTogether][NV];
  for (int j = 0; j < kTogether; ++j) {
    for (int v = 0; v < NV; ++v) sum[j][v] = all(0.0F);
  }
  const std::ptrdiff_t apart = std::ptrdiff_t{kChain} / W::kPerWord * width;
  for (int k = 0; k < kChain; k += W::kPerWord) {
    for (int j = 0; j < kTogether; ++j) {
      for (int v = 0; v < NV; ++v) {
        const auto word = W::load_word(weight + j * apart + v * kLanes);
        for (int half = 0; half < W::kPerWord; ++half) {
          sum[j][v] = fma(all(x[j * kChain + k + half]), W::part(word, half), sum[j][v]);
        }
      }
    }
    weight += width;
  }
  for (int j = 0; j < kTogether; ++j) {
    for (int v = 0; v < NV; ++v) total[v] = add(total[v], sum[j][v]);
  }
}

template <class W, int MR, int NV>
[[gnu::always_inline]] static inline void block(const Panel& panel, const Window& window,
                                                const Stretch& stretch, const float* const* rows,
                                                float* const* out, int column, bool resume) {
  const float* a[MR];
  for (int r = 0; r < MR; ++r) a[r] = rows[r];
  const typename W::Word* weight =
      W::of(panel) + std::ptrdiff_t{stretch.first} / W::kPerWord * panel.width + column;
  F total[MR][NV];
  F sum[MR][NV];
  for (int r = 0; r < MR; ++r) {
    for (int v = 0; v < NV; ++v) {
      total[r][v] = load((resume ? out[r] : panel.bias + column) + v * kLanes);
      sum[r][v] = all(0.0F);
    }
  }
  int in_chain = 0;
  int tap = stretch.tap;
  int done = stretch.done;
  for (int left = stretch.length; left > 0;) {
    const int run = left < window.tap_length - done ? left : window.tap_length - done;
    const std::ptrdiff_t offset = tap * window.tap_stride + done;
    int length = run < kChain - in_chain ? run : kChain - in_chain;
    constexpr int kSpan = kTogether * kChain;
    if (MR == 1 && in_chain == 0 && run >= kSpan) {
      chains<W, NV>(a[0] + offset, weight, panel.width, total[0]);
      length = kSpan;
    } else {
      multiply<W, MR, NV>(a, offset, length, weight, panel.width, sum);
      in_chain += length;
    }
    weight += std::ptrdiff_t{length} / W::kPerWord * panel.width;
    left -= length;
    done += length;
    if (done == window.tap_length) {
      done = 0;
      ++tap;
    }
    if (in_chain < kChain) continue;
    in_chain = 0;
    for (int r = 0; r < MR; ++r) {
      for (int v = 0; v < NV; ++v) {
        total[r][v] = add(total[r][v], sum[r][v]);
        sum[r][v] = all(0.0F);
      }
    }
  }
  for (int r = 0; r < MR; ++r) {
    for (int v = 0; v < NV; ++v) {
      const F y = in_chain == 0 ? total[r][v] : add(total[r][v], sum[r][v]);
      store(out[r] + v * kLanes, y);
    }
  }
}

// Computes all columns of the panel for MR rows. A narrow tail is computed in a padded copy, so
// that nothing is written beyond the `valid` columns.
template <class W, int MR, int NV>
static inline void stripe(const Panel& panel, const Window& window, const Stretch& stretch,
                          const Rows& rows, int first, bool resume) {
  constexpr int kStep = NV * kLanes;
  for (int column = 0; column < panel.width; column += kStep) {
    float* out[MR];
    const int valid = panel.valid - column;
    if (valid >= kStep) {
      for (int r = 0; r < MR; ++r) out[r] = rows.c[first + r] + rows.column + column;
      block<W, MR, NV>(panel, window, stretch, rows.a + first, out, column, resume);
      continue;
    }
    if (valid <= 0) return;
    float padded[MR][kStep] = {};
    for (int r = 0; r < MR; ++r) {
      out[r] = padded[r];
      if (!resume) continue;
      const float* y = rows.c[first + r] + rows.column + column;
      for (int n = 0; n < valid; ++n) padded[r][n] = y[n];
    }
    block<W, MR, NV>(panel, window, stretch, rows.a + first, out, column, resume);
    for (int r = 0; r < MR; ++r) {
      float* y = rows.c[first + r] + rows.column + column;
      for (int n = 0; n < valid; ++n) y[n] = padded[r][n];
    }
  }
}

// Computes the rows in blocks of MR; the remainder uses the next smaller block.
template <class W, int MR, int NV>
static inline int walk(const Panel& panel, const Window& window, const Stretch& stretch,
                       const Rows& rows, int first, bool resume) {
  for (; rows.rows - first >= MR; first += MR) {
    stripe<W, MR, NV>(panel, window, stretch, rows, first, resume);
  }
  if constexpr (MR > 2) {
    if (first < rows.rows) {
      first = walk<W, MR - 1, NV>(panel, window, stretch, rows, first, resume);
    }
  }
  return first;
}

template <class W, int WIDTH, int MAX_ROWS>
static inline void walk_panel(const Panel& panel, const Window& window, const Rows& rows,
                              bool resume) {
  constexpr int kVectors = WIDTH / kLanes;
  constexpr int kWide = kVectors < kWideVectors ? kVectors : kWideVectors;
  constexpr int kSingle = kVectors < kSingleVectors ? kVectors : kSingleVectors;
  const int depth = window.taps * window.tap_length;
  // A single block of rows uses each weight once, so there is no reuse to keep in the cache.
  const int step = rows.rows > MAX_ROWS && depth > 2 * kStretch ? kStretch : depth;
  for (int at = 0; at < depth; at += step) {
    const Stretch stretch{at, depth - at < step ? depth - at : step, at / window.tap_length,
                          at % window.tap_length};
    int first = 0;
    if constexpr (MAX_ROWS > 1) {
      first = walk<W, MAX_ROWS, kWide>(panel, window, stretch, rows, 0, resume || at > 0);
    }
    walk<W, 1, kSingle>(panel, window, stretch, rows, first, resume || at > 0);
  }
}

template <class W>
static void walk_any(const Panel& panel, const Window& window, const Rows& rows, bool resume) {
  switch (panel.width) {
    case 64:
      return walk_panel<W, 64, kRows4>(panel, window, rows, resume);
    case 32:
      return walk_panel<W, 32, kRows2>(panel, window, rows, resume);
    default:
      return walk_panel<W, 16, kRows1>(panel, window, rows, resume);
  }
}

static void gemm_panel(const Panel& panel, const Window& window, const Rows& rows, bool resume) {
  if (panel.pairs != nullptr) return walk_any<Bfloat16>(panel, window, rows, resume);
  return walk_any<Float32>(panel, window, rows, resume);
}

}  // namespace hopcodec::kernels::HOPCODEC_ISA
