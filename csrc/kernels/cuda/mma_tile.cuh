// Tiles for a tensor core in shared memory, and the copies that fill them.
//
// Both operands are stored slice by slice; 16 k of a row are 64 bytes. The eight threads that read
// at the same time read two rows of four times four k, which are on different banks without
// padding. Activations stay float32 until a thread loads them. Weights were rounded when they were
// packed.
#pragma once

#include "kernels/cuda/copies.cuh"
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/operand.cuh"
#include "kernels/cuda/shared_memory.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kTileSlices = 2;
inline constexpr int kStageDepth = kTileSlices * kSlice;  // divides kChainTerms
inline constexpr int kStages = 3;                         // one in use, two in flight

// Rows and columns of a block and of a warp.
template <class F, int kBlockRows, int kBlockColumns, int kWarpRows, int kWarpColumns>
struct MmaShape {
  using Format = F;
  static constexpr int kRows = kBlockRows;
  static constexpr int kColumns = kBlockColumns;
  static constexpr int kM = kWarpRows / 16;
  static constexpr int kN = kWarpColumns / kSliceColumns;
  static constexpr int kWarpsAcross = kColumns / kWarpColumns;
  static constexpr int kThreads = 32 * (kRows / kWarpRows) * kWarpsAcross;
  // Pitch of the results: neighbouring rows begin 8 or 24 banks apart.
  static constexpr int kPitch = kColumns + (kColumns % 16 == 0 ? 8 : 0);
  static_assert(kRows % kWarpRows == 0 && kColumns % kWarpColumns == 0);

  struct Stage {
    float x[kTileSlices][kRows][kSlice];
    typename F::Weight w[kColumns / kSliceColumns][kTileSlices][kSliceTerms];
  };
  union Memory {
    Stage stage[kStages];
    float result[kRows][kPitch];  // after the last multiplication
  };
};

// Both fit into the shared memory of every GPU since sm_80.
template <class Format>
using WideTiles = MmaShape<Format, 128, 64, 32, 32>;
template <class Format>
using NarrowTiles = MmaShape<Format, 128, 16, 32, 16>;

// One thread's part of filling the stages, along one source and then the other.
template <class S>
class MmaFeed {
 public:
  // `rows` are the block's rows, in shared memory.
  __device__ MmaFeed(const Product& p, const Row* rows, int first_column)
      : p_(p), rows_(rows), first_panel_(first_column / kSliceColumns) {
    enter(0);
  }

  // Starts the copies of the next stage, if there is one, as a group of their own.
  __device__ void next(typename S::Stage& to) {
    if (source_ < p_.sources) {
      bring_rows(p_.source[source_], to);
      bring_weights(p_.source[source_], to);
      k_ += kStageDepth;
      if (k_ >= p_.source[source_].depth) enter(source_ + 1);
    }
    commit_copies();
  }

 private:
  static constexpr int kFours = kStageDepth / 4;  // groups of four in a row of a stage
  static constexpr int kShare = S::kRows * kFours / S::kThreads;
  static constexpr int kRowStep = S::kThreads / kFours;
  static_assert(S::kRows * kFours % S::kThreads == 0 && S::kThreads % kFours == 0);

  static constexpr int kPieces = kSliceTerms * sizeof(typename S::Format::Weight) / 16;
  static constexpr int kAllPieces = S::kColumns / kSliceColumns * kTileSlices * kPieces;

  __device__ static int thread() { return static_cast<int>(threadIdx.x); }

  __device__ void enter(int source) {
    if (source > 0) first_slice_ += slices_of(p_.source[source - 1].depth);
    source_ = source;
    k_ = 0;
    if (source >= p_.sources) return;
    by_four_ = reads_by_four(p_.source[source]);
#pragma unroll
    for (int i = 0; i < kShare; ++i) {
      const Row& row = rows_[thread() / kFours + i * kRowStep];
      live_[i] = row.live;
      window_[i] = window_at(row, p_.source[source]);
    }
  }

  __device__ void bring_rows(const Source& s, typename S::Stage& to) {
    const int four = thread() % kFours;
    const int k = k_ + four * 4;
    float* first = &to.x[four / 4][thread() / kFours][four % 4 * 4];
    if (by_four_) {
      const bool inside = k < s.depth;
      const int offset = inside ? window_offset(s, k) : 0;
#pragma unroll
      for (int i = 0; i < kShare; ++i) {
        copy16(first + i * kRowStep * kSlice, window_[i] + offset, inside && live_[i]);
      }
      return;
    }
    for (int j = 0; j < 4; ++j) {
      const bool inside = k + j < s.depth;
      const int offset = inside ? window_offset(s, k + j) : 0;
#pragma unroll
      for (int i = 0; i < kShare; ++i) {
        copy4(first + i * kRowStep * kSlice + j, window_[i] + offset, inside && live_[i]);
      }
    }
  }

  __device__ void bring_weights(const Source& s, typename S::Stage& to) {
    const int panels = ceil_div(p_.matrix.columns, kSliceColumns);
    const int slices = slices_of(s.depth);
    const auto* from = static_cast<const char*>(p_.matrix.panels);
#pragma unroll
    for (int i = 0; i < ceil_div(kAllPieces, S::kThreads); ++i) {
      const int at = thread() + i * S::kThreads;
      if (kAllPieces % S::kThreads != 0 && at >= kAllPieces) break;
      const int slice = k_ / kSlice + at / kPieces % kTileSlices;
      const int panel = first_panel_ + at / (kPieces * kTileSlices);
      const bool there = slice < slices && panel < panels;
      const std::size_t piece =
          there ? (static_cast<std::size_t>(panel) * static_cast<std::size_t>(p_.matrix.slices) +
                   static_cast<std::size_t>(first_slice_ + slice)) *
                          kPieces +
                      static_cast<std::size_t>(at % kPieces)
                : 0;
      copy16_once(reinterpret_cast<char*>(to.w) + at * 16, from + piece * 16, there);
    }
  }

  const Product& p_;
  const Row* rows_;
  int first_panel_;
  int source_ = 0;
  int first_slice_ = 0;  // first slice of the source
  int k_ = 0;
  bool by_four_ = false;
  bool live_[kShare];
  const float* window_[kShare];
};

// sum += one stage with `slices` valid slices. (row, column) is the warp's corner of the tile.
template <class S>
__device__ inline void multiply_stage(const typename S::Stage& stage, int slices, int row,
                                      int column, float (&sum)[S::kM][S::kN][4]) {
  using Format = typename S::Format;
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int slice = 0; slice < kTileSlices; ++slice) {
    if (slice >= slices) break;
    typename Format::Rows a[S::kM];
    typename Format::Columns b[S::kN];
#pragma unroll
    for (int m = 0; m < S::kM; ++m) {
      const float* low = &stage.x[slice][row + 16 * m + lane / 4][lane % 4 * 4];
      a[m] = Format::rows(*reinterpret_cast<const float4*>(low),
                          *reinterpret_cast<const float4*>(low + 8 * kSlice));
    }
#pragma unroll
    for (int n = 0; n < S::kN; ++n) {
      b[n] = Format::columns(&stage.w[column / kSliceColumns + n][slice][lane * 4]);
    }
    multiply_slices<Format>(a, b, sum);
  }
}

}  // namespace hopcodec::kernels::cuda
