// Temporary memory of Program::trace, allocated once so that a step allocates nothing.
#pragma once

#include <vector>

#include "graph/cuda/program.hpp"

namespace hopcodec::graph::cuda {

struct Program::TraceMemory {
  std::vector<Passage> edges;
  std::vector<Passage> whole;  // the same for a stream that ends
  std::vector<int> inlet_rows;
  std::vector<ConvStep> conv;  // for each node
  std::vector<TransposeStep> transpose;
  std::vector<QueueStep> queue;
};

}  // namespace hopcodec::graph::cuda
