// The builders through which Python describes a codec: the only road from a spec to C++.
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
  // What sessions on a GPU share of the codec whose both directions this quantizer serves.
  std::shared_ptr<graph::cuda::Uploads> uploads;
};

}  // namespace hopcodec::bindings
