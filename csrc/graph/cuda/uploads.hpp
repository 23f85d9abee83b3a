// A codec's constants in the memory of its devices: packed and copied when the first session asks
// for them, shared by all its sessions, kept as long as the codec.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>

#include "graph/cuda/device.hpp"

namespace hopcodec::graph::cuda {

// What a constant is made of: objects of the host, which are kept so that no other takes their
// place in memory, and which of the things that are made of them this is.
struct Origin {
  std::shared_ptr<const void> of;
  std::shared_ptr<const void> with;  // an LSTM's second matrix, or null
  int part;
};

class Uploads {
 public:
  // The copy on this device of what make() returns, a std::vector; made once. `stream` is one of
  // the current device's.
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

  std::size_t bytes() const;  // on all devices

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
