// Packs weights on the host into the layout of the GPU kernels (product.hpp, Matrix).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/cuda/index.hpp"

namespace hopcodec::kernels::cuda {

// weight[k * columns + n] of one source. An LSTM has two sources.
struct HostMatrix {
  std::vector<float> weight;
  std::vector<float> bias;
  int depth;
  int columns;
};

struct PackedMatrix {
  std::vector<float> weight;
  std::vector<float> bias;
  int columns;
  int groups;
};

// Concatenates the sources in depth; the bias is that of the first source. If `order` is not empty,
// column n of the result is column order[n] of the sources.
inline PackedMatrix pack(const std::vector<HostMatrix>& sources,
                         const std::vector<int>& order = {}) {
  const int columns = sources.front().columns;
  const int padded = ceil_div(columns, kPanelColumns) * kPanelColumns;
  PackedMatrix packed{{}, std::vector<float>(static_cast<std::size_t>(padded)), columns, 0};
  for (const HostMatrix& source : sources) packed.groups += groups_of(source.depth);
  packed.weight.resize(static_cast<std::size_t>(padded) * static_cast<std::size_t>(packed.groups) *
                       4);
  int first_group = 0;
  for (const HostMatrix& source : sources) {
    for (int k = 0; k < source.depth; ++k) {
      for (int n = 0; n < columns; ++n) {
        const auto from =
            static_cast<std::size_t>(order.empty() ? n : order[static_cast<std::size_t>(n)]);
        packed.weight[packed_at(packed.groups, first_group, k, n)] =
            source.weight[static_cast<std::size_t>(k) * static_cast<std::size_t>(columns) + from];
      }
    }
    first_group += groups_of(source.depth);
  }
  for (std::size_t n = 0; n < static_cast<std::size_t>(columns); ++n) {
    const std::size_t from = order.empty() ? n : static_cast<std::size_t>(order[n]);
    packed.bias[n] = sources.front().bias.empty() ? 0.0F : sources.front().bias[from];
  }
  return packed;
}

// A matrix for tensor cores. Weight is std::uint32_t for tf32, std::uint16_t for bfloat16.
template <class Weight>
struct PackedSlices {
  std::vector<Weight> weight;
  std::vector<float> bias;
  int columns;
  int slices;
};

// Rounds to 10 fraction bits, ties away from zero, like cvt.rna. No weight is near overflow.
inline std::uint32_t tf32_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return (bits + 0x1000U) & ~0x1fffU;
}

// Rounds to 7 fraction bits, ties to even, like cvt.rn and layers::Packed.
inline std::uint16_t bfloat16_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

template <class Weight>
Weight rounded(float x) {
  if constexpr (sizeof(Weight) == sizeof(std::uint32_t)) {
    return tf32_of(x);
  } else {
    return bfloat16_of(x);
  }
}

// Like pack(), in slices. Incomplete slices are padded with zeros.
template <class Weight>
PackedSlices<Weight> pack_slices(const std::vector<HostMatrix>& sources,
                                 const std::vector<int>& order = {}) {
  const int columns = sources.front().columns;
  const auto padded = static_cast<std::size_t>(ceil_div(columns, kSliceColumns) * kSliceColumns);
  PackedSlices<Weight> packed{{}, std::vector<float>(padded), columns, 0};
  for (const HostMatrix& source : sources) packed.slices += slices_of(source.depth);
  packed.weight.resize(padded * static_cast<std::size_t>(packed.slices) * kSlice);
  const auto from = [&](int n) {
    return static_cast<std::size_t>(order.empty() ? n : order[static_cast<std::size_t>(n)]);
  };
  int first_slice = 0;
  for (const HostMatrix& source : sources) {
    for (int k = 0; k < source.depth; ++k) {
      const float* row =
          source.weight.data() + static_cast<std::size_t>(k) * static_cast<std::size_t>(columns);
      for (int n = 0; n < columns; ++n) {
        packed.weight[slice_at(packed.slices, first_slice, k, n)] = rounded<Weight>(row[from(n)]);
      }
    }
    first_slice += slices_of(source.depth);
  }
  const std::vector<float>& bias = sources.front().bias;
  for (int n = 0; n < columns && !bias.empty(); ++n) {
    packed.bias[static_cast<std::size_t>(n)] = bias[from(n)];
  }
  return packed;
}

// The column order that makes the gates i, f, g, o of a unit neighbours; torch stores them apart.
inline std::vector<int> gate_order(int units) {
  std::vector<int> order;
  for (int unit = 0; unit < units; ++unit) {
    for (int gate = 0; gate < 4; ++gate) order.push_back(gate * units + unit);
  }
  return order;
}

}  // namespace hopcodec::kernels::cuda
