// Elementwise kernels. They process whole vectors, then one padded vector for the tail, so that the
// last elements go through exactly the same operations as the others.
#pragma once

#include "kernels/math.inl.hpp"

namespace hopcodec::kernels::HOPCODEC_ISA {

template <class Op>
static inline void map(const float* x, float* y, std::size_t n, Op op) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, op(load(x + i)));
  if (i == n) return;
  float tail[kLanes] = {};
  for (std::size_t j = i; j < n; ++j) tail[j - i] = x[j];
  store(tail, op(load(tail)));
  for (std::size_t j = i; j < n; ++j) y[j] = tail[j - i];
}

template <class Op>
static inline void zip(const float* x, float* y, std::size_t n, Op op) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, op(load(x + i), load(y + i)));
  for (; i < n; ++i) {
    float a[kLanes] = {x[i]};
    float b[kLanes] = {y[i]};
    store(b, op(load(a), load(b)));
    y[i] = b[0];
  }
}

static void map_elu(const float* x, float* y, std::size_t n) {
  map(x, y, n, [](F v) { return elu(v); });
}
static void map_tanh(const float* x, float* y, std::size_t n) {
  map(x, y, n, [](F v) { return tanh(v); });
}
static void map_sigmoid(const float* x, float* y, std::size_t n) {
  map(x, y, n, [](F v) { return sigmoid(v); });
}
static void zip_add(const float* x, float* y, std::size_t n) {
  zip(x, y, n, [](F a, F b) { return add(b, a); });
}
static void zip_subtract(const float* x, float* y, std::size_t n) {
  zip(x, y, n, [](F a, F b) { return sub(b, a); });
}

static inline F snake(F x, F alpha, F inverse) {
  return fma(inverse, sin_squared(mul(alpha, x)), x);
}

// Snake (arXiv 2006.08195) as in DAC, with one alpha per channel (dac/nn/layers.py:18).
static void map_snake(const float* x, const float* alpha, const float* inverse, float* y,
                      std::size_t rows, std::size_t channels) {
  for (std::size_t row = 0; row < rows; ++row) {
    std::size_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) {
      store(y + c, snake(load(x + c), load(alpha + c), load(inverse + c)));
    }
    for (; c < channels; ++c) {
      float v[kLanes] = {x[c]};
      store(v, snake(load(v), all(alpha[c]), all(inverse[c])));
      y[c] = v[0];
    }
    x += channels;
    y += channels;
  }
}

// One step of an LSTM (Hochreiter & Schmidhuber 1997, PyTorch's gate order i, f, g, o):
// c = f c + i g, h = o tanh(c).
static void lstm_cell(const float* gates, float* cell, float* hidden, std::size_t size) {
  for (std::size_t j = 0; j < size; j += kLanes) {
    const bool whole = j + kLanes <= size;
    float pad[5][kLanes] = {};
    const float* in[5] = {gates + j, gates + size + j, gates + 2 * size + j, gates + 3 * size + j,
                          cell + j};
    if (!whole) {
      for (int g = 0; g < 5; ++g) {
        for (std::size_t i = 0; j + i < size; ++i) pad[g][i] = in[g][i];
        in[g] = pad[g];
      }
    }
    const F i = sigmoid(load(in[0]));
    const F f = sigmoid(load(in[1]));
    const F g = tanh(load(in[2]));
    const F o = sigmoid(load(in[3]));
    const F c = fma(f, load(in[4]), mul(i, g));
    const F h = mul(o, tanh(c));
    if (whole) {
      store(cell + j, c);
      store(hidden + j, h);
      continue;
    }
    store(pad[0], c);
    store(pad[1], h);
    for (std::size_t k = 0; j + k < size; ++k) {
      cell[j + k] = pad[0][k];
      hidden[j + k] = pad[1][k];
    }
  }
}

}  // namespace hopcodec::kernels::HOPCODEC_ISA
