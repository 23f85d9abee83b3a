// Compares the GPU's quantisers with the CPU's. Built twice: with the stand-in of cuda_shim/ for
// any machine, and as cuda_rvq_device_test for a GPU. Without a GPU the latter is skipped (77),
// unless HOPCODEC_REQUIRE_CUDA=1.
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <vector>

#include "base/float_mode.hpp"
#include "base/integers.hpp"
#include "base/memory.hpp"
#include "check.hpp"
#include "gpu.hpp"
#include "kernels/cuda/pack.hpp"
#include "kernels/cuda/rows.hpp"
#include "kernels/cuda/rvq.hpp"
#include "kernels/dispatch.hpp"
#include "layers/conv1d.hpp"
#include "layers/rvq.hpp"
#include "random.hpp"

namespace hopcodec::test {
namespace {

namespace cuda = kernels::cuda;
using base::usize;
using Floats = std::vector<float>;

void wait(cudaError_t error, cudaStream_t stream) {
  CHECK(error == cudaSuccess, static_cast<int>(error));
  graph::cuda::check(cudaStreamSynchronize(stream), "wait");
}

struct Shape {
  int n_q;
  int size;
  int dim;
  int inner;
  int lanes;
  int rows;  // of a lane
  int frames() const { return lanes * rows; }
};

// The CPU and the GPU form of one quantiser.
struct Quantizer {
  layers::RvqWeights cpu;
  std::deque<OnDevice<float>> memory;
  std::vector<cuda::Book> books;  // in host memory, with matrices in device memory
};

cuda::PackedMatrix repacked(const layers::Packed& packed) {
  cuda::HostMatrix host{{}, {}, packed.depth(), packed.columns()};
  packed.unpack(host.weight, host.bias);
  return cuda::pack({host});
}

cuda::Matrix upload(Quantizer& q, const layers::Packed& packed, cudaStream_t stream) {
  const cuda::PackedMatrix m = repacked(packed);
  const float* weight = q.memory.emplace_back(m.weight, stream).data();
  return {weight, q.memory.emplace_back(m.bias, stream).data(), m.columns, m.groups};
}

Quantizer make(Random& random, const Shape& n, cudaStream_t stream) {
  Quantizer q{{n.size, n.dim, n.inner, {}}, {}, {}};
  const bool projected = n.dim != n.inner;
  float scale = 1.0F;
  for (int i = 0; i < n.n_q; ++i, scale *= 0.7F) {
    Floats entries = random.uniform(usize(n.size * n.inner), scale);
    // Equal entries, within a thread's part and across threads, so that the lowest index must win.
    for (const int again : {35, n.size - 2}) {
      if (again >= n.size) continue;
      std::copy_n(entries.begin() + 3 * n.inner, n.inner, entries.begin() + again * n.inner);
    }
    layers::Codebook book = layers::make_codebook(entries.data(), n.size, n.inner, projected);
    cuda::Book gpu{
        upload(q, *book.search, stream), q.memory.emplace_back(entries, stream).data(), {}, {}};
    if (projected) {
      const Floats down = random.uniform(usize(n.dim * n.inner), 0.2F);
      const Floats up = random.uniform(usize(n.dim * n.inner), 0.2F);
      const Floats down_bias = random.uniform(usize(n.inner), 0.1F);
      const Floats up_bias = random.uniform(usize(n.dim), 0.1F);
      book.project =
          layers::pack_conv1d({.in_channels = n.dim, .out_channels = n.inner, .kernel = 1},
                              down.data(), down_bias.data());
      book.unproject = layers::pack_conv1d(
          {.in_channels = n.inner, .out_channels = n.dim, .kernel = 1}, up.data(), up_bias.data());
      gpu.project = upload(q, *book.project, stream);
      gpu.unproject = upload(q, *book.unproject, stream);
    }
    q.cpu.books.push_back(std::move(book));
    q.books.push_back(gpu);
  }
  return q;
}

constexpr std::size_t kLatentsAt = 16;
constexpr std::uint16_t kMark = 0xabcd;

// Frames of a step, at arbitrary positions.
struct Step {
  Shape shape;
  std::size_t lane_floats;
  Floats scratch;
  std::vector<cuda::Part> parts;
  OnDevice<float> device_scratch;
  OnDevice<cuda::Part> device_parts;

  Step(const Shape& n, Floats values, std::vector<cuda::Part> rows, cudaStream_t stream)
      : shape(n),
        lane_floats(values.size() / usize(n.lanes)),
        scratch(std::move(values)),
        parts(std::move(rows)),
        device_scratch(scratch, stream),
        device_parts(parts, stream) {}

  cuda::Lanes lanes() const {
    return {device_scratch.data(), lane_floats, shape.lanes, shape.rows,
            device_parts.data(),   1,           {}};
  }
  const float* latent(int lane, int t) const {
    return scratch.data() + usize(lane) * lane_floats + kLatentsAt + usize(t * shape.dim);
  }
};

// Some frames equal an entry that occurs more than once.
Step make_step(Random& random, const Shape& n, const Quantizer& quantizer, cudaStream_t stream) {
  const std::size_t lane_floats = base::round_up(usize(n.rows * n.dim), 16) + 32;
  Floats scratch = random.uniform(lane_floats * usize(n.lanes), 1.0F);
  std::vector<cuda::Part> parts;
  for (int lane = 0; lane < n.lanes; ++lane) {
    parts.push_back({n.lanes == 1 ? n.rows : random.below(n.rows + 1), 0, 0, 0, {0, 0}, 0});
    if (n.dim != n.inner) continue;
    const float* entry = quantizer.cpu.books[0].entries.get() + 3 * n.inner;
    float* latents = scratch.data() + usize(lane) * lane_floats + kLatentsAt;
    for (int t = lane % 2; t < n.rows; t += 2) std::copy_n(entry, n.dim, latents + t * n.dim);
  }
  return {n, std::move(scratch), std::move(parts), stream};
}

std::vector<std::uint16_t> encode(const Step& step, const Quantizer& quantizer, bool captured,
                                  cudaStream_t stream) {
  const Shape& n = step.shape;
  const auto frames = usize(n.frames());
  const std::vector<std::uint16_t> marks(frames * usize(n.n_q), kMark);
  const OnDevice<std::uint16_t> codes(marks, stream);
  const graph::cuda::DeviceArray<float> residual(2 * frames * usize(n.dim), stream);
  const graph::cuda::DeviceArray<cuda::Best> best(2 * frames * usize(cuda::most_chunks(n.size)),
                                                  stream);
  const cuda::RvqEncode encode{{step.lanes(), kLatentsAt, n.dim},
                               quantizer.books.data(),
                               n.size,
                               n.inner,
                               n.n_q,
                               residual.data(),
                               best.data(),
                               codes.data()};
  if (captured) {
    const graph::cuda::Graph graph = graph::cuda::capture(
        stream, [&] { CHECK(cuda::rvq_encode(encode, stream) == cudaSuccess, n.frames()); });
    wait(cudaGraphLaunch(graph.get(), stream), stream);
  } else {
#if defined(HOPCODEC_CUDA_STAND_IN)
    const long before = shim::calls().launches;
#endif
    const cudaError_t error = cuda::rvq_encode(encode, stream);
#if defined(HOPCODEC_CUDA_STAND_IN)
    // Projected: all codebooks that fit in the parameters of one launch. Otherwise one launch per
    // codebook.
    const long launches = shim::calls().launches - before;
    const long expected = n.dim != n.inner ? (n.n_q + 31) / 32 : n.n_q + 1;
    CHECK(launches == expected, launches, expected, n.size);
#endif
    wait(error, stream);
  }
  return codes.values(stream);
}

void check_encode(const Step& step, const Quantizer& quantizer, bool captured,
                  cudaStream_t stream) {
  const Shape& n = step.shape;
  const std::vector<std::uint16_t> codes = encode(step, quantizer, captured, stream);
  layers::Pool pool(1);
  const layers::Compute cpu{kernels::generic::kTable, pool};
  layers::Rvq rvq(quantizer.cpu, 4);
  std::vector<std::uint16_t> expected(usize(n.n_q));
  for (int lane = 0; lane < n.lanes; ++lane) {
    for (int t = 0; t < step.parts[usize(lane)].rows; ++t) {
      Floats copy(step.latent(lane, t), step.latent(lane, t) + n.dim);
      const layers::Rvq::Frame frame{copy.data(), expected.data(), 1};
      rvq.encode(cpu, &frame, 1, n.n_q);
      const std::uint16_t* got = codes.data() + usize((lane * n.rows + t) * n.n_q);
      CHECK(std::equal(expected.begin(), expected.end(), got), n.size, n.dim, n.inner, lane, t);
    }
  }
}

// Decodes random codes, with a different number of codebooks per lane.
void check_decode(Random& random, const Step& step, const Quantizer& quantizer,
                  cudaStream_t stream) {
  const Shape& n = step.shape;
  std::vector<std::int32_t> books;
  for (int i = 0; i < n.lanes; ++i) books.push_back(1 + random.below(n.n_q));
  std::vector<std::uint16_t> codes(usize(n.frames() * n.n_q));
  for (std::uint16_t& code : codes) code = static_cast<std::uint16_t>(random.below(n.size));
  const OnDevice<std::uint16_t> device_codes(codes, stream);
  const OnDevice<std::int32_t> device_books(books, stream);
  const OnDevice<cuda::Book> device_matrices(quantizer.books, stream);
  const OnDevice<float> decoded(Floats(step.scratch.size(), 7.0F), stream);
  cuda::RvqDecode decode{device_matrices.data(),
                         device_codes.data(),
                         device_books.data(),
                         n.n_q,
                         n.rows,
                         n.size,
                         n.inner,
                         n.dim,
                         {{kLatentsAt, {}}, {}},
                         1,
                         step.lanes()};
  decode.lanes.scratch = decoded.data();
  wait(cuda::rvq_decode(decode, stream), stream);

  const Floats got = decoded.values(stream);
  layers::Pool pool(1);
  const layers::Compute cpu{kernels::generic::kTable, pool};
  layers::Rvq rvq(quantizer.cpu, 4);
  Floats latent(usize(n.dim));
  for (int lane = 0; lane < n.lanes; ++lane) {
    for (int t = 0; t < n.rows; ++t) {
      if (t < step.parts[usize(lane)].rows) {
        rvq.decode(cpu, codes.data() + usize((lane * n.rows + t) * n.n_q), 1, books[usize(lane)],
                   latent.data());
      } else {
        std::fill(latent.begin(), latent.end(), 7.0F);
      }
      const std::size_t at = usize(lane) * step.lane_floats + kLatentsAt + usize(t * n.dim);
      CHECK(std::memcmp(got.data() + at, latent.data(), usize(n.dim) * sizeof(float)) == 0, n.dim,
            lane, t);
    }
  }
}

// NaN latents, as from a broken model, get a valid index.
void check_not_numbers(const Step& step, const Quantizer& quantizer, cudaStream_t stream) {
  const cuda::Part whole{step.shape.rows, 0, 0, 0, {0, 0}, 0};
  const Step broken(step.shape,
                    Floats(step.scratch.size(), std::numeric_limits<float>::quiet_NaN()),
                    std::vector<cuda::Part>(step.parts.size(), whole), stream);
  for (const std::uint16_t code : encode(broken, quantizer, false, stream)) {
    CHECK(code < step.shape.size, code, step.shape.frames());
  }
}

void check(Random& random, const Shape& shape, cudaStream_t stream) {
  const Quantizer quantizer = make(random, shape, stream);
  const Step step = make_step(random, shape, quantizer, stream);
  check_encode(step, quantizer, false, stream);
  check_encode(step, quantizer, true, stream);
  check_decode(random, step, quantizer, stream);
  if (shape.n_q < 9) check_not_numbers(step, quantizer, stream);
}

// pad1d step by step: extend with zeros, reflect, cut.
std::vector<int> padded(int left, int right, int total) {
  const int widest = std::max(left, right);
  const int extended = total <= widest ? widest + 1 : total;
  std::vector<int> y;
  for (int t = -left; t < extended + right; ++t) {
    const int from = t < 0 ? -t : t < extended ? t : 2 * (extended - 1) - t;
    y.push_back(from < total ? from : -1);
  }
  y.resize(usize(left + total + right));
  return y;
}

void check_padding() {
  for (int left = 0; left < 7; ++left) {
    for (int right = 0; right < 7; ++right) {
      for (int total = 1; total < 12; ++total) {
        const std::vector<int> y = padded(left, right, total);
        for (int j = 0; j < left; ++j)
          CHECK(cuda::left_source(j, left, total) == y[usize(j)], left, right, total, j);
        for (int i = 0; i < right; ++i) {
          const int back = cuda::right_source(i, left, right, total);
          CHECK((back == 0 ? -1 : total - back) == y[usize(left + total + i)], left, right, total,
                i);
        }
      }
    }
  }
}

}  // namespace
}  // namespace hopcodec::test

int main() {
  using namespace hopcodec::test;
  const int status = status_without_gpu();
  if (status != 0) return status;
  const hopcodec::base::FlushDenormals flush;
  const hopcodec::graph::cuda::Device device(0);
  const hopcodec::graph::cuda::Stream stream = hopcodec::graph::cuda::make_stream();
  Random random(4);
  const Shape shapes[] = {
      // Few frames.
      {3, 24, 8, 8, 1, 1},
      {2, 200, 20, 20, 2, 2},
      {8, 1024, 128, 128, 1, 1},
      {2, 100, 17, 17, 2, 3},
      {3, 130, 300, 300, 5, 4},
      {2, 1024, 64, 64, 3, 11},
      {2, 40, 512, 512, 1, 1},
      // Many codebooks.
      {34, 40, 9, 9, 2, 2},
      // More frames than share a read of the entries.
      {3, 600, 20, 20, 5, 20},
      {2, 130, 70, 70, 20, 10},
      {2, 2100, 12, 12, 3, 130},
      {2, 140, 66, 66, 60, 10},
      {2, 100, 300, 300, 60, 9},
      // Projected.
      {3, 64, 40, 8, 2, 3},
      {34, 130, 600, 5, 1, 2},
  };
  for (const Shape& shape : shapes) check(random, shape, stream.get());
  check_padding();
  return finish();
}
