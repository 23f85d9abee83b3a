// The pointwise nonlinearities of the codecs, and the parameters that a layer needs to apply one.
#pragma once

#include <memory>
#include <string_view>

#include "base/memory.hpp"
#include "kernels/kernels.hpp"
#include "layers/packed.hpp"

namespace hopcodec::layers {

enum class Nonlinearity { kNone, kElu, kSnake, kTanh };

// Parses "none", "elu", "snake" or "tanh". Throws std::invalid_argument for other names.
Nonlinearity parse_nonlinearity(std::string_view name);

class Activation {
 public:
  Activation() = default;
  // Snake needs one alpha per channel; the others need none.
  explicit Activation(Nonlinearity kind, const float* alpha = nullptr, std::size_t channels = 0);

  bool is_identity() const { return kind_ == Nonlinearity::kNone; }
  Nonlinearity kind() const { return kind_; }
  // One alpha per channel for Snake, null otherwise.
  const std::shared_ptr<const float[]>& alpha() const { return alpha_; }
  const std::shared_ptr<const float[]>& inverse_alpha() const { return inverse_alpha_; }

  // Applies the nonlinearity in place to `rows` rows of `channels`.
  HOPCODEC_REALTIME void apply(const kernels::KernelTable& kernels, float* x, std::size_t rows,
                               std::size_t channels) const noexcept;
  // The same, split between the threads when there are enough rows.
  HOPCODEC_REALTIME void apply(const Compute& compute, float* x, std::size_t rows,
                               std::size_t channels) const noexcept;

 private:
  Nonlinearity kind_ = Nonlinearity::kNone;
  std::shared_ptr<const float[]> alpha_;
  std::shared_ptr<const float[]> inverse_alpha_;
};

}  // namespace hopcodec::layers
