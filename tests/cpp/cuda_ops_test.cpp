// Compares the stand-alone GPU operators on torch's layouts, bit for bit, with the CPU's kernels.
// Workspaces and outputs have exactly the requested size. Built twice: with the stand-in of
// cuda_shim/, whose lazy streams reveal operators that use temporary host data after their return,
// and as cuda_ops_device_test for a GPU. Without a GPU the latter is skipped (77), unless
// HOPCODEC_REQUIRE_CUDA=1.
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/float_mode.hpp"
#include "base/integers.hpp"
#include "check.hpp"
#include "gpu.hpp"
#include "kernels/cuda/activation.hpp"
#include "kernels/cuda/causal_conv1d.hpp"
#include "kernels/cuda/causal_conv_transpose1d.hpp"
#include "kernels/cuda/group_norm.hpp"
#include "kernels/cuda/lstm.hpp"
#include "kernels/cuda/quantize.hpp"
#include "kernels/dispatch.hpp"
#include "kernels/fold.hpp"
#include "kernels/group_norm.hpp"
#include "layers/conv1d.hpp"
#include "layers/conv_transpose1d.hpp"
#include "layers/lstm.hpp"
#include "layers/rvq.hpp"
#include "random.hpp"

namespace hopcodec::test {
namespace {

namespace cuda = kernels::cuda;
using base::usize;
using Floats = std::vector<float>;
using There = OnDevice<float>;

// Launches one operator in a stream of its own.
template <class Op>
void run(cudaError_t (*launch)(const Op&, cudaStream_t), const Op& op) {
  const Queue queue;
#if defined(HOPCODEC_CUDA_STAND_IN)
  const long waits = shim::calls().waits;
  const long allocations = shim::calls().allocations;
#endif
  const cudaError_t error = launch(op, queue.stream);
#if defined(HOPCODEC_CUDA_STAND_IN)
  CHECK(shim::calls().waits == waits && shim::calls().allocations == allocations);
#endif
  queue.wait(error);
}

layers::Compute cpu() {
  static layers::Pool pool(1);
  return {kernels::generic::kTable, pool};
}

bool same(const Floats& a, const Floats& b) {
  if (a.size() != b.size()) return false;
  return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// (rows, columns) -> (columns, rows)
Floats turned(const float* x, int rows, int columns) {
  Floats y(usize(rows * columns));
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) y[usize(c * rows + r)] = x[usize(r * columns + c)];
  }
  return y;
}

// Room for n results, filled with a value that no result has.
There room(std::size_t n) { return There(Floats(n, std::numeric_limits<float>::quiet_NaN())); }

// [state | f(x)] of item b as rows, as in the CPU's operator.
Floats rows_of(const cuda::Columns& in, int b) {
  Floats fresh = turned(in.x + b * in.channels * in.time, in.channels, in.time);
  const layers::Activation activation(static_cast<layers::Nonlinearity>(in.activation), in.alpha,
                                      usize(in.channels));
  activation.apply(cpu().kernels, fresh.data(), usize(in.time), usize(in.channels));
  Floats rows(usize(in.held * in.channels));
  if (in.state != nullptr) {
    rows = turned(in.state + b * in.channels * in.held, in.channels, in.held);
  }
  rows.insert(rows.end(), fresh.begin(), fresh.end());
  return rows;
}

struct Conv {
  int batch, in, out, kernel, stride, dilation, time;
};

void check_conv(const Conv& s, Random& random) {
  const int reach = (s.kernel - 1) * s.dilation + 1;
  const int held = reach - s.stride + random.below(2);
  const Floats x = random.uniform(usize(s.batch * s.in * s.time), 2.0F);
  const Floats state = random.uniform(usize(s.batch * s.in * held), 1.0F);
  const Floats weight = random.uniform(usize(s.out * s.in * s.kernel), 1.0F);
  const Floats bias = random.uniform(usize(s.out), 1.0F);
  const Floats alpha = random.uniform(usize(s.in), 3.0F);
  const bool bare = random.below(4) == 0;
  const auto kind = static_cast<cuda::Pointwise>(random.below(4));
  const cuda::Columns input{
      x.data(), bare ? nullptr : state.data(), alpha.data(), kind, s.batch, s.in, s.time, held};
  const There there[] = {There(x), There(state), There(alpha), There(weight), There(bias)};
  cuda::CausalConv1d op{{there[0].data(), bare ? nullptr : there[1].data(), there[2].data(), kind,
                         s.batch, s.in, s.time, held},
                        there[3].data(),
                        bare ? nullptr : there[4].data(),
                        s.out,
                        s.kernel,
                        s.stride,
                        s.dilation,
                        nullptr,
                        nullptr,
                        nullptr};
  const int frames = op.frames();
  const int kept = op.kept();
  const There y = room(usize(s.batch * s.out * frames));
  const There next = room(usize(s.batch * s.in * kept));
  const There workspace = room(cuda::causal_conv1d_workspace(op));
  op.y = y.data();
  op.next = next.data();
  op.workspace = workspace.data();

  const layers::Conv1dShape shape{.in_channels = s.in,
                                  .out_channels = s.out,
                                  .kernel = s.kernel,
                                  .stride = s.stride,
                                  .dilation = s.dilation};
  const Floats none(usize(s.out));
  const auto matrix = layers::pack_conv1d(shape, weight.data(), bare ? none.data() : bias.data());
  Floats expected;
  Floats expected_next;
  for (int b = 0; b < s.batch; ++b) {
    const Floats rows = rows_of(input, b);
    Floats result(usize(frames * s.out));
    const layers::RowBlock block{rows.data(), std::ptrdiff_t{s.stride} * s.in, result.data(), s.out,
                                 frames};
    matrix->multiply(cpu(), {s.kernel, s.in, std::ptrdiff_t{s.dilation} * s.in}, &block, 1);
    const Floats columns = turned(result.data(), frames, s.out);
    expected.insert(expected.end(), columns.begin(), columns.end());
    const Floats rest = turned(rows.data() + frames * s.stride * s.in, kept, s.in);
    expected_next.insert(expected_next.end(), rest.begin(), rest.end());
  }
  run(&cuda::causal_conv1d, op);
  CHECK(same(y.values(), expected), s.batch, s.in, s.out, s.kernel, s.stride, s.dilation, s.time);
  CHECK(same(next.values(), expected_next), s.batch, s.in, s.out, s.kernel, s.stride, s.dilation,
        s.time);
}

void check_convs() {
  Random random(11);
  for (int i = 0; i < 80; ++i) {
    const int kernel = random.pick({1, 2, 3, 7, 16});
    const int dilation = random.pick({1, 1, 3, 9});
    const int reach = (kernel - 1) * dilation + 1;
    const int stride = std::min(reach, random.pick({1, 1, 2, 5}));
    check_conv({random.pick({1, 1, 2, 5}), random.pick({1, 2, 3, 16, 37, 64}),
                random.pick({1, 4, 5, 33}), kernel, stride, dilation, random.pick({1, 2, 7, 40})},
               random);
  }
  // The shared memory of a block has room for two columns.
  check_conv({1, 512, 9, 7, 1, 1, 1}, random);
  check_conv({1, 700, 3, 7, 1, 1, 2}, random);   // few rows, but too deep
  check_conv({1, 64, 600, 3, 1, 1, 3}, random);  // more than one column per block
  check_conv({1, 5, 4, 7, 1, 1, 0}, random);     // no input, no output
  check_conv({1, 900, 4, 16, 8, 1, 1}, random);  // less than a window
  check_conv({2, 8, 40, 3, 1, 1, 700}, random);
  check_conv({3, 132, 6, 16, 1, 1, 40}, random);  // packed in ranges of channels
  check_conv({9, 512, 70, 3, 1, 3, 7}, random);   // chains spread over blocks
  check_conv({30, 64, 33, 7, 2, 9, 9}, random);
  check_conv({5, 100, 64, 7, 1, 1, 30}, random);
  check_conv({3, 512, 200, 5, 1, 1, 170}, random);  // ... in large tiles
  check_conv({4, 37, 130, 8, 1, 1, 260}, random);
}

void check_transpose(int batch, int in, int out, int kernel, int stride, int time, Random& random) {
  const layers::ConvTranspose1dShape shape{
      .in_channels = in, .out_channels = out, .kernel = kernel, .stride = stride};
  const int held = shape.taps() - 1;
  const Floats x = random.uniform(usize(batch * in * time), 1.0F);
  const Floats state = random.uniform(usize(batch * in * held), 1.0F);
  const Floats weight = random.uniform(usize(in * out * kernel), 1.0F);
  const Floats bias = random.uniform(usize(out), 1.0F);
  const cuda::Columns input{x.data(), state.data(), nullptr, cuda::Pointwise::kNone,
                            batch,    in,           time,    held};
  const There there[] = {There(x), There(state), There(weight), There(bias)};
  cuda::CausalConvTranspose1d op{
      {there[0].data(), there[1].data(), nullptr, cuda::Pointwise::kNone, batch, in, time, held},
      there[2].data(),
      there[3].data(),
      out,
      kernel,
      stride,
      nullptr,
      nullptr,
      nullptr};
  const There y = room(usize(batch * out * time * stride));
  const There next = room(usize(batch * in * held));
  const There workspace = room(cuda::causal_conv_transpose1d_workspace(op));
  op.y = y.data();
  op.next = next.data();
  op.workspace = workspace.data();
  const auto matrix = layers::pack_conv_transpose1d(shape, weight.data(), bias.data());
  Floats expected;
  Floats expected_next;
  for (int b = 0; b < batch; ++b) {
    const Floats rows = rows_of(input, b);
    Floats result(usize(time * stride * out));
    const layers::RowBlock block{rows.data(), in, result.data(), std::ptrdiff_t{stride} * out,
                                 time};
    matrix->multiply(cpu(), {1, shape.taps() * in, 0}, &block, 1);
    const Floats columns = turned(result.data(), time * stride, out);
    expected.insert(expected.end(), columns.begin(), columns.end());
    const Floats rest = turned(rows.data() + time * in, held, in);
    expected_next.insert(expected_next.end(), rest.begin(), rest.end());
  }
  run(&cuda::causal_conv_transpose1d, op);
  CHECK(same(y.values(), expected), batch, in, out, kernel, stride, time);
  CHECK(same(next.values(), expected_next), batch, in, out, kernel, stride, time);
}

void check_lstm(int n, int time, Random& random) {
  const Floats x = random.uniform(usize(n * time), 1.0F);
  const Floats ih = random.uniform(usize(4 * n * n), 0.3F);
  const Floats hh = random.uniform(usize(4 * n * n), 0.3F);
  const Floats bias_ih = random.uniform(usize(4 * n), 0.3F);
  const Floats bias_hh = random.uniform(usize(4 * n), 0.3F);
  Floats h = random.uniform(usize(n), 1.0F);
  Floats c = random.uniform(usize(n), 1.0F);
  const There there[] = {There(x),       There(ih), There(hh), There(bias_ih),
                         There(bias_hh), There(h),  There(c)};
  const There y = room(usize(n * time));
  const There h1 = room(usize(n));
  const There c1 = room(usize(n));
  cuda::Lstm op{there[0].data(),
                there[1].data(),
                there[2].data(),
                there[3].data(),
                there[4].data(),
                there[5].data(),
                there[6].data(),
                n,
                time,
                y.data(),
                h1.data(),
                c1.data(),
                nullptr};
  const There workspace = room(cuda::lstm_workspace(op));
  op.workspace = workspace.data();
  const auto stage = layers::pack_lstm(n, ih.data(), hh.data(), bias_ih.data(), bias_hh.data());
  const Floats rows = turned(x.data(), n, time);
  Floats gates(usize(4 * n));
  Floats hidden;
  for (int t = 0; t < time; ++t) {
    const layers::RowBlock from_x{rows.data() + t * n, n, gates.data(), 4 * n, 1};
    const layers::RowBlock from_h{h.data(), n, gates.data(), 4 * n, 1};
    stage.input->multiply(cpu(), {1, n, 0}, &from_x, 1);
    stage.recurrent->multiply(cpu(), {1, n, 0}, &from_h, 1, /*resume=*/true);
    kernels::generic::kTable.lstm_cell(gates.data(), c.data(), h.data(), usize(n));
    hidden.insert(hidden.end(), h.begin(), h.end());
  }
  run(&cuda::lstm, op);
  CHECK(same(y.values(), turned(hidden.data(), time, n)), n, time);
  CHECK(same(h1.values(), h) && same(c1.values(), c), n, time);
}

void check_quantize(int n_q, int size, int dim, int time, bool normalised, Random& random) {
  const Floats x = random.uniform(usize(dim * time), 1.0F);
  Floats books = random.uniform(usize(n_q * size * dim), 1.0F);
  std::copy_n(books.begin(), dim, books.begin() + (size - 1) * dim);  // the lower index wins
  layers::RvqWeights weights{size, dim, dim, {}};
  for (int q = 0; q < n_q; ++q) {
    weights.books.push_back(
        layers::make_codebook(books.data() + q * size * dim, size, dim, normalised));
  }
  Floats rows = turned(x.data(), dim, time);
  std::vector<std::uint16_t> expected(usize(n_q * time));
  layers::Rvq rvq(weights, 4);
  for (int t = 0; t < time; ++t) {
    float* row = rows.data() + t * dim;
    if (normalised) kernels::normalise(row, row, usize(dim));
    const layers::Rvq::Frame frame{row, expected.data() + t, time};
    rvq.encode(cpu(), &frame, 1, n_q);
  }
  const There x_there(x);
  const There books_there(books);
  const OnDevice<std::uint16_t> codes(std::vector<std::uint16_t>(usize(n_q * time)));
  const OnDevice<std::int32_t> wide_codes(std::vector<std::int32_t>(usize(n_q * time)));
  for (const bool as_int32 : {false, true}) {
    cuda::Quantize op{x_there.data(), books_there.data(), dim,     time,     n_q,
                      size,           normalised,         nullptr, as_int32, nullptr};
    const There workspace = room(cuda::quantize_workspace(op));
    op.workspace = workspace.data();
    op.codes = as_int32 ? static_cast<void*>(wide_codes.data()) : static_cast<void*>(codes.data());
    run(&cuda::quantize, op);
  }
  CHECK(codes.values() == expected, n_q, size, dim, time, int{normalised});
  std::vector<std::int32_t> wide = wide_codes.values();
  CHECK(std::equal(wide.begin(), wide.end(), expected.begin()), n_q, size, dim, time);
  if (normalised) return;
  const There sum = room(usize(dim * time));
  run(&cuda::dequantize,
      cuda::Dequantize{codes.data(), false, books_there.data(), dim, time, n_q, size, sum.data()});
  Floats sums(usize(dim * time));
  for (int t = 0; t < time; ++t) {
    rvq.decode(cpu(), expected.data() + t, time, n_q, sums.data() + t * dim);
  }
  CHECK(same(sum.values(), turned(sums.data(), time, dim)), n_q, size, dim, time);
  wide[0] = size;
  run(&cuda::dequantize, cuda::Dequantize{OnDevice<std::int32_t>(wide).data(), true,
                                          books_there.data(), dim, time, n_q, size, sum.data()});
  const Floats decoded = sum.values();
  for (int d = 0; d < dim; ++d) CHECK(std::isnan(decoded[usize(d * time)]), d);
  CHECK(time == 1 || !std::isnan(decoded[1]));
}

void check_norm(int batch, int channels, int groups, int time, Random& random) {
  Floats x = random.uniform(usize(batch * channels * time), 3.0F);
  for (float& v : x) v += 2.0F;
  const Floats weight = random.uniform(usize(channels), 2.0F);
  const Floats bias = random.uniform(usize(channels), 2.0F);
  const There there[] = {There(x), There(weight), There(bias), room(x.size())};
  cuda::GroupNorm op{there[0].data(), there[1].data(), there[2].data(), batch,  channels, time,
                     groups,          1e-5F,           there[3].data(), nullptr};
  const OnDevice<double> workspace(std::vector<double>(cuda::group_norm_workspace(op)));
  op.workspace = workspace.data();
  run(&cuda::group_norm, op);
  const Floats y = there[3].values();
  for (int b = 0; b < batch; ++b) {
    Floats rows = turned(x.data() + b * channels * time, channels, time);
    std::vector<double> moments(usize(2 * channels));
    std::vector<double> map(usize(2 * channels));
    const auto& table = kernels::generic::kTable;
    table.add_moments(rows.data(), usize(time), usize(channels), moments.data(),
                      moments.data() + channels);
    kernels::normalising_map(moments.data(), moments.data() + channels, usize(time),
                             usize(channels), usize(groups), weight.data(), bias.data(), 1e-5F,
                             map.data(), map.data() + channels);
    table.map_channels(rows.data(), rows.data(), usize(time), usize(channels), map.data(),
                       map.data() + channels);
    const Floats expected = turned(rows.data(), time, channels);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const float got = y[usize(b) * expected.size() + i];
      const float ulp = std::fabs(std::nextafter(expected[i], 1e30F) - expected[i]);
      CHECK(std::fabs(got - expected[i]) <= ulp, channels, groups, time, static_cast<long>(i));
    }
  }
}

void check_snake(Random& random) {
  const int batch = 3, channels = 7, time = 37;
  const Floats x = random.uniform(usize(batch * channels * time), 9.0F);
  const Floats alpha = random.uniform(usize(channels), 3.0F);
  const There y = room(x.size());
  const Queue queue;
  queue.wait(cuda::map_snake_columns(There(x).data(), There(alpha).data(), y.data(), batch,
                                     channels, time, queue.stream));
  const cuda::Columns columns{x.data(), nullptr,  alpha.data(), cuda::Pointwise::kSnake,
                              batch,    channels, time,         0};
  Floats expected;
  for (int b = 0; b < batch; ++b) {
    const Floats item = turned(rows_of(columns, b).data(), time, channels);
    expected.insert(expected.end(), item.begin(), item.end());
  }
  CHECK(same(y.values(), expected));
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  const int status = status_without_gpu();
  if (status != 0) return status;
  const hopcodec::base::FlushDenormals flush;
  const hopcodec::graph::cuda::Device device(0);
  check_convs();
  Random random(12);
  check_transpose(1, 1, 1, 1, 1, 1, random);
  check_transpose(2, 33, 5, 7, 3, 5, random);
  check_transpose(1, 300, 7, 8, 4, 3, random);
  check_transpose(3, 8, 64, 4, 2, 70, random);
  check_transpose(1, 40, 3, 5, 5, 9, random);
  check_transpose(1, 4, 3, 6, 2, 0, random);
  check_transpose(4, 150, 9, 8, 4, 11, random);  // chains spread over blocks
  check_lstm(5, 4, random);
  check_lstm(130, 2, random);
  check_lstm(270, 1, random);
  check_quantize(3, 24, 8, 1, false, random);
  check_quantize(2, 101, 17, 9, false, random);
  check_quantize(3, 130, 300, 40, false, random);
  check_quantize(1, 1024, 8, 5, true, random);
  check_norm(2, 6, 3, 17, random);
  check_norm(1, 300, 1, 3, random);
  check_norm(1, 2, 2, 5000, random);
  check_snake(random);
  return finish();
}
