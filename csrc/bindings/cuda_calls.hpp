// Translates addresses and lengths from Python to the parameter structs of csrc/kernels/cuda.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "graph/cuda/device.hpp"
#include "kernels/cuda/activation.hpp"
#include "kernels/cuda/causal_conv1d.hpp"
#include "kernels/cuda/causal_conv_transpose1d.hpp"
#include "kernels/cuda/group_norm.hpp"
#include "kernels/cuda/lstm.hpp"
#include "kernels/cuda/quantize.hpp"
#include "kernels/cuda/rvq.hpp"

namespace hopcodec::bindings::cuda_calls {

namespace kernels = hopcodec::kernels::cuda;

inline constexpr int kMostDim = kernels::kMaxSearchDim;

// Makes a device current for the duration of a call.
class On {
 public:
  explicit On(int device) : device_(device) {
    if (cudaGetDevice(&before_) != cudaSuccess || before_ != device) {
      graph::cuda::Device{device};
      changed_ = true;
    }
  }
  ~On() {
    if (changed_ && before_ >= 0) cudaSetDevice(before_);
  }
  On(const On&) = delete;
  On& operator=(const On&) = delete;

 private:
  int device_;
  int before_ = -1;
  bool changed_ = false;
};

template <class Launch, class Question>
struct Call {
  const char* name;
  Launch launch;
  Question question;

  std::size_t workspace() const { return question(); }
  void run(int device, std::uintptr_t stream) const {
    const On on(device);
    graph::cuda::check(launch(reinterpret_cast<cudaStream_t>(stream)), name);
  }
};

template <class Launch, class Question>
Call<Launch, Question> call(const char* name, Launch launch, Question question) {
  return {name, launch, question};
}

template <class T = float>
T* at(std::uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

inline auto causal_conv1d(const std::array<std::uintptr_t, 8>& p, const std::array<int, 8>& n,
                          int activation) {
  const kernels::CausalConv1d op{
      .input = {.x = at(p[0]),
                .state = at(p[3]),
                .alpha = at(p[4]),
                .activation = static_cast<kernels::Pointwise>(activation),
                .batch = n[0],
                .channels = n[1],
                .time = n[4],
                .held = n[5]},
      .weight = at(p[1]),
      .bias = at(p[2]),
      .out = n[2],
      .kernel = n[3],
      .stride = n[6],
      .dilation = n[7],
      .y = at(p[5]),
      .next = at(p[6]),
      .workspace = at(p[7])};
  return call(
      "launch causal_conv1d", [op](cudaStream_t s) { return kernels::causal_conv1d(op, s); },
      [op] { return kernels::causal_conv1d_workspace(op); });
}

inline auto causal_conv_transpose1d(const std::array<std::uintptr_t, 7>& p,
                                    const std::array<int, 6>& n) {
  const int held = (n[3] + n[5] - 1) / n[5] - 1;
  const kernels::CausalConvTranspose1d op{.input = {.x = at(p[0]),
                                                    .state = at(p[3]),
                                                    .alpha = nullptr,
                                                    .activation = kernels::Pointwise::kNone,
                                                    .batch = n[0],
                                                    .channels = n[1],
                                                    .time = n[4],
                                                    .held = held},
                                          .weight = at(p[1]),
                                          .bias = at(p[2]),
                                          .out = n[2],
                                          .kernel = n[3],
                                          .stride = n[5],
                                          .y = at(p[4]),
                                          .next = at(p[5]),
                                          .workspace = at(p[6])};
  return call(
      "launch causal_conv_transpose1d",
      [op](cudaStream_t s) { return kernels::causal_conv_transpose1d(op, s); },
      [op] { return kernels::causal_conv_transpose1d_workspace(op); });
}

inline auto lstm(const std::array<std::uintptr_t, 11>& p, const std::array<int, 2>& n) {
  const kernels::Lstm op{.x = at(p[0]),
                         .weight_ih = at(p[1]),
                         .weight_hh = at(p[2]),
                         .bias_ih = at(p[3]),
                         .bias_hh = at(p[4]),
                         .hidden = at(p[5]),
                         .cell = at(p[6]),
                         .units = n[0],
                         .time = n[1],
                         .y = at(p[7]),
                         .next_hidden = at(p[8]),
                         .next_cell = at(p[9]),
                         .workspace = at(p[10])};
  return call(
      "launch lstm", [op](cudaStream_t s) { return kernels::lstm(op, s); },
      [op] { return kernels::lstm_workspace(op); });
}

inline auto quantize(const std::array<std::uintptr_t, 4>& p, const std::array<int, 4>& n,
                     bool normalised, bool wide) {
  const kernels::Quantize op{.x = at(p[0]),
                             .codebooks = at(p[1]),
                             .dim = n[0],
                             .time = n[1],
                             .n_q = n[2],
                             .size = n[3],
                             .normalised = normalised,
                             .codes = at<void>(p[2]),
                             .wide = wide,
                             .workspace = at(p[3])};
  return call(
      "launch rvq_encode", [op](cudaStream_t s) { return kernels::quantize(op, s); },
      [op] { return kernels::quantize_workspace(op); });
}

inline auto dequantize(const std::array<std::uintptr_t, 3>& p, const std::array<int, 4>& n,
                       bool wide) {
  const kernels::Dequantize op{.codes = at<void>(p[0]),
                               .wide = wide,
                               .codebooks = at(p[1]),
                               .dim = n[0],
                               .time = n[1],
                               .n_q = n[2],
                               .size = n[3],
                               .x = at(p[2])};
  return call(
      "launch rvq_decode", [op](cudaStream_t s) { return kernels::dequantize(op, s); },
      [] { return std::size_t{0}; });
}

inline auto group_norm(const std::array<std::uintptr_t, 5>& p, const std::array<int, 4>& n,
                       float eps) {
  const kernels::GroupNorm op{.x = at(p[0]),
                              .weight = at(p[1]),
                              .bias = at(p[2]),
                              .batch = n[0],
                              .channels = n[1],
                              .time = n[2],
                              .groups = n[3],
                              .eps = eps,
                              .y = at(p[3]),
                              .workspace = at<double>(p[4])};
  return call(
      "launch group_norm", [op](cudaStream_t s) { return kernels::group_norm(op, s); },
      [op] { return 2 * kernels::group_norm_workspace(op); });
}

inline auto snake(const std::array<std::uintptr_t, 3>& p, const std::array<int, 3>& n) {
  return call(
      "launch snake",
      [p, n](cudaStream_t s) {
        return kernels::map_snake_columns(
            at(p[0]), at(p[1]), at(p[2]), static_cast<std::size_t>(n[0]),
            static_cast<std::size_t>(n[1]), static_cast<std::size_t>(n[2]), s);
      },
      [] { return std::size_t{0}; });
}

inline auto pointwise(const std::string& name, const std::array<std::uintptr_t, 2>& p,
                      std::size_t count) {
  using Map = cudaError_t (*)(const float*, float*, std::size_t, cudaStream_t);
  const Map map = name == "elu"    ? Map{&kernels::map_elu}
                  : name == "tanh" ? Map{&kernels::map_tanh}
                                   : Map{&kernels::map_sigmoid};
  return call(
      "launch a pointwise function",
      [p, count, map](cudaStream_t s) { return map(at(p[0]), at(p[1]), count, s); },
      [] { return std::size_t{0}; });
}

}  // namespace hopcodec::bindings::cuda_calls
