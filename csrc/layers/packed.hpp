// A weight matrix in the order the kernels read it, and the product of strided rows with it.
#pragma once

#include <cstddef>
#include <vector>

#include "base/memory.hpp"
#include "base/realtime.hpp"
#include "kernels/kernels.hpp"
#include "layers/pool.hpp"

namespace hopcodec::layers {

// `rows` consecutive rows of one stream: row r reads from a + r * a_step, writes c + r * c_step.
struct RowBlock {
  const float* a;
  std::ptrdiff_t a_step;
  float* c;
  std::ptrdiff_t c_step;
  int rows;
};

// Who computes: the kernels of one instruction set, and the threads that share the work.
struct Compute {
  const kernels::KernelTable& kernels;
  Pool& pool;
};

// How a matrix is kept. kBfloat16 rounds each weight to the nearest bfloat16 (ties to even) and
// halves what a hop must read; the arithmetic stays float32, so the result is, bit for bit, that
// of a float32 matrix with the rounded weights.
enum class Storage { kFloat32, kBfloat16 };

class Packed {
 public:
  // weight[k * columns + n] for k < depth, bias[n] (null: zeros). The matrix is copied, panel by
  // panel, columns padded with zeros to a multiple of 16. `run` is the shortest tap_length of the
  // windows it will be multiplied with (0: the whole depth).
  Packed(const float* weight, const float* bias, std::size_t depth, std::size_t columns,
         Storage storage = Storage::kFloat32, std::size_t run = 0);

  int depth() const { return depth_; }
  int columns() const { return columns_; }

  // c[r, :] = bias + a[r, window] * weight, or c[r, :] += without bias when `resume`.
  // window.taps * window.tap_length must be depth().
  HOPCODEC_REALTIME void multiply(const Compute& compute, const kernels::Window& window,
                                  const RowBlock* blocks, int n_blocks,
                                  bool resume = false) const noexcept;

  // The matrix as float32 values, weight[k * columns + n], and the bias: for another device's
  // order.
  void unpack(std::vector<float>& weight, std::vector<float>& bias) const;

  // Folds the contents into a running 64-bit hash: what a snapshot is checked against.
  std::uint64_t hash(std::uint64_t seed) const noexcept;

 private:
  struct Batch;
  HOPCODEC_REALTIME static void run_task(void* context, int index);
  HOPCODEC_REALTIME static void share(Batch& batch, int n_panels, int threads);

  int depth_;
  int columns_;
  std::size_t floats_;
  base::FloatBuffer data_;
  std::vector<kernels::Panel> panels_;
  std::vector<int> first_column_;
};

}  // namespace hopcodec::layers
