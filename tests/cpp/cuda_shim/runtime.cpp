#include <cstdlib>
#include <cstring>
#include <map>

#include "cuda_runtime.h"

namespace hopcodec::shim {

struct Graph {
  std::vector<Work> nodes;
  int owners = 1;  // the graph and its instances
};

struct Stream {
  std::vector<Work> queue;
  std::size_t finished = 0;  // number of pieces of work so far
  Graph* capture = nullptr;

  void run(std::size_t until) {
    while (finished < until) {
      const Work work = std::move(queue.front());
      queue.erase(queue.begin());
      ++finished;
      work();
    }
  }
  std::size_t end() const { return finished + queue.size(); }
};

struct Event {
  Stream* stream = nullptr;
  std::size_t position = 0;  // pieces of the stream's work that it waits for
};

Calls& calls() {
  static Calls calls;
  return calls;
}

OwnWork& own_work() {
  static OwnWork told = nullptr;
  return told;
}

Machine& machine() {
  static Machine machine;
  return machine;
}

std::size_t& shared_limit(const void* kernel) {
  static std::map<const void*, std::size_t> limits;
  return limits.try_emplace(kernel, 40 * 1024).first->second;
}

namespace {

std::map<void*, std::size_t>& blocks() {
  static std::map<void*, std::size_t> blocks;
  return blocks;
}

cudaError_t allocate(void** memory, std::size_t bytes) {
  std::size_t used = 0;
  for (const auto& [block, size] : blocks()) used += size;
  if (machine().memory_bytes != 0 && used + bytes > machine().memory_bytes) {
    return cudaErrorMemoryAllocation;
  }
  ++calls().allocations;
  // Exactly the requested size, unlike aligned_alloc, so that AddressSanitizer detects accesses
  // behind the end.
  if (posix_memalign(memory, 256, bytes) != 0) return cudaErrorMemoryAllocation;
  // New memory is filled with NaN.
  std::memset(*memory, 0xff, bytes);
  blocks()[*memory] = bytes;
  return cudaSuccess;
}

cudaError_t release(void* memory) {
  blocks().erase(memory);
  std::free(memory);
  return cudaSuccess;
}

cudaError_t drain(Stream* stream) {
  ++calls().waits;
  if (stream->capture != nullptr) return cudaErrorStreamCaptureUnsupported;
  stream->run(stream->end());
  return cudaSuccess;
}

}  // namespace

cudaError_t enqueue(Stream* stream, Work work) {
  // The default stream, under both of its names. It executes at once, because callers need not wait
  // for it.
  if (stream == nullptr || stream == cudaStreamLegacy) {
    ++calls().launches;
    work();
    return cudaSuccess;
  }
  if (stream->capture != nullptr) {
    stream->capture->nodes.push_back(std::move(work));
  } else {
    ++calls().launches;
    stream->queue.push_back(std::move(work));
  }
  return cudaSuccess;
}

}  // namespace hopcodec::shim

using namespace hopcodec::shim;

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    default:
      return "invalid argument";
  }
}

cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = machine().devices;
  return machine().devices > 0 ? cudaSuccess : cudaErrorNoDevice;
}
cudaError_t cudaSetDevice(int device) {
  return device < machine().devices ? cudaSuccess : cudaErrorInvalidValue;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? machine().capability_major : 0;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** memory, std::size_t bytes) { return allocate(memory, bytes); }
cudaError_t cudaFree(void* memory) { return release(memory); }
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  return allocate(memory, bytes);
}
cudaError_t cudaFreeHost(void* memory) { return release(memory); }

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  const Aside aside;
  return enqueue(stream, [=] { std::memcpy(to, from, bytes); });
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
  const Aside aside;
  return enqueue(stream, [=] { std::memset(memory, value, bytes); });
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new Stream;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Aside aside;
  return drain(stream);
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->capture != nullptr) return cudaErrorInvalidValue;
  stream->capture = new Graph;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (stream->capture == nullptr) return cudaErrorInvalidValue;
  *graph = stream->capture;
  stream->capture = nullptr;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  ++graph->owners;
  *exec = graph;
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  const Aside aside;
  ++calls().graph_launches;
  for (const Work& work : exec->nodes) stream->queue.push_back(work);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (--graph->owners == 0) delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return cudaGraphDestroy(exec); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new Event;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  *event = {stream, stream->end()};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Aside aside;
  ++calls().waits;
  if (event->stream != nullptr) event->stream->run(event->position);
  return cudaSuccess;
}
