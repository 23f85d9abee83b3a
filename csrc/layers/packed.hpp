// A weight matrix in the memory order of the kernels, and its product with strided rows.
#pragma once

#include <cstddef>
#include <vector>

#include "base/memory.hpp"
#include "base/realtime.hpp"
#include "kernels/kernels.hpp"
#include "layers/pool.hpp"

namespace hopcodec::layers {

// `rows` consecutive rows of one stream. Row r reads from a + r * a_step and writes to c + r *
// c_step.
struct RowBlock {
  const float* a;
  std::ptrdiff_t a_step;
  float* c;
  std::ptrdiff_t c_step;
  int rows;
};

// The kernels of one instruction set and the threads that run them.
struct Compute {
  const kernels::KernelTable& kernels;
  Pool& pool;
};

// Memory format of a matrix. kBfloat16 rounds each weight to the nearest bfloat16 (ties to even),
// which halves the bytes that a hop reads. The arithmetic stays float32, so the result has the bits
// of a float32 matrix with rounded weights.
enum class Storage { kFloat32, kBfloat16 };

class Packed {
 public:
  // Copies weight[k * columns + n], k < depth, and bias[n] (null for zeros) into panels; columns
  // are padded with zeros to a multiple of 16. `run` is the shortest tap_length of the windows that
  // the matrix will be multiplied with (0 for the whole depth).
  Packed(const float* weight, const float* bias, std::size_t depth, std::size_t columns,
         Storage storage = Storage::kFloat32, std::size_t run = 0);

  int depth() const { return depth_; }
  int columns() const { return columns_; }

  // c[r, :] = bias + a[r, window] * weight, or c[r, :] += a[r, window] * weight with `resume`.
  // window.taps * window.tap_length must equal depth().
  HOPCODEC_REALTIME void multiply(const Compute& compute, const kernels::Window& window,
                                  const RowBlock* blocks, int n_blocks,
                                  bool resume = false) const noexcept;

  // Returns the matrix as float32 weight[k * columns + n] and the bias, for devices that need
  // another memory order.
  void unpack(std::vector<float>& weight, std::vector<float>& bias) const;

  // Continues a 64-bit hash over the contents. Snapshots are checked against it.
  std::uint64_t hash(std::uint64_t seed) const noexcept;

 private:
  struct Batch;
  HOPCODEC_REALTIME static void run_task(void* context, int index);
  HOPCODEC_REALTIME static void split_rows(Batch& batch, int n_panels, int threads);

  int depth_;
  int columns_;
  std::size_t floats_;
  base::FloatBuffer data_;
  std::vector<kernels::Panel> panels_;
  std::vector<int> first_column_;
};

}  // namespace hopcodec::layers
