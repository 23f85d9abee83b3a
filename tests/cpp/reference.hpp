// Reference layers over whole signals in float64, written to be read. Streaming must agree with
// them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "check.hpp"
#include "specs.hpp"

namespace hopcodec::test {

// Channels-last rows.
struct Signal {
  int channels;
  std::vector<double> data;

  int rows() const { return static_cast<int>(data.size()) / channels; }
  double& at(int t, int c) { return data[static_cast<std::size_t>(t * channels + c)]; }
  double at(int t, int c) const { return data[static_cast<std::size_t>(t * channels + c)]; }
};

inline Signal make_signal(int channels, int rows) {
  return {channels, std::vector<double>(static_cast<std::size_t>(channels * rows))};
}

inline double activate(Nonlinearity kind, double x, double alpha) {
  switch (kind) {
    case Nonlinearity::kElu:
      return x > 0 ? x : std::expm1(x);
    case Nonlinearity::kTanh:
      return std::tanh(x);
    case Nonlinearity::kSnake:
      return x + std::pow(std::sin(alpha * x), 2) / (alpha + 1e-9);
    case Nonlinearity::kNone:
      break;
  }
  return x;
}

inline Signal activate(Nonlinearity kind, Signal x, const std::vector<float>& alpha) {
  for (int t = 0; t < x.rows(); ++t) {
    for (int c = 0; c < x.channels; ++c) {
      const double a =
          alpha.empty() ? 0.0 : static_cast<double>(alpha[static_cast<std::size_t>(c)]);
      x.at(t, c) = activate(kind, x.at(t, c), a);
    }
  }
  return x;
}

// torch's F.pad with zeros, or reflected about the first and the last row.
inline Signal pad(const Signal& x, int left, int right, bool reflect) {
  Signal y = make_signal(x.channels, left + x.rows() + right);
  for (int t = -left; t < x.rows() + right; ++t) {
    int from = t;
    if (reflect && t < 0) from = -t;
    if (reflect && t >= x.rows()) from = 2 * (x.rows() - 1) - t;
    if (from < 0 || from >= x.rows()) continue;
    for (int c = 0; c < x.channels; ++c) y.at(t + left, c) = x.at(from, c);
  }
  return y;
}

// encodec's pad1d: a signal too short to be reflected is first extended with zeros, which are cut
// off afterwards.
inline Signal pad1d(const Signal& x, int left, int right, bool reflect) {
  const int widest = std::max(left, right);
  if (!reflect || x.rows() > widest) return pad(x, left, right, reflect);
  const int extra = widest - x.rows() + 1;
  Signal y = pad(pad(x, 0, extra, false), left, right, true);
  y.data.resize(static_cast<std::size_t>((y.rows() - extra) * y.channels));
  return y;
}

Signal run(const std::vector<LayerSpec>& chain, Signal x, bool zero_start);

struct Reference {
  const Signal& x;
  bool zero_start;  // a session option replaces the model's padding by zeros

  Signal operator()(const ConvSpec& s) const {
    const layers::Conv1dShape& shape = s.shape;
    if (x.rows() == 0) return make_signal(shape.out_channels, 0);
    int right = shape.right;
    if (shape.full_window) {  // encodec's get_extra_padding_for_conv1d
      const double windows =
          static_cast<double>(x.rows() - shape.reach() + shape.left + right) / shape.stride + 1;
      const int ideal = static_cast<int>(std::ceil(windows) - 1) * shape.stride + shape.reach() -
                        shape.left - right;
      right += ideal - x.rows();
    }
    const Signal in =
        pad1d(activate(s.input, x, s.alpha), shape.left, right, shape.reflect && !zero_start);
    const int room = in.rows() - shape.reach();
    Signal y = make_signal(shape.out_channels, room < 0 ? 0 : room / shape.stride + 1);
    for (int t = 0; t < y.rows(); ++t) {
      for (int n = 0; n < y.channels; ++n) {
        double sum = static_cast<double>(s.bias[static_cast<std::size_t>(n)]);
        for (int c = 0; c < shape.in_channels; ++c) {
          for (int k = 0; k < shape.kernel; ++k) {
            const int at = (n * shape.in_channels + c) * shape.kernel + k;
            sum += static_cast<double>(s.weight[static_cast<std::size_t>(at)]) *
                   in.at(t * shape.stride + k * shape.dilation, c);
          }
        }
        y.at(t, n) = sum;
      }
    }
    return activate(s.output, y, {});
  }

  Signal operator()(const TransposeSpec& s) const {
    const layers::ConvTranspose1dShape& shape = s.shape;
    if (x.rows() == 0) return make_signal(shape.out_channels, 0);
    const Signal in = activate(s.input, x, s.alpha);
    Signal full = make_signal(shape.out_channels, (x.rows() - 1) * shape.stride + shape.kernel);
    for (int t = 0; t < full.rows(); ++t) {
      for (int n = 0; n < full.channels; ++n) {
        full.at(t, n) = static_cast<double>(s.bias[static_cast<std::size_t>(n)]);
      }
    }
    for (int t = 0; t < x.rows(); ++t) {
      for (int c = 0; c < x.channels; ++c) {
        for (int n = 0; n < full.channels; ++n) {
          for (int k = 0; k < shape.kernel; ++k) {
            const int at = (c * full.channels + n) * shape.kernel + k;
            full.at(t * shape.stride + k, n) +=
                static_cast<double>(s.weight[static_cast<std::size_t>(at)]) * in.at(t, c);
          }
        }
      }
    }
    const int rows = std::max(full.rows() - shape.trim_left - shape.trim_right, 0);
    const auto first = full.data.begin() + shape.trim_left * full.channels;
    return {full.channels, {first, first + rows * full.channels}};
  }

  // Normalises over all channels and rows, including those that are trimmed.
  Signal operator()(const NormSpec& s) const {
    if (x.rows() == 0) return x;
    double mean = 0.0;
    for (const double v : x.data) mean += v / static_cast<double>(x.data.size());
    double variance = 0.0;
    for (const double v : x.data) {
      variance += (v - mean) * (v - mean) / static_cast<double>(x.data.size());
    }
    Signal y = make_signal(s.channels, std::max(x.rows() - s.trim_left - s.trim_right, 0));
    const double scale = 1 / std::sqrt(variance + static_cast<double>(kNormEps));
    for (int t = 0; t < y.rows(); ++t) {
      for (int c = 0; c < y.channels; ++c) {
        y.at(t, c) = (x.at(t + s.trim_left, c) - mean) * scale *
                         static_cast<double>(s.weight[static_cast<std::size_t>(c)]) +
                     static_cast<double>(s.bias[static_cast<std::size_t>(c)]);
      }
    }
    return y;
  }

  Signal operator()(const LstmSpec& s) const {
    Signal y = x;
    const int n = s.channels;
    const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
    for (const LstmSpec::Stage& stage : s.stages) {
      std::vector<double> h(static_cast<std::size_t>(n)), c(h), gates(4 * h.size());
      for (int t = 0; t < y.rows(); ++t) {
        for (std::size_t g = 0; g < gates.size(); ++g) {
          gates[g] = static_cast<double>(stage.bias_ih[g]) + static_cast<double>(stage.bias_hh[g]);
          for (std::size_t k = 0; k < h.size(); ++k) {
            gates[g] += static_cast<double>(stage.weight_ih[g * h.size() + k]) *
                            y.at(t, static_cast<int>(k)) +
                        static_cast<double>(stage.weight_hh[g * h.size() + k]) * h[k];
          }
        }
        for (std::size_t k = 0; k < h.size(); ++k) {
          const double i = sigmoid(gates[k]);
          const double f = sigmoid(gates[h.size() + k]);
          const double g = std::tanh(gates[2 * h.size() + k]);
          const double o = sigmoid(gates[3 * h.size() + k]);
          c[k] = f * c[k] + i * g;
          h[k] = o * std::tanh(c[k]);
          y.at(t, static_cast<int>(k)) = h[k];
        }
      }
    }
    for (std::size_t i = 0; s.skip && i < y.data.size(); ++i) y.data[i] += x.data[i];
    return y;
  }

  Signal operator()(const ResidualSpec& s) const {
    Signal y = run(s.branch, x, zero_start);
    const Signal shortcut = run(s.shortcut, x, zero_start);
    CHECK(y.rows() == shortcut.rows() && y.channels == shortcut.channels, y.rows());
    for (std::size_t i = 0; i < y.data.size(); ++i) y.data[i] += shortcut.data[i];
    return y;
  }
};

inline Signal run(const std::vector<LayerSpec>& chain, Signal x, bool zero_start) {
  for (const LayerSpec& layer : chain) x = std::visit(Reference{x, zero_start}, layer.body);
  return x;
}

}  // namespace hopcodec::test
