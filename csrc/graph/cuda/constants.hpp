// What a session reads and never writes, on its device: the codec's weights, biases and Snake's
// alphas, which it shares with the codec's other sessions, and tables of its own.
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
  // Without `uploads` nothing is shared.
  Constants(int device, cudaStream_t stream, std::shared_ptr<Uploads> uploads,
            kernels::cuda::Precision precision = kernels::cuda::Precision::kFloat32)
      : device_(device),
        stream_(stream),
        precision_(precision),
        uploads_(uploads != nullptr ? std::move(uploads) : std::make_shared<Uploads>()) {}

  kernels::cuda::Matrix matrix(const std::shared_ptr<const layers::Packed>& packed);
  // A layer's, in the session's precision where a tensor core gains anything.
  kernels::cuda::Matrix layer(const std::shared_ptr<const layers::Packed>& packed);
  // An LSTM's input half and recurrent half, its columns in gate_order().
  kernels::cuda::Matrix gates(const std::shared_ptr<const layers::Packed>& input,
                              const std::shared_ptr<const layers::Packed>& recurrent);
  kernels::cuda::Activation activation(const layers::Activation& activation, int channels);
  const float* floats(const std::shared_ptr<const float[]>& host, std::size_t count);
  // The session's own.
  template <class T>
  const T* array(const std::vector<T>& host);

  std::size_t bytes() const { return bytes_; }  // what is shared included

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
