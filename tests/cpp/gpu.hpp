// Helpers for tests of GPU kernels, on a GPU or with the stand-in of cuda_shim/.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "check.hpp"
#include "graph/cuda/device.hpp"

namespace hopcodec::test {

// A stream for launches; errors fail the test.
struct Queue {
  void wait(cudaError_t error) const {
    CHECK(error == cudaSuccess, static_cast<int>(error));
    graph::cuda::check(cudaStreamSynchronize(stream), "wait");
  }
  graph::cuda::Stream owned = graph::cuda::make_stream();
  cudaStream_t stream = owned.get();
};

// A copy of host values in device memory.
template <class T>
class OnDevice {
 public:
  OnDevice(const std::vector<T>& values, cudaStream_t stream) : array_(values.size(), stream) {
    copy(array_.data(), values.data(), cudaMemcpyHostToDevice, stream);
  }
  explicit OnDevice(const std::vector<T>& values) : OnDevice(values, Queue().stream) {}
  T* data() const { return array_.data(); }
  std::vector<T> values(cudaStream_t stream) const {
    std::vector<T> values(array_.count());
    copy(values.data(), array_.data(), cudaMemcpyDeviceToHost, stream);
    return values;
  }
  // The values; call this after waiting for the work that computes them.
  std::vector<T> values() const { return values(Queue().stream); }

 private:
  void copy(T* to, const T* from, cudaMemcpyKind kind, cudaStream_t stream) const {
    if (array_.count() > 0) {
      graph::cuda::check(cudaMemcpyAsync(to, from, array_.bytes(), kind, stream),
                         "copy to or from the device");
    }
    graph::cuda::check(cudaStreamSynchronize(stream), "wait");
  }

  graph::cuda::DeviceArray<T> array_;
};

// Returns the exit status of a test without a GPU: 77 (skipped), or 1 with HOPCODEC_REQUIRE_CUDA=1.
// Returns 0 if there is a GPU.
inline int status_without_gpu() {
  try {
    graph::cuda::Device device(0);
  } catch (const graph::cuda::DeviceError& error) {
    const char* required = std::getenv("HOPCODEC_REQUIRE_CUDA");
    const bool fail = required != nullptr && std::string(required) == "1";
    std::printf("%s: %s\n", fail ? "failed" : "skipped", error.what());
    return fail ? 1 : 77;
  }
  return 0;
}

}  // namespace hopcodec::test
