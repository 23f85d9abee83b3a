#include "layers/activation.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "layers/parallel.hpp"

namespace hopcodec::layers {

Nonlinearity parse_nonlinearity(std::string_view name) {
  if (name == "none") return Nonlinearity::kNone;
  if (name == "elu") return Nonlinearity::kElu;
  if (name == "snake") return Nonlinearity::kSnake;
  if (name == "tanh") return Nonlinearity::kTanh;
  throw std::invalid_argument("activation: expected none, elu, snake or tanh, got \"" +
                              std::string(name) + "\"");
}

Activation::Activation(Nonlinearity kind, const float* alpha, std::size_t channels) : kind_(kind) {
  if (kind != Nonlinearity::kSnake) return;
  if (alpha == nullptr) throw std::invalid_argument("snake: expected alpha, one per channel");
  std::shared_ptr<float[]> copy = base::make_floats(channels);
  std::shared_ptr<float[]> inverse = base::make_floats(channels);
  std::copy_n(alpha, channels, copy.get());
  // dac/nn/layers.py:21 adds 1e-9 before the reciprocal, so that alpha = 0 stays finite.
  std::transform(alpha, alpha + channels, inverse.get(),
                 [](float a) { return 1.0F / (a + 1e-9F); });
  alpha_ = std::move(copy);
  inverse_alpha_ = std::move(inverse);
}

void Activation::apply(const kernels::KernelTable& kernels, float* x, std::size_t rows,
                       std::size_t channels) const noexcept {
  switch (kind_) {
    case Nonlinearity::kNone:
      return;
    case Nonlinearity::kElu:
      return kernels.elu(x, x, rows * channels);
    case Nonlinearity::kTanh:
      return kernels.tanh(x, x, rows * channels);
    case Nonlinearity::kSnake:
      return kernels.snake(x, alpha_.get(), inverse_alpha_.get(), x, rows, channels);
  }
}

void Activation::apply(const Compute& compute, float* x, std::size_t rows,
                       std::size_t channels) const noexcept {
  if (is_identity()) return;
  parallel_rows(compute.pool, rows, channels, [&](std::size_t first, std::size_t count) noexcept {
    apply(compute.kernels, x + first * channels, count, channels);
  });
}

}  // namespace hopcodec::layers
