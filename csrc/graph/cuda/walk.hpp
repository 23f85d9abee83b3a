// Scratch memory of Program::trace: sized once, so that a step allocates nothing.
#pragma once

#include <vector>

#include "graph/cuda/program.hpp"

namespace hopcodec::graph::cuda {

struct Program::Walk {
  std::vector<Passage> edges;
  std::vector<Passage> whole;  // likewise, of a stream that ends
  std::vector<int> inlet_rows;
  std::vector<ConvStep> conv;  // per stage
  std::vector<TransposeStep> transpose;
  std::vector<QueueStep> queue;
};

}  // namespace hopcodec::graph::cuda
