#include "kernels/fold.hpp"

#include <algorithm>
#include <cmath>

namespace hopcodec::kernels {
namespace {

double norm(const float* x, std::size_t n) noexcept {
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return std::sqrt(sum);
}

}  // namespace

void fold_weight_norm(const float* g, const float* v, float* w, std::size_t rows,
                      std::size_t columns) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    const double length = norm(v, columns);
    const double scale = length > 0.0 ? static_cast<double>(g[r]) / length : 0.0;
    for (std::size_t c = 0; c < columns; ++c) {
      w[c] = static_cast<float>(static_cast<double>(v[c]) * scale);
    }
    v += columns;
    w += columns;
  }
}

void normalise(const float* x, float* y, std::size_t n) noexcept {
  const double length = std::max(norm(x, n), 1e-12);
  for (std::size_t i = 0; i < n; ++i) y[i] = static_cast<float>(static_cast<double>(x[i]) / length);
}

}  // namespace hopcodec::kernels
