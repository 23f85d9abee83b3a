// A stream's state into the scratch and back, one piece per block: part of the first launch of a
// step and of the last, so that neither costs one of its own.
#pragma once

#include "kernels/cuda/rows.hpp"

namespace hopcodec::kernels::cuda {

__device__ inline Move move_of(const Moves& m, int lane, int hold) {
  return m.table[static_cast<std::size_t>(lane) * static_cast<std::size_t>(m.table_step) +
                 static_cast<std::size_t>(hold)];
}

// Who sits in a lane. Perhaps in the host's memory, a long way off: asked for before anything else,
// and past a cache that may hold what stood there a step ago.
__device__ inline int slot_of(const Moves& m, int lane) { return __ldcg(m.slots + lane); }

__device__ inline void open_state(const Moves& m, int hold, int lane, int threads) {
  const int slot = slot_of(m, lane);
  const Hold h = m.holds[hold];
  const Move move = move_of(m, lane, hold);
  if (slot < 0) return;
  const float* from = m.states + static_cast<std::size_t>(slot) * m.state_floats + h.state_at;
  float* to = m.scratch + static_cast<std::size_t>(lane) * m.scratch_step + h.scratch_at +
              static_cast<std::ptrdiff_t>(move.open_to) * h.row_floats;
  const int floats = move.open_rows * h.row_floats;
  for (int i = static_cast<int>(threadIdx.x); i < floats; i += threads) to[i] = from[i];
}

__device__ inline void close_state(const Moves& m, int hold, int lane, int slot, int threads) {
  if (slot < 0) return;
  const Hold h = m.holds[hold];
  const Move move = move_of(m, lane, hold);
  float* to = m.states + static_cast<std::size_t>(slot) * m.state_floats + h.state_at;
  const float* from = m.scratch + static_cast<std::size_t>(lane) * m.scratch_step + h.scratch_at +
                      static_cast<std::ptrdiff_t>(move.close_from) * h.row_floats;
  const int floats = move.close_rows * h.row_floats;
  for (int i = static_cast<int>(threadIdx.x); i < floats; i += threads) to[i] = from[i];
}

}  // namespace hopcodec::kernels::cuda
