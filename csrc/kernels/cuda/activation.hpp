// Launchers of the pointwise nonlinearities. Rows are channels last, as on the CPU. A launch goes
// to the caller's stream, allocates nothing and waits for nothing.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

namespace hopcodec::kernels::cuda {

// y[i] = f(x[i]) for i < n; x may be y. The pointers are device memory. Returns the error of the
// launch.
cudaError_t map_elu(const float* x, float* y, std::size_t n, cudaStream_t stream);
cudaError_t map_tanh(const float* x, float* y, std::size_t n, cudaStream_t stream);
cudaError_t map_sigmoid(const float* x, float* y, std::size_t n, cudaStream_t stream);

// y = x + sin^2(alpha x) * inverse_alpha; alpha and its inverse hold one value per channel.
cudaError_t map_snake(const float* x, const float* alpha, const float* inverse_alpha, float* y,
                      std::size_t rows, std::size_t channels, cudaStream_t stream);

// The same on (batch, channels, time), with the inverse computed from alpha: y = x + sin^2(alpha x)
// / (alpha + 1e-9). Fewer than 2^31 elements.
cudaError_t map_snake_columns(const float* x, const float* alpha, float* y, std::size_t batch,
                              std::size_t channels, std::size_t time, cudaStream_t stream);

}  // namespace hopcodec::kernels::cuda
