// Chooses the search by codebooks and frames. The choice changes no code.
#define HOPCODEC_ISA cuda
#include "kernels/cuda/rvq_projected.cuh"
#include "kernels/cuda/rvq_staged.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kFewFrames = 8;

}  // namespace

int most_chunks(int size) { return ceil_div(size, kNarrow); }

cudaError_t rvq_encode(const RvqEncode& e, cudaStream_t stream) {
  const int count = e.frames.lanes.count * e.frames.lanes.max_rows;
  if (count == 0 || e.n_q == 0) return cudaSuccess;
  if (e.books[0].project.weight != nullptr) return projected(e, count, stream);
  if (count <= kFewFrames) return euclidean<1, kNarrow>(e, count, stream);
  return euclidean<kShared, kBroad>(e, count, stream);
}

}  // namespace hopcodec::kernels::cuda
