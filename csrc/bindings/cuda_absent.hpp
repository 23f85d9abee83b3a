// Stand-ins for the GPU classes in a build without CUDA. They have the same interface, but their
// constructors throw.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "graph/decoder.hpp"
#include "graph/encoder.hpp"

namespace hopcodec::graph::cuda {

class DeviceError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Device {
 public:
  explicit Device(int) {
    throw DeviceError(
        "cuda: expected a build with CUDA (pip install . -C cmake.define.HOPCODEC_CUDA=ON, with "
        "nvcc "
        "12.3 or newer on the PATH), got one without");
  }
};

enum class Precision { kFloat32, kTf32, kBfloat16 };
class Uploads {};

struct Options {
  int streams;
  int max_frames;
  bool zero_start;
  bool whole_hops;
  std::uint64_t fingerprint;
  int device;
  bool graphs;
  std::vector<int> codebooks;
  Precision precision;
  std::shared_ptr<Uploads> uploads;
};

// No object of these classes can exist, so no member is ever called.
class Absent {
 public:
  Absent(const std::vector<layers::LayerWeights>&, const layers::RvqWeights&, int, int,
         const Options& options)
      : device_(options.device) {}
  int streams() const { return 0; }
  int channels() const { return 0; }
  int codebooks() const { return 0; }
  double lookahead_samples() const { return 0.0; }
  std::size_t state_bytes() const { return 0; }
  std::size_t scratch_bytes() const { return 0; }
  std::size_t device_bytes() const { return 0; }
  std::int64_t graph_steps() const { return 0; }
  std::int64_t eager_steps() const { return 0; }
  Status reset(int) { return Status::kOk; }
  std::size_t snapshot_bytes() const { return 0; }
  Status snapshot(int, std::byte*) const { return Status::kOk; }
  Status restore(int, const std::byte*, std::size_t) { return Status::kOk; }

 private:
  Device device_;
};

class Encoder final : public Absent {
 public:
  using Absent::Absent;
  int latent_dim() const { return 0; }
  std::int64_t most_frames(int, std::int64_t, bool) const { return 0; }
  Outcome push(EncodeItem*, int, int) { return {}; }
  Outcome flush(EncodeItem*, int, int) { return {}; }
};

class Decoder final : public Absent {
 public:
  using Absent::Absent;
  std::int64_t most_samples(int, std::int64_t) const { return 0; }
  Outcome push(DecodeItem*, int) { return {}; }
  Outcome flush(DecodeItem*, int) { return {}; }
};

}  // namespace hopcodec::graph::cuda
