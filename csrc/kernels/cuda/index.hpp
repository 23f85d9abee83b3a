// Index arithmetic of the kernels: plain functions of integers, the same on the device and in the
// tests that run on any machine.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/product.hpp"

#if defined(__CUDACC__)
#define HOPCODEC_HOST_DEVICE __host__ __device__
#else
#define HOPCODEC_HOST_DEVICE
#endif

namespace hopcodec::kernels::cuda {

inline constexpr int kChainTerms = 256;  // as kernels::kChain

HOPCODEC_HOST_DEVICE constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

// Chains of a source, and groups of four k.
HOPCODEC_HOST_DEVICE constexpr int chains_of(int depth) { return ceil_div(depth, kChainTerms); }
HOPCODEC_HOST_DEVICE constexpr int groups_of(int depth) { return ceil_div(depth, 4); }

// Where in a window the k-th factor lies.
HOPCODEC_HOST_DEVICE inline int window_offset(const Source& s, int k) {
  return s.taps == 1 ? k : k / s.tap_length * s.tap_stride + k % s.tap_length;
}

// Whether four consecutive k (the first a multiple of four) are four consecutive, aligned floats,
// given that buffers and lanes begin at multiples of four floats.
HOPCODEC_HOST_DEVICE inline bool reads_by_four(const Source& s) {
  return s.tap_length % 4 == 0 && s.tap_stride % 4 == 0 && s.row_floats % 4 == 0 &&
         s.step_floats % 4 == 0;
}

// Place of weight (k, n) in a Matrix; `first_group` is where its source begins.
HOPCODEC_HOST_DEVICE inline std::size_t packed_at(int groups, int first_group, int k, int n) {
  const std::size_t group = static_cast<std::size_t>(n / 4) * static_cast<std::size_t>(groups) +
                            static_cast<std::size_t>(first_group + k / 4);
  return group * 16 + static_cast<std::size_t>(n % 4 * 4 + k % 4);
}

inline constexpr int kSlice = 16;        // k that a tensor core takes at a time
inline constexpr int kSliceColumns = 8;  // and columns
inline constexpr int kSliceTerms = kSlice * kSliceColumns;

HOPCODEC_HOST_DEVICE constexpr int slices_of(int depth) { return ceil_div(depth, kSlice); }

// Place of weight (k, n) of the source that begins at `first_slice`, in a tensor core's matrix:
// a thread's four k (mma.cuh) are neighbours, and a warp's share of a slice is one run.
HOPCODEC_HOST_DEVICE inline std::size_t slice_at(int slices, int first_slice, int k, int n) {
  const std::size_t slice =
      static_cast<std::size_t>(n / kSliceColumns) * static_cast<std::size_t>(slices) +
      static_cast<std::size_t>(first_slice + k / kSlice);
  return slice * kSliceTerms + static_cast<std::size_t>(n % kSliceColumns * kSlice + k % kSlice);
}

// Whether a tensor core gains anything over float32: not with terms or columns that would be mostly
// padding. A question of the matrix alone, so that a product is made the same way for any number of
// rows.
HOPCODEC_HOST_DEVICE constexpr bool suits_tensor_core(int depth, int columns) {
  return depth >= kSlice && columns >= kSliceColumns;
}

// Left padding by reflection: padded row j < left mirrors row left - j, or is zero (-1) where the
// whole stream is shorter than that.
HOPCODEC_HOST_DEVICE inline int left_source(int j, int left, std::int64_t total) {
  return left - j < total ? left - j : -1;
}

// Right padding: how many rows before the end padded row i copies (1: the last one), or 0 for
// zeros. Too short a signal is first extended by zeros until it can be mirrored
// (encodec/modules/conv.py, pad1d).
HOPCODEC_HOST_DEVICE inline int right_source(int i, int left, int right, std::int64_t total) {
  const std::int64_t widest = left > right ? left : right;
  const std::int64_t extended = total <= widest ? widest + 1 : total;
  const std::int64_t position = total + i;
  const std::int64_t from = position < extended ? position : 2 * (extended - 1) - position;
  return from >= 0 && from < total ? static_cast<int>(total - from) : 0;
}

}  // namespace hopcodec::kernels::cuda
