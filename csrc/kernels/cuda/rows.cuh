// Copies a stream's state to the scratch and back, one StatePart per block. This is part of the
// first and the last launch of a step, so that it needs no launch of its own.
#pragma once

#include "kernels/cuda/rows.hpp"

namespace hopcodec::kernels::cuda {

__device__ inline Move move_of(const Moves& m, int lane, int part) {
  return m.table[static_cast<std::size_t>(lane) * static_cast<std::size_t>(m.table_step) +
                 static_cast<std::size_t>(part)];
}

// The slot of a lane. It may be in host memory, which is slow to read, so it is read first. The
// read bypasses the first-level cache, which may hold the value of an earlier step.
__device__ inline int slot_of(const Moves& m, int lane) { return __ldcg(m.slots + lane); }

__device__ inline void open_state(const Moves& m, int part, int lane, int threads) {
  const int slot = slot_of(m, lane);
  const StatePart h = m.state_parts[part];
  const Move move = move_of(m, lane, part);
  if (slot < 0) return;
  const float* from = m.states + static_cast<std::size_t>(slot) * m.state_floats + h.state_at;
  float* to = m.scratch + static_cast<std::size_t>(lane) * m.scratch_step + h.scratch_at +
              static_cast<std::ptrdiff_t>(move.open_to) * h.row_floats;
  const int floats = move.open_rows * h.row_floats;
  for (int i = static_cast<int>(threadIdx.x); i < floats; i += threads) to[i] = from[i];
}

__device__ inline void close_state(const Moves& m, int part, int lane, int slot, int threads) {
  if (slot < 0) return;
  const StatePart h = m.state_parts[part];
  const Move move = move_of(m, lane, part);
  float* to = m.states + static_cast<std::size_t>(slot) * m.state_floats + h.state_at;
  const float* from = m.scratch + static_cast<std::size_t>(lane) * m.scratch_step + h.scratch_at +
                      static_cast<std::ptrdiff_t>(move.close_from) * h.row_floats;
  const int floats = move.close_rows * h.row_floats;
  for (int i = static_cast<int>(threadIdx.x); i < floats; i += threads) to[i] = from[i];
}

}  // namespace hopcodec::kernels::cuda
