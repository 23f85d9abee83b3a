// The read-only data of a session on its device: the codec's weights, biases and Snake alphas,
// shared with the codec's other sessions, and the session's own tables.
#pragma once

#include <memory>
#include <vector>

#include "graph/cuda/uploads.hpp"
#include "kernels/cuda/product.hpp"
#include "layers/activation.hpp"
#include "layers/packed.hpp"

namespace hopcodec::graph::cuda {

class Constants {
 public:
  // If `uploads` is null, nothing is shared with other sessions.
  Constants(int device, cudaStream_t stream, std::shared_ptr<Uploads> uploads,
            kernels::cuda::Precision precision = kernels::cuda::Precision::kFloat32)
      : device_(device),
        stream_(stream),
        precision_(precision),
        uploads_(uploads != nullptr ? std::move(uploads) : std::make_shared<Uploads>()) {}

  kernels::cuda::Matrix matrix(const std::shared_ptr<const layers::Packed>& packed);
  // The matrix of a layer, in the session's precision if a tensor core is worthwhile for it.
  kernels::cuda::Matrix layer(const std::shared_ptr<const layers::Packed>& packed);
  // The input and recurrent matrices of an LSTM, with columns in gate_order().
  kernels::cuda::Matrix gates(const std::shared_ptr<const layers::Packed>& input,
                              const std::shared_ptr<const layers::Packed>& recurrent);
  kernels::cuda::Activation activation(const layers::Activation& activation, int channels);
  const float* floats(const std::shared_ptr<const float[]>& host, std::size_t count);
  // Uploads a table of this session.
  template <class T>
  const T* array(const std::vector<T>& host);

  std::size_t bytes() const { return bytes_; }  // including shared constants

 private:
  using Sources = std::vector<std::shared_ptr<const layers::Packed>>;
  kernels::cuda::Matrix product(const Sources& sources, const std::vector<int>& order);
  kernels::cuda::Matrix float32(const Sources& sources, const std::vector<int>& order);
  template <class Weight>
  kernels::cuda::Matrix slices(const Sources& sources, const std::vector<int>& order);

  int device_;
  cudaStream_t stream_;
  kernels::cuda::Precision precision_;
  std::shared_ptr<Uploads> uploads_;
  std::vector<DeviceArray<std::byte>> arrays_;
  std::size_t bytes_ = 0;
};

template <class T>
const T* Constants::array(const std::vector<T>& host) {
  DeviceArray<std::byte> memory(host.size() * sizeof(T), stream_);
  upload(host.data(), memory, stream_);
  bytes_ += memory.bytes();
  arrays_.push_back(std::move(memory));
  return reinterpret_cast<const T*>(arrays_.back().data());
}

}  // namespace hopcodec::graph::cuda
