// Chooses the search by codebooks and device. The choice changes no code.
#define HOPCODEC_ISA cuda
#include "kernels/cuda/compiled.hpp"
#include "kernels/cuda/rvq_cluster.cuh"
#include "kernels/cuda/rvq_projected.cuh"
#include "kernels/cuda/rvq_staged.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kFewFrames = 8;

// Whether the device has clusters and enough shared memory for them. If the device cannot be
// queried, the launch will report the error.
bool suits_clusters() {
  int device = 0;
  int major = 0;
  int bytes = 0;
  return cudaGetDevice(&device) == cudaSuccess &&
         cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
         cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device) ==
             cudaSuccess &&
         major >= 9 && bytes >= kClusterSharedBytes && compiled_for_hopper();
}

}  // namespace

int most_chunks(int size) { return ceil_div(size, kNarrow); }

cudaError_t rvq_encode(const RvqEncode& e, cudaStream_t stream) {
  const int count = e.frames.lanes.count * e.frames.lanes.max_rows;
  if (count == 0 || e.n_q == 0) return cudaSuccess;
  if (e.books[0].project.weight != nullptr) return projected(e, count, stream);
  if (suits_clusters()) return in_clusters(e, count, stream);
  if (count <= kFewFrames) return euclidean<1, kNarrow>(e, count, stream);
  return euclidean<kShared, kBroad>(e, count, stream);
}

}  // namespace hopcodec::kernels::cuda
