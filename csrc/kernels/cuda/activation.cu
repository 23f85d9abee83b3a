// The bodies are those of the CPU (math.inl.hpp), with one float per thread. The GPU's fma,
// division and conversions round as IEEE 754 requires, so the bits are the same.
#define HOPCODEC_ISA cuda
#include "kernels/cuda/activation.hpp"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/pointwise.cuh"

namespace hopcodec::kernels::cuda {
namespace {

constexpr int kThreads = 256;

template <class Op>
__global__ void map(const float* x, float* y, std::size_t n, Op op) {
  const std::size_t i = static_cast<std::size_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < n) y[i] = op(x[i], i);
}

template <class Op>
cudaError_t launch_map(const float* x, float* y, std::size_t n, Op op, cudaStream_t stream) {
  if (n == 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>((n + kThreads - 1) / kThreads);
  return launch(map<Op>, dim3(blocks), kThreads, stream, x, y, n, op);
}

struct Elu {
  __device__ float operator()(float x, std::size_t) const { return cuda::elu(x); }
};
struct Tanh {
  __device__ float operator()(float x, std::size_t) const { return cuda::tanh(x); }
};
struct Sigmoid {
  __device__ float operator()(float x, std::size_t) const { return cuda::sigmoid(x); }
};
struct Snake {
  const float* alpha;
  const float* inverse_alpha;
  std::size_t channels;
  __device__ float operator()(float x, std::size_t i) const {
    const std::size_t c = i % channels;
    return cuda::snake(x, alpha[c], inverse_alpha[c]);
  }
};
struct SnakeColumns {
  const float* alpha;
  unsigned channels;
  unsigned time;
  __device__ float operator()(float x, std::size_t i) const {
    const float a = alpha[static_cast<unsigned>(i) / time % channels];
    return cuda::snake(x, a, div(1.0F, add(a, 1e-9F)));
  }
};

}  // namespace

cudaError_t map_elu(const float* x, float* y, std::size_t n, cudaStream_t stream) {
  return launch_map(x, y, n, Elu{}, stream);
}

cudaError_t map_tanh(const float* x, float* y, std::size_t n, cudaStream_t stream) {
  return launch_map(x, y, n, Tanh{}, stream);
}

cudaError_t map_sigmoid(const float* x, float* y, std::size_t n, cudaStream_t stream) {
  return launch_map(x, y, n, Sigmoid{}, stream);
}

cudaError_t map_snake(const float* x, const float* alpha, const float* inverse_alpha, float* y,
                      std::size_t rows, std::size_t channels, cudaStream_t stream) {
  return launch_map(x, y, rows * channels, Snake{alpha, inverse_alpha, channels}, stream);
}

cudaError_t map_snake_columns(const float* x, const float* alpha, float* y, std::size_t batch,
                              std::size_t channels, std::size_t time, cudaStream_t stream) {
  return launch_map(
      x, y, batch * channels * time,
      SnakeColumns{alpha, static_cast<unsigned>(channels), static_cast<unsigned>(time)}, stream);
}

}  // namespace hopcodec::kernels::cuda
