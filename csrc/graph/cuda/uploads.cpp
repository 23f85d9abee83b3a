#include "graph/cuda/uploads.hpp"

namespace hopcodec::graph::cuda {

std::size_t Uploads::bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::size_t sum = 0;
  for (const auto& [key, entry] : entries_) sum += entry.memory.bytes();
  return sum;
}

}  // namespace hopcodec::graph::cuda
