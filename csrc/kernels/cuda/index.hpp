// Index arithmetic of the kernels: plain functions of integers, which also run on the host for
// tests.
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

inline constexpr int kChainTerms = 256;  // equal to kernels::kChain

HOPCODEC_HOST_DEVICE constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

// Numbers of chains, and of groups of four k, in a depth.
HOPCODEC_HOST_DEVICE constexpr int chains_of(int depth) { return ceil_div(depth, kChainTerms); }
HOPCODEC_HOST_DEVICE constexpr int groups_of(int depth) { return ceil_div(depth, 4); }

// Offset of the k-th factor in a window.
HOPCODEC_HOST_DEVICE inline int window_offset(const Source& s, int k) {
  return s.taps == 1 ? k : k / s.tap_length * s.tap_stride + k % s.tap_length;
}

// Whether four consecutive k (the first a multiple of four) are four consecutive, aligned floats,
// given that buffers and lanes begin at multiples of four floats.
HOPCODEC_HOST_DEVICE inline bool reads_by_four(const Source& s) {
  return s.tap_length % 4 == 0 && s.tap_stride % 4 == 0 && s.row_floats % 4 == 0 &&
         s.step_floats % 4 == 0;
}

// Offset of weight (k, n) in a Matrix; `first_group` is the first group of its source.
HOPCODEC_HOST_DEVICE inline std::size_t packed_at(int groups, int first_group, int k, int n) {
  const std::size_t group = static_cast<std::size_t>(n / 4) * static_cast<std::size_t>(groups) +
                            static_cast<std::size_t>(first_group + k / 4);
  return group * 16 + static_cast<std::size_t>(n % 4 * 4 + k % 4);
}

inline constexpr int kSlice = 16;        // k of a tensor core operation
inline constexpr int kSliceColumns = 8;  // columns of a tensor core operation
inline constexpr int kSliceTerms = kSlice * kSliceColumns;

HOPCODEC_HOST_DEVICE constexpr int slices_of(int depth) { return ceil_div(depth, kSlice); }

// Offset of weight (k, n) in a matrix for tensor cores; `first_slice` is the first slice of its
// source. The four k of a thread (mma.cuh) are neighbours, and a warp's part of a slice is
// contiguous.
HOPCODEC_HOST_DEVICE inline std::size_t slice_at(int slices, int first_slice, int k, int n) {
  const std::size_t slice =
      static_cast<std::size_t>(n / kSliceColumns) * static_cast<std::size_t>(slices) +
      static_cast<std::size_t>(first_slice + k / kSlice);
  return slice * kSliceTerms + static_cast<std::size_t>(n % kSliceColumns * kSlice + k % kSlice);
}

// Whether a tensor core is worthwhile: not if most terms or columns would be padding. It depends on
// the matrix alone, so that the number of rows never changes how a product is computed.
HOPCODEC_HOST_DEVICE constexpr bool suits_tensor_core(int depth, int columns) {
  return depth >= kSlice && columns >= kSliceColumns;
}

// Left padding by reflection: padded row j < left copies row left - j, or is zero (-1) if the
// stream is too short.
HOPCODEC_HOST_DEVICE inline int left_source(int j, int left, std::int64_t total) {
  return left - j < total ? left - j : -1;
}

// Right padding: padded row i copies the row this many rows before the end (1 is the last row); 0
// means zeros. A signal that is too short is first extended with zeros (encodec/modules/conv.py,
// pad1d).
HOPCODEC_HOST_DEVICE inline int right_source(int i, int left, int right, std::int64_t total) {
  const std::int64_t widest = left > right ? left : right;
  const std::int64_t extended = total <= widest ? widest + 1 : total;
  const std::int64_t position = total + i;
  const std::int64_t from = position < extended ? position : 2 * (extended - 1) - position;
  return from >= 0 && from < total ? static_cast<int>(total - from) : 0;
}

}  // namespace hopcodec::kernels::cuda
