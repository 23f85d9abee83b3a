#define HOPCODEC_ISA cuda
#include "kernels/cuda/quantize.hpp"

#include <vector>

#include "kernels/cuda/prepare.cuh"
#include "kernels/cuda/rvq.hpp"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// The codebooks, concatenated, each padded to whole panels. The bias is -|e|^2 / 2, summed in
// double as on the CPU (layers/rvq.cpp).
struct SearchWeights {
  const float* codebooks;
  std::int32_t size;
  std::int32_t dim;

  __device__ const float* entry(int column) const {
    const int padded = padded_columns(size);
    const int n = column % padded;
    if (n >= size) return nullptr;
    const std::size_t index =
        static_cast<std::size_t>(column / padded) * static_cast<std::size_t>(size) +
        static_cast<std::size_t>(n);
    return codebooks + index * static_cast<std::size_t>(dim);
  }
  __device__ float at(int group, int j, int column) const {
    const float* e = entry(column);
    const int k = group * 4 + j;
    return e == nullptr || k >= dim ? 0.0F : __ldg(e + k);
  }
  __device__ float bias(int column) const {
    const float* e = entry(column);
    if (e == nullptr) return 0.0F;
    double square = 0.0;
#pragma unroll 8
    for (int k = 0; k < dim; ++k) {
      const double v = static_cast<double>(__ldg(e + k));
      square += v * v;
    }
    return static_cast<float>(-0.5 * square);
  }
};

// to[row, :] = from[row, :] / max(|from[row, :]|, 1e-12), in double as on the CPU
// (kernels/fold.cpp); the elements of a row are `between` floats apart.
struct Normalise {
  const float* from;
  std::size_t row_step;
  std::size_t between;
  float* to;
  std::int32_t rows;
  std::int32_t n;
};

__global__ void __launch_bounds__(kThreads) normalise_rows(const Normalise a) {
  const int row = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (row >= a.rows) return;
  const float* from = a.from + static_cast<std::size_t>(row) * a.row_step;
  float* to = a.to + static_cast<std::size_t>(row) * static_cast<std::size_t>(a.n);
  double sum = 0.0;
  for (int i = 0; i < a.n; ++i) {
    const double v = static_cast<double>(from[static_cast<std::size_t>(i) * a.between]);
    sum += v * v;
  }
  const double root = sqrt(sum);
  const double length = root > 1e-12 ? root : 1e-12;
  for (int i = 0; i < a.n; ++i) {
    to[i] = static_cast<float>(static_cast<double>(from[static_cast<std::size_t>(i) * a.between]) /
                               length);
  }
}

cudaError_t launch_normalise(const Normalise& a, cudaStream_t stream) {
  if (a.rows == 0) return cudaSuccess;
  return launch(normalise_rows, dim3(static_cast<unsigned>(ceil_div(a.rows, kThreads))), kThreads,
                stream, a);
}

// (frame, n_q) -> (n_q, frame)
template <class Code>
__global__ void __launch_bounds__(kThreads)
    transpose_codes(const std::uint16_t* from, Code* to, int n_q, int time) {
  const int i = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (i < n_q * time) to[i] = static_cast<Code>(from[i % time * n_q + i / time]);
}

// Offsets in the workspace: rows of x; packed entries and their bias; normalised entries; the
// buffers of rvq_encode.
struct WorkspaceLayout {
  std::size_t weight_at;
  std::size_t bias_at;
  std::size_t entries_at;
  std::size_t residual_at;
  std::size_t best_at;
  std::size_t codes_at;
  std::size_t floats;
};

WorkspaceLayout workspace_layout(const Quantize& op) {
  const auto time = static_cast<std::size_t>(op.time);
  const auto dim = static_cast<std::size_t>(op.dim);
  const auto n_q = static_cast<std::size_t>(op.n_q);
  const auto columns = n_q * static_cast<std::size_t>(padded_columns(op.size));
  const auto chunks = static_cast<std::size_t>(most_chunks(op.size));
  WorkspaceLayout p{};
  p.weight_at = aligned(time * dim);
  p.bias_at = p.weight_at + aligned(columns * static_cast<std::size_t>(groups_of(op.dim)) * 4);
  p.entries_at = p.bias_at + aligned(columns);
  p.residual_at =
      p.entries_at + (op.normalised ? aligned(static_cast<std::size_t>(op.size) * dim) : 0);
  p.best_at = p.residual_at + aligned(2 * time * dim);
  p.codes_at = p.best_at + aligned(2 * time * chunks * sizeof(Best) / sizeof(float));
  p.floats = p.codes_at + aligned((time * n_q + 1) / 2);
  return p;
}

// Converts x to rows and packs the codebooks.
cudaError_t prepare_search(const Quantize& op, const WorkspaceLayout& at, const Packing& packing,
                           cudaStream_t stream) {
  Columns columns{op.x, nullptr, nullptr, Pointwise::kNone, 1, op.dim, op.time, 0};
  SearchWeights weights{op.codebooks, op.size, op.dim};
  if (op.normalised) {
    float* entries = op.workspace + at.entries_at;
    const std::size_t dim = static_cast<std::size_t>(op.dim);
    cudaError_t error = launch_normalise({op.codebooks, dim, 1, entries, op.size, op.dim}, stream);
    if (error != cudaSuccess) return error;
    error = launch_normalise(
        {op.x, 1, static_cast<std::size_t>(op.time), op.workspace, op.time, op.dim}, stream);
    if (error != cudaSuccess) return error;
    weights.codebooks = entries;
    columns.batch = 0;  // the rows have been written already
  }
  return launch_prepare(columns, {op.workspace, 0, nullptr, 0}, weights, packing, stream);
}

cudaError_t deliver_codes(const Quantize& op, const std::uint16_t* codes, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(ceil_div(op.n_q * op.time, kThreads)));
  if (op.wide) {
    return launch(transpose_codes<std::int32_t>, grid, kThreads, stream, codes,
                  static_cast<std::int32_t*>(op.codes), op.n_q, op.time);
  }
  return launch(transpose_codes<std::uint16_t>, grid, kThreads, stream, codes,
                static_cast<std::uint16_t*>(op.codes), op.n_q, op.time);
}

}  // namespace

std::size_t quantize_workspace(const Quantize& op) { return workspace_layout(op).floats; }

cudaError_t quantize(const Quantize& op, cudaStream_t stream) {
  if (op.time == 0 || op.n_q == 0) return cudaSuccess;
  const WorkspaceLayout at = workspace_layout(op);
  const int padded = padded_columns(op.size);
  const Packing packing{op.workspace + at.weight_at, op.workspace + at.bias_at, op.n_q * padded,
                        groups_of(op.dim)};
  cudaError_t error = prepare_search(op, at, packing, stream);
  if (error != cudaSuccess) return error;
  std::vector<Book> books;
  for (int q = 0; q < op.n_q; ++q) {
    const std::size_t first = static_cast<std::size_t>(q) * static_cast<std::size_t>(padded);
    const std::size_t entries = static_cast<std::size_t>(q) * static_cast<std::size_t>(op.size) *
                                static_cast<std::size_t>(op.dim);
    books.push_back({{packing.weight + first * static_cast<std::size_t>(packing.groups) * 4,
                      packing.bias + first, op.size, packing.groups},
                     op.codebooks + entries,
                     {},
                     {}});
  }
  const Lanes lanes{op.workspace, 0, 1, op.time, nullptr, 0, {op.time, 0, 0, op.time, {0, 0}, 0}};
  auto* codes = reinterpret_cast<std::uint16_t*>(op.workspace + at.codes_at);
  error = rvq_encode({{lanes, 0, op.dim},
                      books.data(),
                      op.size,
                      op.dim,
                      op.n_q,
                      op.workspace + at.residual_at,
                      reinterpret_cast<Best*>(op.workspace + at.best_at),
                      codes},
                     stream);
  return error != cudaSuccess ? error : deliver_codes(op, codes, stream);
}

namespace {

template <class Code>
__global__ void __launch_bounds__(kTransposeThreads) sum_entries(const Dequantize op) {
  __shared__ TransposeTile tile;
  const auto* codes = static_cast<const Code*>(op.codes);
  const int across = ceil_div(op.time, kEdge);
  const int first_t = static_cast<int>(blockIdx.x) % across * kEdge;
  const int first_d = static_cast<int>(blockIdx.x) / across * kEdge;
  const int lane = static_cast<int>(threadIdx.x) % kEdge;
  for (int i = static_cast<int>(threadIdx.x) / kEdge; i < kEdge; i += kTransposeThreads / kEdge) {
    const int t = first_t + i;
    const int d = first_d + lane;
    if (t >= op.time || d >= op.dim) continue;
    float y = 0.0F;
#pragma unroll 4
    for (int q = 0; q < op.n_q; ++q) {
      const int code = static_cast<int>(codes[q * op.time + t]);
      const bool exists = code >= 0 && code < op.size;
      const std::size_t entry = static_cast<std::size_t>(q) * static_cast<std::size_t>(op.size) +
                                static_cast<std::size_t>(exists ? code : 0);
      const float e =
          op.codebooks[entry * static_cast<std::size_t>(op.dim) + static_cast<std::size_t>(d)];
      y = add(y, exists ? e : NAN);
    }
    tile[i][lane] = y;
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x) / kEdge; i < kEdge; i += kTransposeThreads / kEdge) {
    const int t = first_t + lane;
    const int d = first_d + i;
    if (t >= op.time || d >= op.dim) continue;
    op.x[static_cast<std::size_t>(d) * static_cast<std::size_t>(op.time) +
         static_cast<std::size_t>(t)] = tile[lane][i];
  }
}

}  // namespace

cudaError_t dequantize(const Dequantize& op, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(ceil_div(op.time, kEdge) * ceil_div(op.dim, kEdge)));
  if (grid.x == 0) return cudaSuccess;
  if (op.wide) return launch(sum_entries<std::int32_t>, grid, kTransposeThreads, stream, op);
  return launch(sum_entries<std::uint16_t>, grid, kTransposeThreads, stream, op);
}

}  // namespace hopcodec::kernels::cuda
