#include "kernels/group_norm.hpp"

#include <algorithm>
#include <cmath>

namespace hopcodec::kernels {

void normalising_map(const double* sum, const double* squares, std::size_t rows,
                     std::size_t channels, std::size_t groups, const float* weight,
                     const float* bias, float eps, double* scale, double* shift) noexcept {
  const std::size_t width = channels / groups;
  const double count = static_cast<double>(rows * width);
  for (std::size_t first = 0; first < channels; first += width) {
    double total = 0.0;
    double square = 0.0;
    for (std::size_t c = first; c < first + width; ++c) {
      total += sum[c];
      square += squares[c];
    }
    const double mean = total / count;
    const double variance = std::max((square - total * mean) / count, 0.0);
    const double inverse = 1.0 / std::sqrt(variance + static_cast<double>(eps));
    for (std::size_t c = first; c < first + width; ++c) {
      scale[c] = static_cast<double>(weight[c]) * inverse;
      shift[c] = static_cast<double>(bias[c]) - mean * scale[c];
    }
  }
}

}  // namespace hopcodec::kernels
