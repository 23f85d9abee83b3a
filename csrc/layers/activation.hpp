// The pointwise nonlinearities of the codecs, and what a layer needs to apply one.
#pragma once

#include <memory>
#include <string_view>

#include "base/memory.hpp"
#include "kernels/kernels.hpp"
#include "layers/packed.hpp"

namespace hopcodec::layers {

enum class Nonlinearity { kNone, kElu, kSnake, kTanh };

// "none", "elu", "snake" or "tanh"; throws std::invalid_argument.
Nonlinearity parse_nonlinearity(std::string_view name);

class Activation {
 public:
  Activation() = default;
  // Snake takes one alpha per channel; the others none.
  explicit Activation(Nonlinearity kind, const float* alpha = nullptr, std::size_t channels = 0);

  bool is_identity() const { return kind_ == Nonlinearity::kNone; }
  Nonlinearity kind() const { return kind_; }
  // One per channel for Snake, else null.
  const std::shared_ptr<const float[]>& alpha() const { return alpha_; }
  const std::shared_ptr<const float[]>& inverse_alpha() const { return inverse_alpha_; }

  // In place, on `rows` rows of `channels`.
  HOPCODEC_REALTIME void apply(const kernels::KernelTable& kernels, float* x, std::size_t rows,
                               std::size_t channels) const noexcept;
  // The same, shared among the threads when there is enough to do.
  HOPCODEC_REALTIME void apply(const Compute& compute, float* x, std::size_t rows,
                               std::size_t channels) const noexcept;

 private:
  Nonlinearity kind_ = Nonlinearity::kNone;
  std::shared_ptr<const float[]> alpha_;
  std::shared_ptr<const float[]> inverse_alpha_;
};

}  // namespace hopcodec::layers
