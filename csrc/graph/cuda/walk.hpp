// Scratch memory of Program::trace: sized once, so that a step allocates nothing.
#pragma once

#include <vector>

#include "graph/cuda/program.hpp"

namespace hopcodec::graph::cuda {

struct Program::Walk {
  std::vector<Passage> edges;
  std::vector<int> inlet_rows;
  std::vector<layers::Conv1d::Header> conv;  // per stage
  std::vector<layers::ConvTranspose1d::Header> transpose;
  std::vector<layers::Residual::Header> queue;
};

}  // namespace hopcodec::graph::cuda
