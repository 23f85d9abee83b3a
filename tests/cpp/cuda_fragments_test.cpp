// Compares the registers that kernels pass to mma.sync (kernels/cuda/mma.cuh, compiled for the CPU)
// with the tables of the PTX manual. The row and column of each element must be those of the
// manual, and a thread's k in one factor must match the k in the corresponding position of the
// other factor. (cuda_mma_test checks the positions of results with the same tables.) The
// instructions themselves are not tested here; a device test runs them.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "cuda_shim/fragments.hpp"
#include "kernels/cuda/index.hpp"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/pack.hpp"

namespace hopcodec::test {
namespace {

namespace cuda = kernels::cuda;

// The terms of a slice are numbers that both formats represent exactly: seven bits and an exponent
// of their own.
float code_of(int line, int k) {
  return std::ldexp(1.0F + static_cast<float>(line) / 64.0F, k);  // line < 64, k < 16
}
std::pair<int, int> term_of(float code) {
  int exponent = 0;
  const float mantissa = std::frexp(code, &exponent);
  return {static_cast<int>((mantissa * 2.0F - 1.0F) * 64.0F), exponent - 1};
}

// Row g of the slice in the layout of the kernels: 16 k side by side. A thread reads four of them.
template <class Format>
typename Format::Rows rows_of(int lane) {
  const auto four = [&](int row) {
    const int k = lane % 4 * 4;
    return float4{code_of(row, k), code_of(row, k + 1), code_of(row, k + 2), code_of(row, k + 3)};
  };
  return Format::rows(four(lane / 4), four(lane / 4 + 8));
}

// Columns in the layout of pack_slices.
template <class Format>
std::vector<typename Format::Weight> packed_columns() {
  cuda::HostMatrix host{
      std::vector<float>(cuda::kSliceTerms), {}, cuda::kSlice, cuda::kSliceColumns};
  for (int k = 0; k < cuda::kSlice; ++k) {
    for (int n = 0; n < cuda::kSliceColumns; ++n) {
      host.weight[static_cast<std::size_t>(k * cuda::kSliceColumns + n)] = code_of(n, k);
    }
  }
  return cuda::pack_slices<typename Format::Weight>({host}).weight;
}

float as_float(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// Element i of the registers, in the manual's order "Elements (low to high)".
template <class Format>
float element(const std::uint32_t* registers, int i) {
  if constexpr (sizeof(typename Format::Weight) == 4) {
    return as_float(registers[i]);
  } else {
    return as_float(i % 2 == 0 ? registers[i / 2] << 16 : registers[i / 2] & 0xffff0000U);
  }
}

template <class Format, class Fragments>
void check_format(const std::string& name) {
  static_assert(Format::kHalves * Fragments::kDepth == cuda::kSlice);
  // Aligned like a kernel's tiles.
  alignas(16) typename Format::Weight weights[cuda::kSliceTerms];
  const auto packed = packed_columns<Format>();
  CHECK(packed.size() == std::size(weights), name, packed.size());
  std::copy(packed.begin(), packed.end(), weights);
  std::set<int> used;  // k of each element, over all halves
  for (int half = 0; half < Format::kHalves; ++half) {
    std::vector<int> k_of(Fragments::kDepth, -1);  // of a column of A, a row of B
    const auto seen = [&](int at, int k, int lane, int i) {
      int& known = k_of[static_cast<std::size_t>(at)];
      if (known < 0) known = k;
      CHECK(known == k, name, half, lane, i, at, k, known);
    };
    for (int lane = 0; lane < 32; ++lane) {
      const cuda::Operands operands =
          Format::operands(rows_of<Format>(lane), Format::columns(&weights[lane * 4]), half);
      for (int i = 0; i < Fragments::kOfA; ++i) {
        const auto [row, k] = term_of(element<Format>(operands.a, i));
        CHECK(row == Fragments::a(lane, i).row, name, half, lane, i, row);
        seen(Fragments::a(lane, i).column, k, lane, i);
      }
      for (int i = 0; i < Fragments::kOfB; ++i) {
        const auto [column, k] = term_of(element<Format>(operands.b, i));
        CHECK(column == Fragments::b(lane, i).column, name, half, lane, i, column);
        seen(Fragments::b(lane, i).row, k, lane, i);
      }
    }
    used.insert(k_of.begin(), k_of.end());
  }
  // Every term once.
  CHECK(used.size() == cuda::kSlice && *used.begin() == 0, name, used.size(), *used.begin());
}

// Checks the tables themselves: every position of a matrix is held exactly once.
template <class Fragments>
void check_tables(const std::string& name) {
  const auto distinct = [&](int rows, int columns, int each, auto place) {
    std::set<std::pair<int, int>> places;
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < each; ++i) {
        const shim::Place at = place(lane, i);
        CHECK(at.row >= 0 && at.row < rows && at.column >= 0 && at.column < columns, name, lane, i);
        places.insert({at.row, at.column});
      }
    }
    CHECK(places.size() == static_cast<std::size_t>(rows * columns), name, places.size());
  };
  distinct(16, Fragments::kDepth, Fragments::kOfA, Fragments::a);
  distinct(Fragments::kDepth, 8, Fragments::kOfB, Fragments::b);
  distinct(16, 8, 4, shim::result_place);
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  namespace cuda = hopcodec::kernels::cuda;
  namespace shim = hopcodec::shim;
  check_tables<shim::FragmentsOfTf32>("tf32");
  check_tables<shim::FragmentsOfBf16>("bf16");
  check_format<cuda::Tf32, shim::FragmentsOfTf32>("tf32");
  check_format<cuda::Bf16, shim::FragmentsOfBf16>("bf16");
  return finish();
}
