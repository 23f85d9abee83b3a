// Scores many entries against many vectors. Entries are copied to shared memory slab by slab while
// the previous slab is multiplied, and a thread holds a tile of scores.
#pragma once

#include "kernels/cuda/copies.cuh"
#include "kernels/cuda/rvq.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kTileThreads = 128;
inline constexpr int kTileWarps = kTileThreads / 32;
inline constexpr int kBlockEntries = 128;  // scored at a time
inline constexpr int kSlabTerms = 64;      // of each; divides kChainTerms
inline constexpr int kSlabGroups = kSlabTerms / 4;
// A panel of four entries in a slab. Sixteen floats more than it holds: the eight threads that read
// at once are at two panels, whose places must lie on different banks.
inline constexpr int kPanelPitch = 4 * kSlabTerms + 16;
inline constexpr int kSlabFloats = kBlockEntries / 4 * kPanelPitch;
static_assert(kChainTerms % kSlabTerms == 0);

struct SearchBook {
  const float* weight;  // Matrix::weight
  const float* bias;
};

// The blocks of entries that one thread block scores: first, first + step, ... of every codebook.
struct Share {
  const SearchBook* books;
  int count;
  int size;    // of a codebook
  int groups;  // of four terms of an entry
  int first;
  int step;

  __device__ int blocks() const { return ceil_div(size, kBlockEntries); }
  __device__ int slabs() const { return ceil_div(groups, kSlabGroups); }
  __device__ int groups_in(int slab) const {
    const int left = groups - slab * kSlabGroups;
    return left < kSlabGroups ? left : kSlabGroups;
  }
};

// A ring of slabs in shared memory: one in use, the others on their way. Entries do not depend on
// what is searched for, so the ring runs ahead over the codebooks' ends.
//
// The copies are begun by all threads, or, with kCarrier, by one more warp that does nothing else:
// with few vectors to score, beginning copies takes about as long as the arithmetic.
template <int kStages, bool kCarrier>
class EntrySupply {
 public:
  static constexpr int kThreads = kTileThreads + (kCarrier ? 32 : 0);

  __device__ EntrySupply(const Share& share, float* ring) : share_(share), ring_(ring) {
    book_ = share.first < share.blocks() ? 0 : share.count;
    block_ = share.first;
#pragma unroll 1
    for (int i = 0; i + 1 < kStages; ++i) begin();
  }

  // The next slab. All threads; what they wrote to shared memory before is seen after.
  __device__ const float* next() {
    await_copies<kStages - 2>();
    __syncthreads();
    begin();  // into the slab before this one, which everyone has left behind
    const float* slab = ring_ + reading_ * kSlabFloats;
    reading_ = reading_ + 1 < kStages ? reading_ + 1 : 0;
    return slab;
  }

 private:
  static constexpr int kPieces = kSlabTerms;  // of sixteen bytes, in a panel of a slab
  static constexpr int kPanels = kBlockEntries / 4;
  static constexpr int kSide = 8;  // pieces side by side: 128 bytes at a time
  static constexpr int kFirstThread = kCarrier ? kTileThreads : 0;
  static constexpr int kPanelStep = (kThreads - kFirstThread) / kSide;
  static_assert(kPieces % kSide == 0 && kPanels % kPanelStep == 0);

  __device__ void begin() {
    if (book_ < share_.count && static_cast<int>(threadIdx.x) >= kFirstThread) {
      bring();
      advance();
    }
    commit_copies();
  }

  __device__ void bring() {
    const int thread = static_cast<int>(threadIdx.x) - kFirstThread;
    const int piece = thread % kSide;
    const int pieces = share_.groups_in(slab_) * 4;
    const float* slab = share_.books[book_].weight + slab_ * kSlabGroups * 16 + piece * 4;
    float* to = ring_ + writing_ * kSlabFloats + piece * 4;
#pragma unroll 2
    for (int i = 0; i < kPanels; i += kPanelStep) {
      const int panel = i + thread / kSide;
      const int n = block_ * kPanels + panel;
      if (n * 4 >= share_.size) break;
      const float* from = slab + packed_at(share_.groups, 0, 0, n * 4);
      if (pieces == kPieces) {
#pragma unroll
        for (int j = 0; j < kPieces; j += kSide) {
          copy16_once(to + panel * kPanelPitch + j * 4, from + j * 4, true);
        }
      } else {
        for (int j = 0; j + piece < pieces; j += kSide) {
          copy16_once(to + panel * kPanelPitch + j * 4, from + j * 4, true);
        }
      }
    }
  }

  __device__ void advance() {
    writing_ = writing_ + 1 < kStages ? writing_ + 1 : 0;
    if (++slab_ < share_.slabs()) return;
    slab_ = 0;
    block_ += share_.step;
    if (block_ < share_.blocks()) return;
    block_ = share_.first;
    ++book_;
  }

  const Share& share_;
  float* ring_;
  int book_;
  int block_;
  int slab_ = 0;
  int writing_ = 0;
  int reading_ = 0;
};

// A warp scores 32 * kAcross entries, lane by lane, against kDown vectors. The largest tile has no
// registers for both a chain and the chains before it: it is for entries of one.
template <int kAcross, int kDown>
struct ScoreTile {
  static constexpr int kAlong = kTileWarps / kAcross;  // warps side by side over a block's entries
  static constexpr int kFrames = kAcross * kDown;      // of a thread block
  static constexpr bool kOneChain = kAcross * kDown > 32;
  using Sums = float[kDown][kAcross];
  static_assert(kTileWarps % kAcross == 0 && kAlong * kAcross * 32 == kBlockEntries);

  __device__ static int warp() { return static_cast<int>(threadIdx.x) / 32; }
  // Of the warps that score. Others come along for the barriers.
  __device__ static bool scores() { return warp() < kTileWarps; }
  __device__ static int lane() { return static_cast<int>(threadIdx.x) % 32; }
  __device__ static int along() { return warp() % kAlong; }
  __device__ static int first_frame() { return warp() / kAlong * kDown; }
  // The thread's entry i of a block.
  __device__ static int entry(int i) { return (along() * kAcross + i) * 32 + lane(); }

  // sum += query . entries over the groups of a slab, terms in order.
  __device__ static void multiply(const float* slab, const float* query, int pitch, int groups,
                                  Sums& sum) {
    [[maybe_unused]] constexpr int kUnroll = kAcross * kDown > 16  ? 2
                                             : kAcross * kDown > 1 ? 4
                                                                   : kSlabGroups;
    const float* mine = slab + entry(0) / 4 * kPanelPitch + entry(0) % 4 * 4;
#pragma unroll kUnroll
    for (int g = 0; g < groups; ++g) {
      float4 w[kAcross];
#pragma unroll
      for (int i = 0; i < kAcross; ++i) {
        w[i] = *reinterpret_cast<const float4*>(mine + i * (32 / 4 * kPanelPitch) + g * 16);
      }
#pragma unroll
      for (int f = 0; f < kDown; ++f) {
        const float4 x = *reinterpret_cast<const float4*>(query + f * pitch + g * 4);
#pragma unroll
        for (int i = 0; i < kAcross; ++i) sum[f][i] = fma(x.x, w[i].x, sum[f][i]);
#pragma unroll
        for (int i = 0; i < kAcross; ++i) sum[f][i] = fma(x.y, w[i].y, sum[f][i]);
#pragma unroll
        for (int i = 0; i < kAcross; ++i) sum[f][i] = fma(x.z, w[i].z, sum[f][i]);
#pragma unroll
        for (int i = 0; i < kAcross; ++i) sum[f][i] = fma(x.w, w[i].w, sum[f][i]);
      }
    }
  }

  // The better of `best` and this block's entries, for each of the warp's vectors in `query`.
  template <class F>
  __device__ static void search(F& feed, const Share& share, const float* bias, int block,
                                const float* query, int pitch, Best (&best)[kDown]) {
    const int first = block * kBlockEntries;
    Sums total;
#pragma unroll
    for (int i = 0; i < kAcross; ++i) {
      const int n = first + entry(i);
      const float start = n < share.size ? __ldg(bias + n) : 0.0F;
#pragma unroll
      for (int f = 0; f < kDown; ++f) total[f][i] = start;
    }
    Sums sum = {};
    for (int s = 0; s < share.slabs(); ++s) {
      const float* slab = feed.next();
      if (!scores()) continue;
      multiply(slab, query + first_frame() * pitch + s * kSlabTerms, pitch, share.groups_in(s),
               sum);
      if (!kOneChain && (s + 1) * kSlabTerms % kChainTerms == 0) end_chain(total, sum);
    }
    if (kOneChain || share.slabs() * kSlabTerms % kChainTerms != 0) end_chain(total, sum);
#pragma unroll
    for (int i = 0; i < kAcross; ++i) {
      const int n = first + entry(i);
      // Entries in order, so that the first of equals stays.
#pragma unroll
      for (int f = 0; f < kDown; ++f) {
        if (n < share.size && total[f][i] > best[f].score) best[f] = {total[f][i], n};
      }
    }
  }

 private:
  __device__ static void end_chain(Sums& total, Sums& sum) {
#pragma unroll
    for (int f = 0; f < kDown; ++f) {
#pragma unroll
      for (int i = 0; i < kAcross; ++i) {
        total[f][i] = add(total[f][i], sum[f][i]);
        sum[f][i] = 0.0F;
      }
    }
  }
};

}  // namespace hopcodec::kernels::cuda
