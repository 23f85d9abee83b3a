// The product for few rows on a tensor core, which is bound by reading weights. The chains of a
// panel of eight columns are distributed over warps. The warps read both operands from global
// memory, and their sums are added in order in shared memory.
//
//   warp = (chain group, panel)
#pragma once

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/operand.cuh"
#include "kernels/cuda/overlap.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kMostMmaWarps = 16;

struct MmaThinShape {
  std::int32_t groups;  // of chains
  std::int32_t panels;  // groups * panels <= kMostMmaWarps
};

struct MmaPair {
  Product product[2];
  MmaThinShape shape[2];
};

// kM times 16 rows.
template <class Format, int kM>
struct MmaThin {
  using Weight = typename Format::Weight;
  struct Partials {
    alignas(16) float of[kMostMmaWarps][16 * kM][kSliceColumns];
  };
  // Slices whose loads come before the first is used.
  static constexpr int kAhead = kM == 1 ? 8 : 4 / kM;

  struct Windows {
    const float* at[kM][2];
    bool live[kM][2];
  };

  __device__ static Windows windows(const Product& p, int first_row, int step, const Source& s) {
    Windows w;
    const int g = static_cast<int>(threadIdx.x) % 32 / 4;
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const Row row = locate(p.lanes, first_row + 16 * m + 8 * h + g, step);
        w.live[m][h] = row.live;
        w.at[m][h] = window_at(row, s);
      }
    }
    return w;
  }

  // sum += slices [from, to) of a source; `weights`: its first slice of this panel.
  __device__ static void chain(const Windows& w, const Source& s, const Weight* weights, int from,
                               int to, float (&sum)[kM][1][4]) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const bool by_four = reads_by_four(s);
    for (int slice = from; slice < to; slice += kAhead) {
      typename Format::Columns b[kAhead][1];
      float4 x[kAhead][kM][2];
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        if (slice + i >= to) break;
        b[i][0] =
            Format::columns(weights + static_cast<std::size_t>(slice + i) * kSliceTerms + lane * 4);
#pragma unroll
        for (int m = 0; m < kM; ++m) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            x[i][m][h] = {0.0F, 0.0F, 0.0F, 0.0F};
            if (w.live[m][h]) {
              x[i][m][h] = four_of(w.at[m][h], s, by_four, (slice + i) * kSlice + lane % 4 * 4);
            }
          }
        }
      }
#pragma unroll
      for (int i = 0; i < kAhead; ++i) {
        if (slice + i >= to) break;
        typename Format::Rows a[kM];
#pragma unroll
        for (int m = 0; m < kM; ++m) a[m] = Format::rows(x[i][m][0], x[i][m][1]);
        multiply_slices<Format>(a, b[i], sum);
      }
    }
  }

  // The chain number c of both sources' list, by one warp, into its place.
  __device__ static void one_chain(const Product& p, int panel, int c, int first_row, int step,
                                   float (&to)[16 * kM][kSliceColumns]) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int in_first = chains_of(p.source[0].depth);
    const bool second = c >= in_first;
    const Source& source = p.source[second ? 1 : 0];
    const int first_slice = second ? slices_of(p.source[0].depth) : 0;
    const int from = (second ? c - in_first : c) * (kChainTerms / kSlice);
    const int end = slices_of(source.depth);
    const int until = from + kChainTerms / kSlice < end ? from + kChainTerms / kSlice : end;
    float sum[kM][1][4] = {};
    chain(windows(p, first_row, step, source), source,
          static_cast<const Weight*>(p.matrix.panels) +
              slice_at(p.matrix.slices, first_slice, 0, panel * kSliceColumns),
          from, until, sum);
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      float* low = &to[16 * m + lane / 4][lane % 4 * 2];
      *reinterpret_cast<float2*>(low) = {sum[m][0][0], sum[m][0][1]};
      *reinterpret_cast<float2*>(low + 8 * kSliceColumns) = {sum[m][0][2], sum[m][0][3]};
    }
  }

  __device__ static void run(const Product& p, const MmaThinShape& shape, const Cell* cell,
                             Partials& partial) {
    take_turn(p.lanes.overlaps);
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int group = warp / shape.panels;
    const int panel = static_cast<int>(blockIdx.x) * shape.panels + warp % shape.panels;
    const int first_row = static_cast<int>(blockIdx.y) * 16 * kM;
    const int step = cell != nullptr ? cell->step : 0;
    const bool inside = panel * kSliceColumns < p.matrix.columns && group < shape.groups;
    const int chains =
        chains_of(p.source[0].depth) + (p.sources > 1 ? chains_of(p.source[1].depth) : 0);
    // The warps of the first group finish: each thread four columns of every sixteenth row.
    const int row = thread % 32 / 2;
    const int column = panel * kSliceColumns + thread % 2 * 4;
    float4 total[kM];
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      total[m] = inside ? __ldg(reinterpret_cast<const float4*>(p.matrix.bias + column))
                        : float4{0.0F, 0.0F, 0.0F, 0.0F};
    }
    for (int base = 0; base < chains; base += shape.groups) {
      if (inside && base + group < chains) {
        one_chain(p, panel, base + group, first_row, step, partial.of[warp]);
      }
      __syncthreads();
      for (int g = 0; inside && group == 0 && g < shape.groups && base + g < chains; ++g) {
#pragma unroll
        for (int m = 0; m < kM; ++m) {
          const float4 other = *reinterpret_cast<const float4*>(
              &partial.of[warp + g * shape.panels][16 * m + row][thread % 2 * 4]);
          total[m] = {add(total[m].x, other.x), add(total[m].y, other.y), add(total[m].z, other.z),
                      add(total[m].w, other.w)};
        }
      }
      __syncthreads();
    }
    if (!inside || group != 0 || column >= p.matrix.columns) return;
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      const Row at = locate(p.lanes, first_row + 16 * m + row, step);
      if (!at.live) continue;
      if (cell != nullptr) {
        finish_cell(p, *cell, at, column / 4, {total[m].x, total[m].y, total[m].z, total[m].w});
      } else {
        finish_four(p, at, column, total[m]);
      }
    }
  }
};

template <class Format, int kM>
__global__ void __launch_bounds__(32 * kMostMmaWarps) mma_thin(const MmaPair pair) {
  __shared__ typename MmaThin<Format, kM>::Partials partial;
  MmaThin<Format, kM>::run(pair.product[blockIdx.z], pair.shape[blockIdx.z], nullptr, partial);
}

template <class Format, int kM>
__global__ void __launch_bounds__(32 * kMostMmaWarps)
    mma_thin_cell(const Product p, const MmaThinShape shape, const Cell cell) {
  __shared__ typename MmaThin<Format, kM>::Partials partial;
  MmaThin<Format, kM>::run(p, shape, &cell, partial);
}

}  // namespace hopcodec::kernels::cuda
