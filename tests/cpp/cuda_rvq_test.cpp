// The GPU's quantizers and row movers, executed on the CPU by the stand-in of cuda_shim/.
#include <cmath>
#include <cstring>
#include <vector>

#include "base/denormals.hpp"
#include "base/memory.hpp"
#include "check.hpp"
#include "cuda_runtime.h"
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
using Floats = std::vector<float>;

std::size_t usize(std::int64_t n) { return static_cast<std::size_t>(n); }

void wait(cudaError_t error, cudaStream_t stream) {
  CHECK(error == cudaSuccess, static_cast<int>(error));
  cudaStreamSynchronize(stream);
}

cuda::Matrix view(const cuda::PackedMatrix& m) {
  return {m.weight.data(), m.bias.data(), m.columns, m.groups};
}

// Both forms of one quantizer.
struct Quantizer {
  layers::RvqWeights cpu;
  std::vector<cuda::PackedMatrix> matrices;  // search, project, unproject of each book
  std::vector<cuda::Book> books;
};

cuda::PackedMatrix repacked(const layers::Packed& packed) {
  cuda::HostMatrix host{{}, {}, packed.depth(), packed.columns()};
  packed.unpack(host.weight, host.bias);
  return cuda::pack({host});
}

Quantizer make(Random& random, int n_q, int size, int dim, int inner) {
  Quantizer q{{size, dim, inner, {}}, {}, {}};
  const bool projected = dim != inner;
  float scale = 1.0F;
  for (int i = 0; i < n_q; ++i, scale *= 0.7F) {
    Floats entries = random.uniform(usize(size * inner), scale);
    // Two entries alike, so that the lower index must win.
    std::copy_n(entries.begin() + 3 * inner, inner, entries.begin() + (size - 2) * inner);
    layers::Codebook book = layers::make_codebook(entries.data(), size, inner, projected);
    if (projected) {
      const Floats down = random.uniform(usize(dim * inner), 0.2F);
      const Floats up = random.uniform(usize(dim * inner), 0.2F);
      const Floats down_bias = random.uniform(usize(inner), 0.1F);
      const Floats up_bias = random.uniform(usize(dim), 0.1F);
      book.project = layers::pack_conv1d({.in_channels = dim, .out_channels = inner, .kernel = 1},
                                         down.data(), down_bias.data());
      book.unproject = layers::pack_conv1d({.in_channels = inner, .out_channels = dim, .kernel = 1},
                                           up.data(), up_bias.data());
    }
    q.cpu.books.push_back(std::move(book));
  }
  for (const layers::Codebook& book : q.cpu.books) {
    q.matrices.push_back(repacked(*book.search));
    q.matrices.push_back(projected ? repacked(*book.project) : cuda::PackedMatrix{});
    q.matrices.push_back(projected ? repacked(*book.unproject) : cuda::PackedMatrix{});
  }
  for (std::size_t i = 0; i < q.cpu.books.size(); ++i) {
    const cuda::PackedMatrix* m = q.matrices.data() + 3 * i;
    q.books.push_back({view(m[0]), q.cpu.books[i].entries.get(),
                       projected ? view(m[1]) : cuda::Matrix{},
                       projected ? view(m[2]) : cuda::Matrix{}});
  }
  return q;
}

void check_rvq(Random& random, int n_q, int size, int dim, int inner, int lanes, int rows) {
  const Quantizer quantizer = make(random, n_q, size, dim, inner);
  layers::Pool pool(1);
  const layers::Compute cpu{kernels::generic::kTable, pool};
  const std::size_t lane_floats = base::round_up(usize(rows * dim), 16) + 32;
  const base::FloatBuffer scratch = base::make_floats(lane_floats * usize(lanes));
  for (std::size_t i = 0; i < lane_floats * usize(lanes); ++i) scratch[i] = random.uniform();
  std::vector<cuda::Part> parts;
  for (int i = 0; i < lanes; ++i)
    parts.push_back({lanes == 1 ? rows : random.below(rows + 1), 0, 0, 0, {0, 0}});
  const cuda::Lanes all{scratch.get(), lane_floats, lanes, rows, parts.data(), 1, {}};

  const auto frames = usize(lanes * rows);
  constexpr std::uint16_t kMark = 0xabcd;
  std::vector<std::uint16_t> codes(frames * usize(n_q), kMark);
  Floats residual(2 * frames * usize(dim));
  std::vector<cuda::Best> best(2 * frames * usize(cuda::most_chunks(size)));
  const cuda::RvqEncode encode{
      {all, 16, dim}, quantizer.books.data(), size, inner, n_q, residual.data(), best.data(),
      codes.data()};
  cudaStream_t stream;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  wait(cuda::rvq_encode(encode, stream), stream);

  layers::Rvq rvq(quantizer.cpu, 4);
  std::vector<std::uint16_t> expected(usize(n_q));
  for (int lane = 0; lane < lanes; ++lane) {
    for (int t = 0; t < parts[usize(lane)].rows; ++t) {
      const float* latent = scratch.get() + usize(lane) * lane_floats + 16 + usize(t * dim);
      Floats copy(latent, latent + dim);
      const layers::Rvq::Frame frame{copy.data(), expected.data(), 1};
      rvq.encode(cpu, &frame, 1, n_q);
      const std::uint16_t* got = codes.data() + usize((lane * rows + t) * n_q);
      CHECK(std::equal(expected.begin(), expected.end(), got), size, dim, inner, lane, t);
    }
  }

  // Decoding what was encoded, with another number of codebooks per lane.
  std::vector<std::int32_t> books;
  for (int i = 0; i < lanes; ++i) books.push_back(1 + random.below(n_q));
  for (std::uint16_t& code : codes) code = code == kMark ? std::uint16_t{0} : code;
  Floats decoded(lane_floats * usize(lanes), 7.0F);
  cuda::RvqDecode decode{quantizer.books.data(),
                         codes.data(),
                         books.data(),
                         n_q,
                         rows,
                         size,
                         inner,
                         dim,
                         {{16, {}}, {}},
                         1,
                         all};
  decode.lanes.scratch = decoded.data();
  wait(cuda::rvq_decode(decode, stream), stream);
  Floats latent(usize(dim));
  for (int lane = 0; lane < lanes; ++lane) {
    for (int t = 0; t < rows; ++t) {
      const float* got = decoded.data() + usize(lane) * lane_floats + 16 + usize(t * dim);
      if (t < parts[usize(lane)].rows) {
        rvq.decode(cpu, codes.data() + usize((lane * rows + t) * n_q), 1, books[usize(lane)],
                   latent.data());
      } else {
        std::fill(latent.begin(), latent.end(), 7.0F);
      }
      CHECK(std::memcmp(got, latent.data(), usize(dim) * sizeof(float)) == 0, dim, lane, t);
    }
  }
  cudaStreamDestroy(stream);
}

// pad1d in its own words: extend by zeros, mirror, cut.
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
  const hopcodec::base::FlushDenormals flush;
  Random random(4);
  check_rvq(random, 3, 24, 8, 8, 1, 1);
  check_rvq(random, 8, 1024, 128, 128, 1, 1);
  check_rvq(random, 2, 100, 17, 17, 2, 3);
  check_rvq(random, 3, 130, 300, 300, 5, 4);
  check_rvq(random, 2, 1024, 64, 64, 3, 11);
  check_rvq(random, 3, 64, 40, 8, 2, 3);
  check_rvq(random, 34, 130, 600, 5, 1, 2);
  check_padding();
  return finish();
}
