// Compares products on a tensor core with float64, within the precision of the number format, and
// bit for bit between different numbers of rows. Built twice: with the stand-in of cuda_shim/ for
// any machine, and as cuda_mma_device_test for a GPU. Without a GPU the latter is skipped (77),
// unless HOPCODEC_REQUIRE_CUDA=1.
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "base/float_mode.hpp"
#include "base/integers.hpp"
#include "base/memory.hpp"
#include "check.hpp"
#include "cuda_mma_kernels.hpp"
#include "cuda_shim/rounding.hpp"
#include "gpu.hpp"
#include "kernels/cuda/pack.hpp"
#include "kernels/dispatch.hpp"
#include "random.hpp"

namespace hopcodec::test {
namespace {

namespace cuda = kernels::cuda;
using base::usize;
using Floats = std::vector<float>;

double real(float x) { return static_cast<double>(x); }
// Compares the first `first` floats.
bool same(const Floats& a, const Floats& b, std::size_t first) {
  return std::memcmp(a.data(), b.data(), first * sizeof(float)) == 0;
}

// A precision: how a factor is rounded, and the error bound of a product of two factors.
struct Tf32 {
  using Weight = std::uint32_t;
  static constexpr cuda::Precision kPrecision = cuda::Precision::kTf32;
  static constexpr double kError = 0x1p-10;  // two factors, half a unit in the last place each
  static double factor(float x) { return real(shim::rounded_to(x, 10, false)); }
};
struct Bf16 {
  using Weight = std::uint16_t;
  static constexpr cuda::Precision kPrecision = cuda::Precision::kBfloat16;
  static constexpr double kError = 0x1p-7;
  static double factor(float x) { return real(shim::rounded_to(x, 7, true)); }
};
// Of float32 sums, relative to the sum of the magnitudes of their terms.
constexpr double kSumError = 1e-6;

template <class Format>
struct Weights {
  std::vector<cuda::HostMatrix> sources;
  cuda::PackedSlices<typename Format::Weight> packed;
  OnDevice<typename Format::Weight> weight;
  OnDevice<float> bias;

  Weights(std::vector<cuda::HostMatrix> from, const std::vector<int>& order)
      : sources(std::move(from)),
        packed(cuda::pack_slices<typename Format::Weight>(sources, order)),
        weight(packed.weight),
        bias(packed.bias) {}
  cuda::Matrix view() const {
    cuda::Matrix m{nullptr, bias.data(), packed.columns, 0};
    m.precision = Format::kPrecision;
    m.panels = weight.data();
    m.slices = packed.slices;
    return m;
  }
};

// A value in float64, and its error bounds relative to the rounded factors and to the exact ones.
struct Value {
  double rounded = 0.0;
  double exact = 0.0;
  double size = 0.0;
};

template <class Format>
void add_terms(const cuda::HostMatrix& m, const cuda::Source& s, const float* window, int column,
               Value& to) {
  for (int k = 0; k < s.depth; ++k) {
    const float w = m.weight[usize(k) * usize(m.columns) + usize(column)];
    const float x = window[cuda::window_offset(s, k)];
    to.exact += real(w) * real(x);
    to.rounded += Format::factor(w) * Format::factor(x);
    to.size += std::fabs(real(w) * real(x));
  }
}

float activate(cuda::Pointwise kind, float x) {
  float y = x;
  if (kind == cuda::Pointwise::kElu) kernels::generic::kTable.elu(&x, &y, 1);
  if (kind == cuda::Pointwise::kTanh) kernels::generic::kTable.tanh(&x, &y, 1);
  return y;
}

struct Shape {
  int in, out, taps, dilation, stride, lanes, rows;
};

// The kernel that computes a product, whatever the number of rows would suggest.
using Run = cudaError_t (*)(const cuda::Product&, cudaStream_t);

cudaError_t run_chosen(const cuda::Product& p, cudaStream_t stream) {
  return cuda::product(&p, 1, stream);
}

// A convolution over lanes with different numbers of rows, with everything that can follow it:
// activations, rows of a shortcut, a second reader.
template <class Format>
class Convolution {
 public:
  Convolution(const Shape& s, Random& random)
      : s_(s),
        depth_(s.taps * s.in),
        weights_({{random.uniform(usize(depth_ * s.out), 1.0F), random.uniform(usize(s.out), 1.0F),
                   depth_, s.out}},
                 {}) {
    const int held = (s.rows - 1) * s.stride + (s.taps - 1) * s.dilation + 1 + 3;
    p_.sink[0].at = base::round_up(usize(held * s.in), 16);
    p_.sink[1].at = p_.sink[0].at + base::round_up(usize((s.rows + 5) * s.out), 16);
    lane_floats_ = p_.sink[1].at + base::round_up(usize((s.rows + 5) * s.out), 16);
    const bool table = random.coin();
    for (int i = 0; i < s.lanes; ++i) {
      const int rows = table ? random.below(s.rows + 1) : s.rows;
      parts_.push_back({rows,
                        table ? random.below(4) : 2,
                        0,
                        rows,
                        {table ? random.below(5) : 1, table ? random.below(5) : 3},
                        0});
    }
    p_.matrix = weights_.view();
    const bool runs = s.dilation > 1;
    p_.source[0] = {
        0,    depth_,         runs ? s.taps : 1, runs ? s.in : depth_, runs ? s.dilation * s.in : 0,
        s.in, s.stride * s.in};
    p_.sources = 1;
    p_.out_channels = s.out;
    p_.output.kind = random.coin() ? cuda::Pointwise::kTanh : cuda::Pointwise::kNone;
    p_.sink[0].activation.kind = random.coin() ? cuda::Pointwise::kElu : cuda::Pointwise::kNone;
    p_.add_at = random.coin() ? static_cast<std::ptrdiff_t>(p_.sink[1].at) : -1;
    p_.sinks = p_.add_at < 0 ? 2 : 1;
    device_parts_.emplace(parts_);
    p_.lanes = {nullptr, lane_floats_,  s.lanes, s.rows, table ? device_parts_->data() : nullptr,
                1,       parts_.front()};
    before_ = random.uniform(lane_floats_ * usize(s.lanes), 1.0F);
  }

  void check(Run run) const {
    const OnDevice<float> scratch(before_);
    const Queue queue;
    queue.wait(run(over(scratch.data(), s_.lanes, 0), queue.stream));
    const Floats got = scratch.values();
    for (int lane = 0; lane < s_.lanes; ++lane) check_lane(lane, got.data());
    if (s_.lanes == 1) return;
    // Each lane alone, with the kernel that the library chooses.
    const OnDevice<float> alone(before_);
    for (int lane = 0; lane < s_.lanes; ++lane) {
      queue.wait(run_chosen(over(alone.data(), 1, lane), queue.stream));
    }
    CHECK(same(alone.values(), got, got.size()), s_.in, s_.out, s_.taps, s_.rows, s_.lanes);
  }

 private:
  cuda::Product over(float* scratch, int lanes, int first) const {
    cuda::Product p = p_;
    p.lanes.scratch = scratch + usize(first) * lane_floats_;
    p.lanes.count = lanes;
    if (p.lanes.table != nullptr) p.lanes.table += first;
    return p;
  }

  void check_lane(int lane, const float* scratch) const {
    const cuda::Part& part = parts_[usize(lane)];
    const float* mine = before_.data() + usize(lane) * lane_floats_;
    const float* got = scratch + usize(lane) * lane_floats_;
    Floats expected(mine, mine + lane_floats_);
    Floats bound(lane_floats_, 0.0F);
    double worst = 0.0;
    for (int t = 0; t < part.rows; ++t) {
      for (int n = 0; n < s_.out; ++n) {
        const auto bias = real(weights_.sources[0].bias[usize(n)]);
        Value value{bias, bias, std::fabs(bias)};
        add_terms<Format>(weights_.sources[0], p_.source[0],
                          mine + (part.begin + t * s_.stride) * s_.in, n, value);
        worst = std::max(worst, std::fabs(value.exact - value.rounded) / value.size);
        const auto at = usize(t * s_.out + n);
        float y = activate(p_.output.kind, static_cast<float>(value.rounded));
        if (p_.add_at >= 0) y += mine[usize(p_.add_at) + at];
        const auto error = static_cast<float>(kSumError * (value.size + 1.0));
        for (int i = 0; i < p_.sinks; ++i) {
          const std::size_t to = p_.sink[i].at + usize(part.to[i] * s_.out) + at;
          expected[to] = activate(p_.sink[i].activation.kind, y);
          bound[to] = error;
        }
      }
    }
    CHECK(worst < Format::kError, worst);
    for (std::size_t i = 0; i < lane_floats_; ++i) {
      // Checks that nothing else was written.
      if (std::fabs(got[i] - expected[i]) <= bound[i]) continue;
      CHECK(false, lane, i, got[i], expected[i], s_.in, s_.out, s_.taps, s_.dilation, s_.rows);
      return;
    }
    CHECK(true);
  }

  Shape s_;
  int depth_;
  Weights<Format> weights_;
  std::size_t lane_floats_;
  std::vector<cuda::Part> parts_;
  std::optional<OnDevice<cuda::Part>> device_parts_;
  Floats before_;
  cuda::Product p_{};
};

template <class Format>
void check_shapes(Run run, int columns, Random& random) {
  // Wide enough for more than two tiles, deep enough for several chains, and odd sizes.
  for (const Shape& s :
       {Shape{16, columns + 8, 3, 1, 1, 3, 50}, Shape{12, columns, 7, 3, 1, 2, 70},
        Shape{64, columns - 5, 9, 1, 2, 1, 133}, Shape{3, columns + 1, 7, 1, 5, 4, 9},
        Shape{300, columns, 1, 1, 1, 40, 1}, Shape{20, 8, 2, 9, 1, 1, 1}}) {
    Convolution<Format>(s, random).check(run);
  }
}

template <class Format>
void check_kernels(Random& random) {
  check_shapes<Format>(mma_wide_tiles, 64, random);
  check_shapes<Format>(mma_narrow_tiles, 16, random);
  // With the tiles that the library chooses: narrow, and wide.
  check_shapes<Format>(run_chosen, 40, random);
  for (const Shape& s : {Shape{32, 16, 1, 1, 1, 97, 128}, Shape{8, 64, 2, 1, 1, 133, 128}}) {
    Convolution<Format>(s, random).check(run_chosen);
  }
}

// Two products in one launch give the same as each alone.
template <class Format>
void check_pair(Random& random) {
  const int in = 40;
  const int rows = 11;
  const Weights<Format> deep(
      {{random.uniform(usize(9 * in * 24), 1.0F), random.uniform(24, 1.0F), 9 * in, 24}}, {});
  const Weights<Format> flat({{random.uniform(usize(in * 70), 1.0F), {}, in, 70}}, {});
  const Floats before = random.uniform(usize((rows + 9) * in + rows * 24 + rows * 70 + 64), 1.0F);
  const auto run = [&](bool together) {
    const OnDevice<float> scratch(before);
    cuda::Product p[2] = {};
    for (int i = 0; i < 2; ++i) {
      const int depth = i == 0 ? 9 * in : in;
      p[i].matrix = i == 0 ? deep.view() : flat.view();
      p[i].source[0] = {0, depth, 1, depth, 0, in, in};
      p[i].sources = 1;
      p[i].out_channels = p[i].matrix.columns;
      p[i].add_at = -1;
      p[i].sink[0].at = base::round_up(usize((rows + 9) * in + i * rows * 24), 4);
      p[i].sinks = 1;
      p[i].lanes = {
          scratch.data(), before.size(), 1, rows, nullptr, 0, {rows, 0, 0, rows, {0, 0}, 0}};
    }
    const Queue queue;
    if (together) {
      queue.wait(cuda::product(p, 2, queue.stream));
    } else {
      queue.wait(cuda::product(p, 1, queue.stream));
      queue.wait(cuda::product(p + 1, 1, queue.stream));
    }
    return scratch.values();
  };
  const Floats together = run(true);
  CHECK(together == run(false));
  CHECK(together != before);
}

// Compares one LSTM step of `lanes` rows with float64 and with each lane alone.
template <class Format>
void check_lstm(int units, int lanes, Random& random) {
  const int n = units;
  const auto gates = usize(4 * n);
  const Weights<Format> weights(
      {{random.uniform(usize(n) * gates, 0.3F), random.uniform(gates, 0.3F), n, 4 * n},
       {random.uniform(usize(n) * gates, 0.3F), {}, n, 4 * n}},
      cuda::gate_order(n));
  const std::size_t hidden = base::round_up(usize(n), 16);
  const std::size_t cell_at = hidden + base::round_up(usize(2 * n), 16);
  const std::size_t out = cell_at + hidden;
  const std::size_t lane_floats = out + hidden;
  const Floats before = random.uniform(lane_floats * usize(lanes), 1.0F);
  const OnDevice<float> scratch(before);
  const OnDevice<float> alone(before);
  cuda::Product p{};
  p.matrix = weights.view();
  p.source[0] = {0, n, 1, n, 0, n, n};
  p.source[1] = {hidden, n, 1, n, 0, n, n};
  p.sources = 2;
  p.out_channels = n;
  p.add_at = -1;
  p.sink[0] = {out, {}};
  p.sinks = 1;
  p.lanes = {scratch.data(), lane_floats, lanes, 1, nullptr, 0, {1, 0, 0, 0, {0, 0}, 0}};
  const cuda::Cell cell{n, 0, cell_at, hidden, 0};
  const Queue queue;
  queue.wait(cuda::lstm_step(p, cell, queue.stream));
  const Floats all = scratch.values();
  for (int lane = 0; lane < lanes; lane += lane < 3 ? 1 : 1 + lanes / 100) {
    p.lanes.scratch = alone.data() + usize(lane) * lane_floats;
    p.lanes.count = 1;
    if (lane < 3) queue.wait(cuda::lstm_step(p, cell, queue.stream));
    const float* from = before.data() + usize(lane) * lane_floats;
    const float* got = all.data() + usize(lane) * lane_floats;
    double worst = 0.0;
    for (int unit = 0; unit < n; ++unit) {
      double gate[4];
      for (int g = 0; g < 4; ++g) {
        Value value{real(weights.sources[0].bias[usize(g * n + unit)]), 0.0, 0.0};
        add_terms<Format>(weights.sources[0], p.source[0], from, g * n + unit, value);
        add_terms<Format>(weights.sources[1], p.source[1], from + hidden, g * n + unit, value);
        gate[g] = g == 2 ? std::tanh(value.rounded) : 1.0 / (1.0 + std::exp(-value.rounded));
      }
      const double c = gate[1] * real(from[cell_at + usize(unit)]) + gate[0] * gate[2];
      const double h = gate[3] * std::tanh(c);
      const auto off = [&](std::size_t at, double expected) {
        worst = std::max(worst, std::fabs(real(got[at + usize(unit)]) - expected));
      };
      off(cell_at, c);
      off(hidden + usize(n), h);
      off(out, h + real(from[unit]));
    }
    CHECK(worst < 2e-5, worst, units, lanes, lane);
  }
  CHECK(same(alone.values(), all, lane_floats * usize(std::min(lanes, 3))), units, lanes);
}

template <class Format>
void check_all(Random& random) {
  check_kernels<Format>(random);
  check_pair<Format>(random);
  check_lstm<Format>(18, 3, random);
  check_lstm<Format>(270, 20, random);
  check_lstm<Format>(32, 50, random);
  check_lstm<Format>(32, 8500, random);  // wide tiles
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  const int status = status_without_gpu();
  if (status != 0) return status;
  const hopcodec::base::FlushDenormals flush;
  const hopcodec::graph::cuda::Device device(0);
  Random random(11);
  check_all<Tf32>(random);
  check_all<Bf16>(random);
  return finish();
}
