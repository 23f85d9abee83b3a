#include "graph/cuda/device.hpp"

namespace hopcodec::graph::cuda {
namespace {
constexpr int kOldestMajor = 8;  // Ampere, the oldest architecture that the kernels are built for

const char* without_device(cudaError_t error) {
  if (error == cudaSuccess || error == cudaErrorNoDevice) return "no GPU";
  // The runtime reports this also for a missing driver, with a text that suggests an update.
  if (error == cudaErrorInsufficientDriver) return "no driver, or one older than this build's CUDA";
  return cudaGetErrorString(error);
}
}  // namespace

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // clears the error, so that no later call reports it
  throw DeviceError(std::string("cuda: ") + what + ": " + cudaGetErrorString(error));
}

Device::Device(int ordinal) : ordinal_(ordinal) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    cudaGetLastError();
    throw DeviceError(std::string("cuda: expected an NVIDIA GPU and its driver, got ") +
                      without_device(error));
  }
  if (ordinal < 0 || ordinal >= count) {
    throw DeviceError("cuda: expected a device from 0 to " + std::to_string(count - 1) + ", got " +
                      std::to_string(ordinal));
  }
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, ordinal),
        "ask for the compute capability");
  if (major < kOldestMajor) {
    throw DeviceError("cuda: expected compute capability 8.0 or newer, got " +
                      std::to_string(major) + ".x");
  }
  check(cudaSetDevice(ordinal), "select the device");
}

void upload(const void* host, const DeviceArray<std::byte>& to, cudaStream_t stream) {
  check(cudaMemcpyAsync(to.data(), host, to.bytes(), cudaMemcpyHostToDevice, stream),
        "upload constants");
  check(cudaStreamSynchronize(stream), "upload constants");
}

Stream make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "make a stream");
  return Stream(stream);
}

Event make_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "make an event");
  return Event(event);
}

Graph capture(cudaStream_t stream, const std::function<void()>& enqueue) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "begin a capture");
  cudaGraph_t graph = nullptr;
  try {
    enqueue();
  } catch (...) {
    cudaStreamEndCapture(stream, &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    throw;
  }
  check(cudaStreamEndCapture(stream, &graph), "end a capture");
  cudaGraphExec_t exec = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphDestroy(graph);
  check(error, "instantiate a graph");
  return Graph(exec);
}

}  // namespace hopcodec::graph::cuda
