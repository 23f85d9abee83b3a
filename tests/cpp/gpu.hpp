// What tests of GPU kernels need of a GPU, or of the stand-in of cuda_shim/: the same calls.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "graph/cuda/device.hpp"

namespace hopcodec::test {

// Host values, in device memory.
template <class T>
class OnDevice {
 public:
  OnDevice(const std::vector<T>& values, cudaStream_t stream) : array_(values.size(), stream) {
    graph::cuda::check(cudaMemcpyAsync(array_.data(), values.data(), array_.bytes(),
                                       cudaMemcpyHostToDevice, stream),
                       "copy to the device");
    graph::cuda::check(cudaStreamSynchronize(stream), "wait");
  }
  T* data() const { return array_.data(); }
  std::vector<T> values(cudaStream_t stream) const {
    std::vector<T> values(array_.count());
    graph::cuda::check(cudaMemcpyAsync(values.data(), array_.data(), array_.bytes(),
                                       cudaMemcpyDeviceToHost, stream),
                       "copy from the device");
    graph::cuda::check(cudaStreamSynchronize(stream), "wait");
    return values;
  }

 private:
  graph::cuda::DeviceArray<T> array_;
};

// The exit status of a test that has no GPU: 77 (skipped), or 1 with HOPCODEC_REQUIRE_CUDA=1; 0
// where there is one.
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
