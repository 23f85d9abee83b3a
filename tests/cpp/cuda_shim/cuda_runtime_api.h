// A stand-in for the part of the CUDA runtime that hopcodec calls, for tests on machines without a
// GPU. The sources of csrc/kernels/cuda and csrc/graph/cuda are compiled against it unchanged.
// Device memory is host memory, so that AddressSanitizer checks every access of a kernel.
//
// Streams are as lazy as the standard allows: work in a stream runs only when a caller waits for
// it. This detects host code that reads a result too early, or reuses a buffer before it has been
// copied.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorStreamCaptureUnsupported = 900,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal };
enum cudaDeviceAttr {
  cudaDevAttrComputeCapabilityMajor,
  cudaDevAttrComputeCapabilityMinor,
  cudaDevAttrMultiProcessorCount,
};
inline constexpr unsigned cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDisableTiming = 2;
inline constexpr unsigned cudaHostAllocDefault = 0;

namespace hopcodec::shim {
using Work = std::function<void()>;
struct Stream;
struct Graph;
struct Event;
// Enqueues work in a stream, or adds it to the graph that is being captured from it.
cudaError_t enqueue(Stream* stream, Work work);
// Counts of calls since the start of the program, for tests.
struct Calls {
  long allocations = 0;
  long waits = 0;
  long launches = 0;  // kernel launches outside graphs
  long graph_launches = 0;
};
Calls& calls();
// Called when work of the stand-in itself, such as queues and kernels, begins and ends, because
// that is not work of the caller. May be null.
using OwnWork = void (*)(bool begins);
OwnWork& own_work();
struct Aside {
  Aside() { tell(true); }
  ~Aside() { tell(false); }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;

 private:
  static void tell(bool begins) {
    if (own_work() != nullptr) own_work()(begins);
  }
};
// Simulates a machine without a GPU, with an older GPU, or with device memory for this many bytes
// (0 is unlimited).
struct Machine {
  int devices = 1;
  int capability_major = 9;
  int shared_bytes = 227 * 1024;  // shared memory of a block
  std::size_t memory_bytes = 0;
};
Machine& machine();
}  // namespace hopcodec::shim

using cudaStream_t = hopcodec::shim::Stream*;
using cudaGraph_t = hopcodec::shim::Graph*;
using cudaGraphExec_t = hopcodec::shim::Graph*;
using cudaEvent_t = hopcodec::shim::Event*;
#define cudaStreamLegacy (reinterpret_cast<cudaStream_t>(1))

const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaMalloc(void** memory, std::size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
