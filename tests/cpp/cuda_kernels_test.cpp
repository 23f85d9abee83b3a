// Compares each GPU kernel with float64 and, bit for bit, with the CPU's kernels. Built twice: with
// the stand-in of cuda_shim/ for any machine, and as cuda_kernels_device_test for a GPU. Without a
// GPU the latter is skipped (77), unless HOPCODEC_REQUIRE_CUDA=1.
#include <cmath>
#include <cstring>
#include <vector>

#include "base/float_mode.hpp"
#include "base/integers.hpp"
#include "base/memory.hpp"
#include "check.hpp"
#include "gpu.hpp"
#include "kernels/cuda/activation.hpp"
#include "kernels/cuda/pack.hpp"
#include "kernels/cuda/product.hpp"
#include "kernels/dispatch.hpp"
#include "layers/packed.hpp"
#include "random.hpp"

namespace hopcodec::test {
namespace {

namespace cuda = kernels::cuda;
using base::usize;
using Floats = std::vector<float>;

bool same(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

layers::Compute cpu() {
  static layers::Pool pool(1);
  return {kernels::generic::kTable, pool};
}

struct DeviceMatrix {
  OnDevice<float> weight;
  OnDevice<float> bias;
  cuda::Matrix view;
  explicit DeviceMatrix(const cuda::PackedMatrix& m)
      : weight(m.weight), bias(m.bias), view{weight.data(), bias.data(), m.columns, m.groups} {}
};

float activate(cuda::Pointwise kind, float x) {
  float y = x;
  if (kind == cuda::Pointwise::kElu) kernels::generic::kTable.elu(&x, &y, 1);
  if (kind == cuda::Pointwise::kTanh) kernels::generic::kTable.tanh(&x, &y, 1);
  return y;
}

struct Shape {
  int in, out, taps, dilation, stride, lanes, rows;
};

// The windows of a convolution over lanes with different numbers of rows.
void check_conv(const Shape& s, Random& random) {
  const int depth = s.taps * s.in;
  const int held = (s.rows - 1) * s.stride + (s.taps - 1) * s.dilation + 1 + 3;
  const std::size_t buffer = base::round_up(usize(held * s.in), 16);
  const std::size_t sink0 = buffer;
  const std::size_t sink1 = sink0 + base::round_up(usize((s.rows + 5) * s.out), 16);
  const std::size_t lane_floats = sink1 + base::round_up(usize((s.rows + 5) * s.out), 16);
  const cuda::HostMatrix host{random.uniform(usize(depth * s.out), 1.0F),
                              random.uniform(usize(s.out), 1.0F), depth, s.out};
  const DeviceMatrix packed(cuda::pack({host}));
  const layers::Packed reference(host.weight.data(), host.bias.data(), usize(depth), usize(s.out));
  Floats expected = random.uniform(lane_floats * usize(s.lanes), 1.0F);
  const OnDevice<float> scratch(expected);

  const bool table = random.coin();
  const cuda::Pointwise to_first = random.coin() ? cuda::Pointwise::kElu : cuda::Pointwise::kNone;
  const cuda::Pointwise output = random.coin() ? cuda::Pointwise::kTanh : cuda::Pointwise::kNone;
  std::vector<cuda::Part> parts;
  for (int i = 0; i < s.lanes; ++i) {
    const int rows = table ? random.below(s.rows + 1) : s.rows;
    const int begin = table ? random.below(4) : 2;
    const int add = table ? random.below(5) : 2;
    parts.push_back(
        {rows, begin, 0, rows, {table ? random.below(5) : 1, table ? random.below(5) : 3}, add});
  }
  cuda::Product p{};
  const OnDevice<cuda::Part> device_parts(parts);
  p.matrix = packed.view;
  const bool runs = s.dilation > 1;
  p.source[0] = {
      0,    depth,          runs ? s.taps : 1, runs ? s.in : depth, runs ? s.dilation * s.in : 0,
      s.in, s.stride * s.in};
  p.sources = 1;
  p.out_channels = s.out;
  p.output.kind = output;
  p.add_at = random.coin() ? static_cast<std::ptrdiff_t>(sink1) : -1;
  p.sink[0] = {sink0, {to_first, nullptr, nullptr}};
  p.sinks = 1;
  if (p.add_at < 0) p.sink[p.sinks++] = {sink1, {cuda::Pointwise::kNone, nullptr, nullptr}};
  p.lanes = {scratch.data(), lane_floats, s.lanes, s.rows, table ? device_parts.data() : nullptr, 1,
             parts[0]};

  double worst = 0.0;
  for (int lane = 0; lane < s.lanes; ++lane) {
    const cuda::Part& part = parts[usize(lane)];
    float* mine = expected.data() + usize(lane) * lane_floats;
    Floats y(usize(part.rows * s.out));
    const layers::RowBlock block{mine + part.begin * s.in, std::ptrdiff_t{s.stride} * s.in,
                                 y.data(), s.out, part.rows};
    const kernels::Window window = {p.source[0].taps, p.source[0].tap_length,
                                    p.source[0].tap_stride};
    reference.multiply(cpu(), window, &block, 1);
    for (int t = 0; t < part.rows; ++t) {
      for (int n = 0; n < s.out; ++n) {
        double exact = static_cast<double>(host.bias[usize(n)]);
        for (int k = 0; k < depth; ++k) {
          exact += static_cast<double>(host.weight[usize(k * s.out + n)]) *
                   static_cast<double>(
                       mine[(part.begin + t * s.stride + k / s.in * s.dilation) * s.in + k % s.in]);
        }
        float& value = y[usize(t * s.out + n)];
        worst = std::max(worst, std::fabs(exact - static_cast<double>(value)) / std::sqrt(depth));
      }
    }
    for (int i = 0; i < part.rows * s.out; ++i) {
      float value = activate(output, y[usize(i)]);
      if (p.add_at >= 0) value += mine[sink1 + usize(part.add * s.out + i)];
      if (p.add_at < 0) mine[sink1 + usize(part.to[1] * s.out + i)] = value;
      mine[sink0 + usize(part.to[0] * s.out + i)] = activate(to_first, value);
    }
  }
  CHECK(worst < 2e-6, worst);
  const Queue queue;
  queue.wait(cuda::product(&p, 1, queue.stream));
  CHECK(same(scratch.values(), expected), s.in, s.out, s.taps, s.dilation, s.stride, s.lanes,
        s.rows);
}

void check_convolutions() {
  Random random(1);
  for (int i = 0; i < 120; ++i) {
    const int taps = random.pick({1, 2, 3, 7, 16});
    check_conv({random.pick({1, 2, 3, 4, 16, 37, 64}), random.pick({1, 2, 4, 5, 16, 33, 64}), taps,
                random.pick({1, 1, 3, 9}), random.pick({1, 1, 2, 5}), random.pick({1, 2, 3, 9}),
                random.pick({1, 2, 7, 40})},
               random);
  }
  // Deep products, whose chains are distributed over threads, and each shape of tile.
  check_conv({512, 24, 7, 1, 1, 1, 1}, random);
  check_conv({512, 12, 9, 1, 1, 1, 2}, random);  // more chains than a block computes at a time
  check_conv({300, 24, 5, 3, 2, 3, 3}, random);
  check_conv({129, 10, 33, 1, 1, 9, 1}, random);
  check_conv({70, 130, 4, 2, 1, 50, 21}, random);
  check_conv({8, 129, 3, 1, 2, 13, 520}, random);
  check_conv({3, 64, 5, 1, 1, 100, 130}, random);
  // Very few columns, and as many rows as the last layer has with a thousand streams: more blocks
  // than grid dimension y or z allows.
  check_conv({4, 1, 3, 1, 1, 1600, 700}, random);
  check_conv({32, 1, 7, 1, 1, 30, 330}, random);
  check_conv({96, 2, 7, 1, 1, 70, 131}, random);
  check_conv({8, 3, 5, 1, 2, 140, 40}, random);
  check_conv({4, 20, 2, 1, 2, 100, 128}, random);
  // Tiles whose terms are in separate taps.
  check_conv({64, 130, 3, 3, 1, 50, 21}, random);
  check_conv({12, 20, 5, 3, 1, 64, 130}, random);
  check_conv({4, 20, 3, 2, 1, 100, 130}, random);
  check_conv({16, 16, 1, 1, 1, 70, 130}, random);
  check_conv({1, 7, 7, 1, 1, 66, 130}, random);
}

// Runs `steps` rows through one LSTM. The lanes have different numbers of rows.
void check_lstm(int units, int lanes, int steps, Random& random) {
  const int n = units;
  const auto gates = usize(4 * n);
  const cuda::HostMatrix x{random.uniform(usize(n) * gates, 0.3F), random.uniform(gates, 0.3F), n,
                           4 * n};
  const cuda::HostMatrix h{random.uniform(usize(n) * gates, 0.3F), {}, n, 4 * n};
  const DeviceMatrix packed(cuda::pack({x, h}, cuda::gate_order(n)));
  const layers::Packed input(x.weight.data(), x.bias.data(), usize(n), gates);
  const layers::Packed recurrent(h.weight.data(), nullptr, usize(n), gates);
  const std::size_t rows = base::round_up(usize(steps * n), 16);
  const std::size_t hidden = rows;
  const std::size_t cell_at = hidden + base::round_up(usize((steps + 1) * n), 16);
  const std::size_t out = cell_at + base::round_up(usize(n), 16);
  const std::size_t lane_floats = out + rows;
  Floats expected = random.uniform(lane_floats * usize(lanes), 1.0F);
  const OnDevice<float> scratch(expected);
  std::vector<cuda::Part> parts;
  for (int i = 0; i < lanes; ++i) parts.push_back({random.below(steps + 1), 0, 0, 0, {0, 0}, 0});

  const OnDevice<cuda::Part> device_parts(parts);

  Floats gate(gates);
  for (int lane = 0; lane < lanes; ++lane) {
    float* mine = expected.data() + usize(lane) * lane_floats;
    for (int t = 0; t < parts[usize(lane)].rows; ++t) {
      float* row = mine + t * n;
      float* before = mine + hidden + usize(t * n);
      const layers::RowBlock from_x{row, n, gate.data(), 4 * n, 1};
      const layers::RowBlock from_h{before, n, gate.data(), 4 * n, 1};
      input.multiply(cpu(), {1, n, 0}, &from_x, 1);
      recurrent.multiply(cpu(), {1, n, 0}, &from_h, 1, /*resume=*/true);
      kernels::generic::kTable.lstm_cell(gate.data(), mine + cell_at, before + n, usize(n));
      for (int j = 0; j < n; ++j) mine[out + usize(t * n + j)] = before[n + j] + row[j];
    }
  }
  cuda::Product p{};
  p.matrix = packed.view;
  p.source[0] = {0, n, 1, n, 0, n, n};
  p.source[1] = {hidden, n, 1, n, 0, n, n};
  p.sources = 2;
  p.out_channels = n;
  p.add_at = -1;
  p.sink[0] = {out, {}};
  p.sinks = 1;
  p.lanes = {scratch.data(), lane_floats, lanes, 1, device_parts.data(), 1, {}};
  const Queue queue;
  for (int t = 0; t < steps; ++t) {
    queue.wait(cuda::lstm_step(p, {n, t, cell_at, hidden, 0}, queue.stream));
  }
  CHECK(same(scratch.values(), expected), units, lanes, steps);
}

void check_pointwise() {
  Random random(5);
  Floats x = random.uniform(3001, 12.0F);
  for (const float special : {0.0F, -0.0F, 1e-30F, -1e-30F, 88.5F, -90.0F, 1e6F, -1e7F, 3e38F})
    x.push_back(special);
  const OnDevice<float> there(x);
  const OnDevice<float> got(Floats(x.size()));
  Floats expected(x.size());
  const Queue queue;
  const std::size_t n = x.size();
  queue.wait(cuda::map_elu(there.data(), got.data(), n, queue.stream));
  kernels::generic::kTable.elu(x.data(), expected.data(), n);
  CHECK(same(got.values(), expected));
  queue.wait(cuda::map_tanh(there.data(), got.data(), n, queue.stream));
  kernels::generic::kTable.tanh(x.data(), expected.data(), n);
  CHECK(same(got.values(), expected));
  queue.wait(cuda::map_sigmoid(there.data(), got.data(), n, queue.stream));
  kernels::generic::kTable.sigmoid(x.data(), expected.data(), n);
  CHECK(same(got.values(), expected));
  const Floats alpha = random.uniform(10, 3.0F);
  Floats inverse(alpha);
  for (float& a : inverse) a = 1.0F / (a + 1e-9F);
  const OnDevice<float> alpha_there(alpha);
  const OnDevice<float> inverse_there(inverse);
  queue.wait(cuda::map_snake(there.data(), alpha_there.data(), inverse_there.data(), got.data(),
                             n / 10, 10, queue.stream));
  kernels::generic::kTable.snake(x.data(), alpha.data(), inverse.data(), expected.data(), n / 10,
                                 10);
  CHECK(same(got.values(), expected));
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  const int status = status_without_gpu();
  if (status != 0) return status;
  const hopcodec::base::FlushDenormals flush;
  const hopcodec::graph::cuda::Device device(0);
  check_convolutions();
  Random random(2);
  check_lstm(5, 3, 4, random);
  check_lstm(64, 1, 2, random);
  check_lstm(130, 9, 3, random);
  check_lstm(270, 2, 2, random);
  check_lstm(32, 8200, 1, random);
  check_pointwise();
  return finish();
}
