// Owning wrappers of CUDA objects. The error of every call becomes one exception that names the
// operation.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace hopcodec::graph::cuda {

class DeviceError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws DeviceError("cuda: <what>: <message of the runtime>") unless `error` is cudaSuccess.
void check(cudaError_t error, const char* what);

// Checks device `ordinal` and makes it the current device of this thread. Throws DeviceError if
// there is no such device, no driver, or a device older than the kernels were built for.
class Device {
 public:
  explicit Device(int ordinal);
  int ordinal() const { return ordinal_; }

 private:
  int ordinal_;
};

// Zeroed device memory for `count` elements.
template <class T>
class DeviceArray {
 public:
  DeviceArray() = default;
  explicit DeviceArray(std::size_t count, cudaStream_t stream) : count_(count) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes() == 0 ? 1 : bytes()), "allocate device memory");
    memory_.reset(static_cast<T*>(memory));
    check(cudaMemsetAsync(memory, 0, bytes(), stream), "clear device memory");
  }
  T* data() const { return memory_.get(); }
  std::size_t count() const { return count_; }
  std::size_t bytes() const { return count_ * sizeof(T); }

 private:
  struct Free {
    void operator()(T* p) const noexcept { cudaFree(p); }
  };
  std::unique_ptr<T, Free> memory_;
  std::size_t count_ = 0;
};

// Copies from host memory, which may be freed after the call.
void upload(const void* host, const DeviceArray<std::byte>& to, cudaStream_t stream);

// Page-locked host memory, which the device can copy while the host continues.
class PinnedBytes {
 public:
  PinnedBytes() = default;
  explicit PinnedBytes(std::size_t bytes) {
    void* memory = nullptr;
    check(cudaHostAlloc(&memory, bytes == 0 ? 1 : bytes, cudaHostAllocDefault),
          "allocate pinned memory");
    memory_.reset(static_cast<std::byte*>(memory));
  }
  std::byte* data() const { return memory_.get(); }
  template <class T>
  T* at(std::size_t offset) const {
    return reinterpret_cast<T*>(memory_.get() + offset);
  }

 private:
  struct Free {
    void operator()(std::byte* p) const noexcept { cudaFreeHost(p); }
  };
  std::unique_ptr<std::byte, Free> memory_;
};

template <class Handle, cudaError_t (*kDestroy)(Handle)>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle handle) : handle_(handle) {}
  Handle get() const { return handle_.get(); }

 private:
  struct Destroy {
    using pointer = Handle;
    void operator()(Handle h) const noexcept { kDestroy(h); }
  };
  std::unique_ptr<std::remove_pointer_t<Handle>, Destroy> handle_;
};

using Stream = Owned<cudaStream_t, cudaStreamDestroy>;
using Event = Owned<cudaEvent_t, cudaEventDestroy>;
using Graph = Owned<cudaGraphExec_t, cudaGraphExecDestroy>;

Stream make_stream();
Event make_event();

// Captures the work that `enqueue` puts into `stream` as a graph that can be launched repeatedly.
Graph capture(cudaStream_t stream, const std::function<void()>& enqueue);

}  // namespace hopcodec::graph::cuda
