// The panel kernel: a block of MR rows by NV vectors of accumulators.
//
//   y[r, n] = start + sum_j chain_j,   chain_j = fma(a_k, w_kn, ... fma(a_0, w_0n, 0)), kChain
//   terms
//
// with `start` the bias or, when resuming, y itself. k counts taps first, channels second. Rows may
// overlap in memory (a causal convolution's windows do); nothing is gathered.
#pragma once

#include "kernels/kernels.hpp"

namespace hopcodec::kernels::HOPCODEC_ISA {

template <int MR, int NV>
static inline void multiply(const float* const (&a)[MR], std::ptrdiff_t offset, int length,
                            const float* weight, int width, F (&sum)[MR][NV]) {
  const float* row[MR];
  for (int r = 0; r < MR; ++r) row[r] = a[r] + offset;
  for (int k = 0; k < length; ++k) {
    F w[NV];
    for (int v = 0; v < NV; ++v) w[v] = load(weight + v * kLanes);
    for (int r = 0; r < MR; ++r) {
      const F x = all(row[r][k]);
      for (int v = 0; v < NV; ++v) sum[r][v] = fma(x, w[v], sum[r][v]);
    }
    weight += width;
  }
}

// kTogether whole chains of one row side by side. A single row is bound by reading its weights, and
// several streams of them come faster than one; each chain is summed as ever, then added in order.
template <int NV>
static inline void chains(const float* x, const float* weight, int width, F (&total)[NV]) {
  F sum[kTogether][NV];
  for (int j = 0; j < kTogether; ++j) {
    for (int v = 0; v < NV; ++v) sum[j][v] = all(0.0F);
  }
  const std::ptrdiff_t apart = std::ptrdiff_t{kChain} * width;
  for (int k = 0; k < kChain; ++k) {
    for (int j = 0; j < kTogether; ++j) {
      const F a = all(x[j * kChain + k]);
      for (int v = 0; v < NV; ++v) {
        sum[j][v] = fma(a, load(weight + j * apart + v * kLanes), sum[j][v]);
      }
    }
    weight += width;
  }
  for (int j = 0; j < kTogether; ++j) {
    for (int v = 0; v < NV; ++v) total[v] = add(total[v], sum[j][v]);
  }
}

template <int MR, int NV>
static inline void block(const Panel& panel, const Window& window, const float* const* rows,
                         float* const* out, int column, bool resume) {
  const float* a[MR];
  for (int r = 0; r < MR; ++r) a[r] = rows[r];
  const float* weight = panel.weight + column;
  F total[MR][NV];
  for (int r = 0; r < MR; ++r) {
    for (int v = 0; v < NV; ++v) {
      total[r][v] = load((resume ? out[r] : panel.bias + column) + v * kLanes);
    }
  }
  F sum[MR][NV];
  for (int r = 0; r < MR; ++r) {
    for (int v = 0; v < NV; ++v) sum[r][v] = all(0.0F);
  }
  int in_chain = 0;
  for (int tap = 0; tap < window.taps; ++tap) {
    int done = 0;
    while (done < window.tap_length) {
      if constexpr (MR == 1) {
        constexpr int kSpan = kTogether * kChain;
        if (in_chain == 0 && window.tap_length - done >= kSpan) {
          chains<NV>(a[0] + tap * window.tap_stride + done, weight, panel.width, total[0]);
          weight += std::ptrdiff_t{kSpan} * panel.width;
          done += kSpan;
          continue;
        }
      }
      const int left = window.tap_length - done;
      const int room = kChain - in_chain;
      const int length = left < room ? left : room;
      multiply<MR, NV>(a, tap * window.tap_stride + done, length, weight, panel.width, sum);
      weight += static_cast<std::ptrdiff_t>(length) * panel.width;
      done += length;
      in_chain += length;
      if (in_chain == kChain) {
        in_chain = 0;
        for (int r = 0; r < MR; ++r) {
          for (int v = 0; v < NV; ++v) {
            total[r][v] = add(total[r][v], sum[r][v]);
            sum[r][v] = all(0.0F);
          }
        }
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

// All columns of the panel for MR rows. Narrow tails go through a padded copy, so that nothing is
// written beyond the `valid` columns.
template <int MR, int NV>
static inline void stripe(const Panel& panel, const Window& window, const Rows& rows, int first,
                          bool resume) {
  constexpr int kStep = NV * kLanes;
  for (int column = 0; column < panel.width; column += kStep) {
    float* out[MR];
    const int valid = panel.valid - column;
    if (valid >= kStep) {
      for (int r = 0; r < MR; ++r) out[r] = rows.c[first + r] + rows.column + column;
      block<MR, NV>(panel, window, rows.a + first, out, column, resume);
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
    block<MR, NV>(panel, window, rows.a + first, out, column, resume);
    for (int r = 0; r < MR; ++r) {
      float* y = rows.c[first + r] + rows.column + column;
      for (int n = 0; n < valid; ++n) y[n] = padded[r][n];
    }
  }
}

// Walks the rows MR at a time; the remainder takes the same path one size down.
template <int MR, int NV>
static inline int walk(const Panel& panel, const Window& window, const Rows& rows, int first,
                       bool resume) {
  for (; rows.rows - first >= MR; first += MR) {
    stripe<MR, NV>(panel, window, rows, first, resume);
  }
  if constexpr (MR > 2) {
    if (first < rows.rows) first = walk<MR - 1, NV>(panel, window, rows, first, resume);
  }
  return first;
}

template <int WIDTH, int MAX_ROWS>
static inline void walk_panel(const Panel& panel, const Window& window, const Rows& rows,
                              bool resume) {
  constexpr int kVectors = WIDTH / kLanes;
  constexpr int kWide = kVectors < kWideVectors ? kVectors : kWideVectors;
  constexpr int kSingle = kVectors < kSingleVectors ? kVectors : kSingleVectors;
  int first = 0;
  if constexpr (MAX_ROWS > 1) first = walk<MAX_ROWS, kWide>(panel, window, rows, 0, resume);
  walk<1, kSingle>(panel, window, rows, first, resume);
}

static void gemm_panel(const Panel& panel, const Window& window, const Rows& rows, bool resume) {
  switch (panel.width) {
    case 64:
      return walk_panel<64, kRows4>(panel, window, rows, resume);
    case 32:
      return walk_panel<32, kRows2>(panel, window, rows, resume);
    default:
      return walk_panel<16, kRows1>(panel, window, rows, resume);
  }
}

}  // namespace hopcodec::kernels::HOPCODEC_ISA
