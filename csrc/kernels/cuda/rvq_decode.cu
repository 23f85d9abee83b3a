#define HOPCODEC_ISA cuda
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/rvq.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kThreads = 128;

__global__ void decode(const RvqDecode d) {
  const int channel = static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x);
  const int flat = static_cast<int>(blockIdx.x);
  const Row row = locate(d.lanes, flat, 0);
  if (!row.live || channel >= d.dim) return;
  const int lane = flat / d.lanes.max_rows;
  const std::uint16_t* codes = d.codes + static_cast<std::size_t>(lane * d.frames_step + row.t) *
                                             static_cast<std::size_t>(d.books_step);
  const int n_q = d.n_q[lane];
  float y = 0.0F;
  for (int q = 0; q < n_q; ++q) {
    const Book& book = d.books[q];
    // Codes were checked at the door; an index is clamped all the same.
    const int code = codes[q] < d.size ? codes[q] : d.size - 1;
    const float* entry =
        book.entries + static_cast<std::size_t>(code) * static_cast<std::size_t>(d.inner);
    if (book.unproject.weight != nullptr) {
      float back[1];
      dot<1>(book.unproject, d.inner, channel, entry, 0, back);
      y = add(y, back[0]);
    } else {
      y = add(y, entry[channel]);
    }
  }
  for (int s = 0; s < d.sinks; ++s) {
    const std::size_t at = static_cast<std::size_t>((row.part.to[s] + row.t) * d.dim + channel);
    row.scratch[d.sink[s].at + at] = activate(d.sink[s].activation, y, channel);
  }
}

}  // namespace

cudaError_t rvq_decode(const RvqDecode& d, cudaStream_t stream) {
  const int frames = d.lanes.count * d.lanes.max_rows;
  if (frames == 0) return cudaSuccess;
  return launch(
      decode, dim3(static_cast<unsigned>(frames), static_cast<unsigned>(ceil_div(d.dim, kThreads))),
      kThreads, stream, d);
}

}  // namespace hopcodec::kernels::cuda
