// The product for a few rows, as from a single stream, which is bound by the latency of reading
// weights. All data of a block is copied to shared memory at once, the weights even before the
// previous launch has ended. Then each thread computes one chain.
//
//   thread = (column, chain group, row); partial sums are added in order in shared memory.
#pragma once

#include "kernels/cuda/copies.cuh"
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/shared_memory.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kStagedThreads = 128;
inline constexpr int kStagedRows = 32;
// Of a block. No GPU that there is a kernel for has less.
inline constexpr std::size_t kStagedBytes = 96 * 1024;

struct StagedShape {
  std::int32_t columns;  // a multiple of four
  std::int32_t groups;   // chains at a time
  std::int32_t rows;     // columns * groups * rows <= threads
  std::int32_t slot;     // terms of the longest chain, up to a multiple of four
  std::int32_t across;   // threads side by side over a chain's terms, when rows are copied
  std::int32_t threads;
};

struct StagedPair {
  Product product[2];
  StagedShape shape[2];
};

// Offsets in shared memory, in floats. Four extra terms per chain avoid bank conflicts between
// threads that read a few columns or rows of two chains at the same time.
HOPCODEC_HOST_DEVICE inline int weight_pitch(const StagedShape& s) {
  return (s.slot + 4) * s.columns;
}
HOPCODEC_HOST_DEVICE inline int term_pitch(const StagedShape& s) { return s.slot + 4; }
HOPCODEC_HOST_DEVICE inline int rows_at(const StagedShape& s) { return s.groups * weight_pitch(s); }
HOPCODEC_HOST_DEVICE inline int partial_at(const StagedShape& s) {
  return rows_at(s) + s.rows * s.groups * term_pitch(s);
}
HOPCODEC_HOST_DEVICE inline int staged_floats(const StagedShape& s) {
  return partial_at(s) + s.threads;
}

// Chain number `index` of both sources' list.
struct Chain {
  int source;
  int first_group;  // of the packed weights
  int from;
  int terms;
};

__device__ inline Chain chain_at(const Product& p, int index) {
  const int in_first = chains_of(p.source[0].depth);
  const bool second = index >= in_first;
  const int from = (second ? index - in_first : index) * kChainTerms;
  const int depth = p.source[second ? 1 : 0].depth;
  return {second ? 1 : 0, (second ? groups_of(p.source[0].depth) : 0) + from / 4, from,
          depth - from < kChainTerms ? depth - from : kChainTerms};
}

class StagedProduct {
 public:
  __device__ StagedProduct(const Product& p, const StagedShape& shape, Row* rows)
      : p_(p),
        s_(shape),
        rows_(rows),
        floats_(&shared_memory<float>()),
        first_column_(static_cast<int>(blockIdx.y) * shape.columns),
        chains_(chains_of(p.source[0].depth) + (p.sources > 1 ? chains_of(p.source[1].depth) : 0)),
        column_(thread() % shape.columns),
        group_(thread() / shape.columns % shape.groups),
        row_(thread() / shape.columns / shape.groups),
        first_copied_(thread() / shape.across),
        first_four_(thread() % shape.across) {}

  __device__ int column() const { return first_column_ + column_; }
  // Whether this thread has the whole sum of a column that exists.
  __device__ bool finishes() const {
    return group_ == 0 && row_ < s_.rows && column() < p_.matrix.columns;
  }
  __device__ const Row& row() const { return rows_[row_]; }

  // The sum of this thread's column, complete where it finishes().
  __device__ float total(int step) {
    float total = p_.matrix.bias[column() < p_.matrix.columns ? column() : 0];
    bring_weights(0);
    // The table was copied before any launch of this step, but the first-level cache may still hold
    // the table of an earlier step. Waiting for the previous launch makes it visible.
    if (p_.lanes.table != nullptr) await_previous();
    const int first_row = static_cast<int>(blockIdx.x) * s_.rows;
    if (thread() < s_.rows) rows_[thread()] = locate(p_.lanes, first_row + thread(), step);
    __syncthreads();
    await_previous();
    for (int base = 0; base < chains_; base += s_.groups) {
      if (base > 0) bring_weights(base);
      bring_rows(base);
      commit_copies();
      await_copies<0>();
      __syncthreads();
      const float mine = sum(base);
      if (s_.groups == 1) {
        total = add(total, mine);
      } else {
        total = plus_all(total, mine, base);
      }
    }
    return total;
  }

  // The gates of a unit are four neighbouring threads' totals.
  __device__ void exchange(float total, float (&gate)[4]) {
    float* partial = floats_ + partial_at(s_);
    partial[thread()] = total;
    __syncthreads();
#pragma unroll
    for (int g = 0; g < 4; ++g) gate[g] = partial[thread() / 4 * 4 + g];
  }

 private:
  __device__ static int thread() { return static_cast<int>(threadIdx.x); }

  // A panel of four columns is one run of a chain's weights. Threads are a multiple of four.
  __device__ void bring_weights(int base) {
    const int step = s_.threads / 4 * s_.columns * 4;
    for (int g = 0; g < s_.groups && base + g < chains_; ++g) {
      const Chain chain = chain_at(p_, base + g);
      const int pieces = groups_of(chain.terms) * 4;
      for (int panel = 0; panel < s_.columns / 4; ++panel) {
        if (first_column_ + panel * 4 >= p_.matrix.columns) break;
        const float* from =
            p_.matrix.weight + thread() * 4 +
            packed_at(p_.matrix.groups, chain.first_group, 0, first_column_ + panel * 4);
        float* to = floats_ + g * weight_pitch(s_) + panel * 16 + thread() / 4 * s_.columns * 4 +
                    thread() % 4 * 4;
#pragma unroll 4
        for (int i = thread(); i < pieces; i += s_.threads) {
          copy16(to, from, true);
          to += step;
          from += s_.threads * 4;
        }
      }
    }
  }

  __device__ void bring_rows(int base) {
    for (int g = 0; g < s_.groups && base + g < chains_; ++g) {
      const Chain chain = chain_at(p_, base + g);
      const Source& source = p_.source[chain.source];
      const bool by_four = reads_by_four(source);
      for (int r = first_copied_; r < s_.rows; r += s_.threads / s_.across) {
        if (!rows_[r].live) continue;
        const float* window = window_at(rows_[r], source);
        float* to = floats_ + rows_at(s_) + (r * s_.groups + g) * term_pitch(s_);
        for (int i = first_four_; i < groups_of(chain.terms); i += s_.across) {
          const int k = chain.from + i * 4;
          if (by_four) {
            copy16(to + i * 4, window + window_offset(source, k), true);
            continue;
          }
          for (int j = 0; j < 4; ++j) {
            const bool there = k + j < source.depth;
            copy4(to + i * 4 + j, window + (there ? window_offset(source, k + j) : 0), there);
          }
        }
      }
    }
  }

  // This thread's chain. Beyond its last term both factors are zeros, up to a multiple of four.
  __device__ float sum(int base) {
    if (row_ >= s_.rows || base + group_ >= chains_) return 0.0F;
    const int groups = groups_of(chain_at(p_, base + group_).terms);
    const float* w = floats_ + group_ * weight_pitch(s_) + column_ * 4;
    const float* x = floats_ + rows_at(s_) + (row_ * s_.groups + group_) * term_pitch(s_);
    float sum = 0.0F;
#pragma unroll 8
    for (int i = 0; i < groups; ++i) {
      const float4 a = *reinterpret_cast<const float4*>(x + i * 4);
      const float4 b = *reinterpret_cast<const float4*>(w + i * s_.columns * 4);
      sum = fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
    }
    return sum;
  }

  // total and the chains from `base` on, in order, where it is asked for.
  __device__ float plus_all(float total, float mine, int base) {
    float* partial = floats_ + partial_at(s_);
    partial[thread()] = mine;
    __syncthreads();
    for (int g = 0; group_ == 0 && row_ < s_.rows && g < s_.groups && base + g < chains_; ++g) {
      total = add(total, partial[thread() + g * s_.columns]);
    }
    __syncthreads();
    return total;
  }

  const Product& p_;
  const StagedShape& s_;
  Row* rows_;
  float* floats_;
  int first_column_;
  int chains_;
  int column_;  // of the block
  int group_;
  int row_;
  int first_copied_;  // row, when rows are copied, and four terms of it
  int first_four_;
};

__global__ void __launch_bounds__(kStagedThreads) staged(const StagedPair pair) {
  __shared__ Row rows[kStagedRows];
  let_next_begin(pair.product[0].lanes.overlaps);
  const Product& p = pair.product[blockIdx.z];
  StagedProduct product(p, pair.shape[blockIdx.z], rows);
  const float total = product.total(0);
  if (product.finishes() && product.row().live) finish(p, product.row(), product.column(), total);
}

__global__ void __launch_bounds__(kStagedThreads)
    staged_cell(const Product p, const Cell cell, const StagedShape shape) {
  __shared__ Row rows[kStagedRows];
  let_next_begin(p.lanes.overlaps);
  StagedProduct product(p, shape, rows);
  float gate[4];
  product.exchange(product.total(cell.step), gate);
  if (!product.finishes() || product.column() % 4 != 0 || !product.row().live) return;
  finish_cell(p, cell, product.row(), product.column() / 4, gate);
}

}  // namespace hopcodec::kernels::cuda
