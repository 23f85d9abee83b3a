#include "kernels/group_norm.hpp"

#include <cmath>

namespace hopcodec::kernels {
namespace {

// Sum of f(x) over a rows x width block, one running sum per row, rows added in order.
template <class F>
double block_sum(const float* x, std::size_t rows, std::size_t stride, std::size_t width, F f) {
  double total = 0.0;
  for (std::size_t r = 0; r < rows; ++r) {
    double row = 0.0;
    for (std::size_t c = 0; c < width; ++c) row += f(static_cast<double>(x[r * stride + c]));
    total += row;
  }
  return total;
}

}  // namespace

void group_norm(const float* x, const float* weight, const float* bias, float* y, std::size_t rows,
                std::size_t channels, std::size_t groups, float eps) noexcept {
  if (rows == 0) return;
  const std::size_t width = channels / groups;
  const double count = static_cast<double>(rows * width);
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t at = g * width;
    const double mean =
        block_sum(x + at, rows, channels, width, [](double v) { return v; }) / count;
    const double variance = block_sum(x + at, rows, channels, width,
                                      [mean](double v) { return (v - mean) * (v - mean); }) /
                            count;
    const double scale = 1.0 / std::sqrt(variance + static_cast<double>(eps));
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < width; ++c) {
        const std::size_t i = r * channels + at + c;
        const double normal = (static_cast<double>(x[i]) - mean) * scale;
        y[i] = static_cast<float>(normal * static_cast<double>(weight[at + c]) +
                                  static_cast<double>(bias[at + c]));
      }
    }
  }
}

}  // namespace hopcodec::kernels
