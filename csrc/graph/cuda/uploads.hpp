// The constants of a codec in device memory. They are packed and copied when the first session
// needs them, shared by all sessions of the codec, and freed with it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

#include "graph/cuda/device.hpp"

namespace hopcodec::graph::cuda {

// Identifies a constant by the host objects it is made of, and by which of their constants it is.
// The objects are kept alive, so that no other object can get the same address.
struct Origin {
  std::shared_ptr<const void> of;
  std::shared_ptr<const void> with;  // second matrix of an LSTM, or null
  int part;
};

class Uploads {
 public:
  // Returns the device copy of the std::vector that make() returns; it is made once. `stream` must
  // belong to the current device.
  template <class T, class Make>
  const T* get(int device, const Origin& origin, cudaStream_t stream, Make make) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Key key{device, origin.of.get(), origin.with.get(), origin.part};
    auto at = entries_.find(key);
    if (at == entries_.end()) {
      const auto& host = make();
      Entry entry{origin, DeviceArray<std::byte>(host.size() * sizeof(T), stream)};
      upload(host.data(), entry.memory, stream);
      at = entries_.emplace(key, std::move(entry)).first;
    }
    return reinterpret_cast<const T*>(at->second.memory.data());
  }

  std::size_t bytes() const;  // sum over all devices

 private:
  using Key = std::tuple<int, const void*, const void*, int>;
  struct Entry {
    Origin origin;
    DeviceArray<std::byte> memory;
  };

  mutable std::mutex mutex_;
  std::map<Key, Entry> entries_;
};

}  // namespace hopcodec::graph::cuda
