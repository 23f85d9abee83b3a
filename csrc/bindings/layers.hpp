// Builders for the layers and the quantiser of a codec. Python describes every codec with them.
#pragma once

#include <vector>

#include "layers/chain.hpp"
#include "layers/rvq.hpp"

namespace hopcodec::graph::cuda {
class Uploads;
}

namespace hopcodec::bindings {

struct LayerList {
  std::vector<layers::LayerWeights> layers;
  layers::Storage storage = layers::Storage::kFloat32;
  std::uint64_t hash = 0;
};

struct Quantizer {
  layers::RvqWeights weights;
  std::uint64_t hash = 0;
  // Constants on the GPU that all sessions of the codec share. They are here because both
  // directions use the same quantiser.
  std::shared_ptr<graph::cuda::Uploads> uploads;
};

}  // namespace hopcodec::bindings
