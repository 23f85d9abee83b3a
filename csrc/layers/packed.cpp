#include "layers/packed.hpp"

#include <algorithm>
#include <cstring>

namespace hopcodec::layers {
namespace {

constexpr int kBatchRows = 480;  // few enough that their pointers fit on the stack
// Rows of a task, a multiple of the register block on every instruction set. Many rows share one
// read of the weights; a task has fewer when there would be too few tasks to balance the load.
constexpr int kTaskRows = 96;
constexpr int kLeastTaskRows = 24;
constexpr int kTasksPerThread = 6;
// Below this many multiply-adds, a second thread costs more than it saves.
constexpr std::int64_t kWorthSplitting = 48 * 1024;

unsigned bits_of(float x) {
  unsigned bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

// The upper half of x, rounded to nearest, ties to even. A value that would round to infinity is
// truncated.
unsigned to_bfloat16(float x) {
  const unsigned bits = bits_of(x);
  const unsigned half = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
  return (half & 0x7f80U) == 0x7f80U ? bits >> 16 : half;
}

float from_bfloat16(unsigned half) {
  const unsigned bits = half << 16;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

int panel_width(int columns_left) {
  if (columns_left > 32) return 64;
  return columns_left > 16 ? 32 : 16;
}

}  // namespace

Packed::Packed(const float* weight, const float* bias, std::size_t depth, std::size_t columns,
               Storage storage, std::size_t run)
    : depth_(static_cast<int>(depth)), columns_(static_cast<int>(columns)) {
  // A run of odd length cannot be stored in pairs. Its weights are rounded and kept as float32.
  const bool rounded = storage == Storage::kBfloat16;
  const bool paired = rounded && depth % 2 == 0 && run % 2 == 0;
  const std::size_t words = paired ? depth / 2 : depth;
  base::Layout layout;
  std::vector<std::size_t> weight_at;
  std::vector<std::size_t> bias_at;
  for (int column = 0; column < columns_;) {
    // 33 to 48 columns become panels of 32 and 16, because a panel of 64 would be at least a
    // quarter padding.
    const int left = columns_ - column;
    const int width = left > 32 && left <= 48 ? 32 : panel_width(left);
    first_column_.push_back(column);
    weight_at.push_back(layout.take(words * static_cast<std::size_t>(width)));
    bias_at.push_back(layout.take(static_cast<std::size_t>(width)));
    panels_.push_back({.weight = nullptr,
                       .pairs = nullptr,
                       .bias = nullptr,
                       .width = width,
                       .valid = std::min(width, left)});
    column += width;
  }
  floats_ = layout.floats();
  data_ = base::make_floats(floats_);
  for (std::size_t p = 0; p < panels_.size(); ++p) {
    kernels::Panel& panel = panels_[p];
    const auto column = static_cast<std::size_t>(first_column_[p]);
    const auto width = static_cast<std::size_t>(panel.width);
    const auto valid = static_cast<std::size_t>(panel.valid);
    float* packed = data_.get() + weight_at[p];
    for (std::size_t k = 0; k < words; ++k) {
      for (std::size_t n = 0; n < valid; ++n) {
        const float* from = weight + (paired ? 2 * k : k) * columns + column + n;
        float& to = packed[k * width + n];
        if (paired) {
          const unsigned pair = to_bfloat16(from[0]) | to_bfloat16(from[columns]) << 16;
          std::memcpy(&to, &pair, sizeof pair);
        } else {
          to = rounded ? from_bfloat16(to_bfloat16(*from)) : *from;
        }
      }
    }
    float* packed_bias = data_.get() + bias_at[p];
    if (bias != nullptr) std::copy_n(bias + column, valid, packed_bias);
    panel.weight = packed;
    if (paired) panel.pairs = reinterpret_cast<const unsigned*>(packed);
    panel.bias = packed_bias;
  }
}

struct Packed::Batch {
  const Packed* matrix;
  const Compute* compute;
  kernels::Window window;
  bool resume;
  int rows;
  int row_tasks;
  int task_rows;
  const float* a[kBatchRows];
  float* c[kBatchRows];
};

void Packed::run_task(void* context, int index) {
  const Batch& batch = *static_cast<const Batch*>(context);
  const auto p = static_cast<std::size_t>(index / batch.row_tasks);
  const int first = index % batch.row_tasks * batch.task_rows;
  const int rows = std::min(batch.task_rows, batch.rows - first);
  batch.compute->kernels.gemm_panel(batch.matrix->panels_[p], batch.window,
                                    {.a = batch.a + first,
                                     .c = batch.c + first,
                                     .rows = rows,
                                     .column = batch.matrix->first_column_[p]},
                                    batch.resume);
}

void Packed::split_rows(Batch& batch, int n_panels, int threads) {
  batch.task_rows = kTaskRows;
  while (batch.task_rows > kLeastTaskRows &&
         n_panels * (batch.rows / batch.task_rows) < threads * kTasksPerThread) {
    batch.task_rows /= 2;
  }
  batch.row_tasks = (batch.rows + batch.task_rows - 1) / batch.task_rows;
}

void Packed::multiply(const Compute& compute, const kernels::Window& window, const RowBlock* blocks,
                      int n_blocks, bool resume) const noexcept {
  Batch batch;
  batch.matrix = this;
  batch.compute = &compute;
  batch.window = window;
  batch.resume = resume;
  const int n_panels = static_cast<int>(panels_.size());
  int block = 0;
  int row = 0;
  while (block < n_blocks) {
    batch.rows = 0;
    while (block < n_blocks && batch.rows < kBatchRows) {
      const RowBlock& from = blocks[block];
      const int take = std::min(from.rows - row, kBatchRows - batch.rows);
      for (int r = 0; r < take; ++r) {
        batch.a[batch.rows + r] = from.a + (row + r) * from.a_step;
        batch.c[batch.rows + r] = from.c + (row + r) * from.c_step;
      }
      batch.rows += take;
      row += take;
      if (row >= from.rows) {
        ++block;
        row = 0;
      }
    }
    if (batch.rows == 0) return;
    const std::int64_t work = std::int64_t{batch.rows} * depth_ * columns_;
    const bool split = compute.pool.threads() > 1 && work >= kWorthSplitting;
    batch.task_rows = batch.rows;
    batch.row_tasks = 1;
    if (split) {
      split_rows(batch, n_panels, compute.pool.threads());
      compute.pool.run(&run_task, &batch, n_panels * batch.row_tasks);
    } else {
      for (int p = 0; p < n_panels; ++p) run_task(&batch, p);
    }
  }
}

void Packed::unpack(std::vector<float>& weight, std::vector<float>& bias) const {
  const auto columns = static_cast<std::size_t>(columns_);
  weight.assign(static_cast<std::size_t>(depth_) * columns, 0.0F);
  bias.assign(columns, 0.0F);
  for (std::size_t p = 0; p < panels_.size(); ++p) {
    const kernels::Panel& panel = panels_[p];
    const auto width = static_cast<std::size_t>(panel.width);
    for (std::size_t n = 0; n < static_cast<std::size_t>(panel.valid); ++n) {
      const std::size_t column = static_cast<std::size_t>(first_column_[p]) + n;
      bias[column] = panel.bias[n];
      for (std::size_t k = 0; k < static_cast<std::size_t>(depth_); ++k) {
        weight[k * columns + column] =
            panel.pairs == nullptr
                ? panel.weight[k * width + n]
                : from_bfloat16(panel.pairs[k / 2 * width + n] >> (k % 2 == 0 ? 0 : 16) & 0xffffU);
      }
    }
  }
}

std::uint64_t Packed::hash(std::uint64_t seed) const noexcept {
  // A multiply-xor hash over 8-byte words. It is not cryptographic; it only tells models apart.
  std::uint64_t h = seed ^ (static_cast<std::uint64_t>(depth_) << 32 |
                            static_cast<std::uint64_t>(static_cast<unsigned>(columns_)));
  for (std::size_t i = 0; i + 2 <= floats_; i += 2) {
    std::uint64_t word;
    std::memcpy(&word, data_.get() + i, sizeof word);
    h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 29;
  }
  return h;
}

}  // namespace hopcodec::layers
