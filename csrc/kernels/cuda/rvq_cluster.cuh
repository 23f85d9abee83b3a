// The whole search in one launch. A cluster of blocks holds the residuals of its frames, and each
// block scores a part of every codebook's entries. The blocks write their best candidates to each
// other's shared memory; then every block knows the winner and subtracts it from its own copy.
#pragma once

#include "kernels/cuda/cluster.cuh"
#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/rvq_tile.cuh"
#include "kernels/cuda/shared_memory.cuh"

namespace hopcodec::kernels::cuda {

inline constexpr int kMostRanks = 8;   // blocks of a cluster on any device that has them
inline constexpr int kMostBooks = 32;  // that fit a launch's parameters

struct ClusterSearch {
  Frames frames;
  SearchBook books[kMostBooks];
  std::int32_t size;
  std::int32_t groups;
  std::int32_t ranks;
  std::int32_t first;  // of these books
  std::int32_t count;
  std::int32_t n_q;
  std::int32_t total;     // frames of all lanes
  const float* residual;  // what the books before left; null: the latents
  float* after;           // what these leave; null: nobody asks
  std::uint16_t* codes;
};

// A candidate as two numbers, compared in order, of which the greater wins: its score, and the
// complement of its index, because the lowest index wins ties.
using Key = uint2;

// Maps floats to unsigned integers of the same order. Zeros of both signs are equal.
__device__ inline unsigned order_of(float x) {
  const unsigned bits = __float_as_uint(add(x, 0.0F));
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000U;
}

// The greatest key of a warp.
__device__ inline Key greatest(const Key& mine) {
  const unsigned score = __reduce_max_sync(~0U, mine.x);
  return {score, __reduce_max_sync(~0U, mine.x == score ? mine.y : 0U)};
}

template <int kAcross, int kDown, int kRing>
struct ClusterSearcher {
  using Tile = ScoreTile<kAcross, kDown>;
  static constexpr int kStages = kRing;
  using Supply = cuda::EntrySupply<kStages, (kAcross == 1)>;
  static constexpr int kFrames = Tile::kFrames;
  static constexpr int kSlots = kMostRanks * Tile::kAlong;  // candidates of a frame
  static constexpr int kFrameShare = (kFrames + kTileWarps - 1) / kTileWarps;  // of a warp
  static_assert(kSlots <= 32, "a warp settles a frame");
  static_assert(kFrames == 1 || kFrames % kTileWarps == 0);

  static std::size_t bytes(int groups) {
    return (kStages * kSlabFloats + static_cast<std::size_t>(kFrames * groups) * 4) *
               sizeof(float) +
           2 * kFrames * kSlots * sizeof(Key);
  }

  const ClusterSearch& s;
  int pitch;  // of a residual
  int rank;
  int first_frame;
  float* residual;  // kFrames of them
  Key* candidates;  // of two codebooks by turns, because a block may be one ahead of another

  __device__ explicit ClusterSearcher(const ClusterSearch& search)
      : s(search),
        pitch(search.groups * 4),
        rank(cluster_rank()),
        first_frame(static_cast<int>(blockIdx.x) / search.ranks * kFrames),
        residual(&shared_memory<float>() + kStages * kSlabFloats),
        candidates(reinterpret_cast<Key*>(residual + kFrames * pitch)) {}

  // The frames, once there are any. Terms beyond the last are zeros, as the entries'.
  __device__ void load() {
    const auto dim = static_cast<std::size_t>(s.frames.dim);
#pragma unroll 1
    for (int f = Tile::warp(); Tile::scores() && f < kFrames; f += kTileWarps) {
      const Row row = locate(s.frames.lanes, first_frame + f, 0);
      const float* from =
          s.residual != nullptr
              ? s.residual + static_cast<std::size_t>(first_frame + f) * dim
              : row.scratch + s.frames.latents_at + static_cast<std::size_t>(row.t) * dim;
      float* to = residual + f * pitch;
#pragma unroll 1
      for (int d = Tile::lane(); d < pitch; d += 32) {
        if (row.live && d < s.frames.dim) {
          copy4(to + d, from + d, true);
        } else {
          to[d] = 0.0F;
        }
      }
    }
    if (!Tile::scores()) return;  // the warp that brings entries has those to wait for, in turn
    commit_copies();
    await_copies<0>();
  }

  // Tells every block of the cluster what this warp found.
  __device__ void publish(const Best (&best)[kDown], Key* to) {
#pragma unroll
    for (int f = 0; f < kDown; ++f) {
      const Key key = greatest({order_of(best[f].score), ~static_cast<unsigned>(best[f].index)});
      const int slot = (Tile::first_frame() + f) * kSlots + rank * Tile::kAlong + Tile::along();
      if (Tile::lane() < s.ranks) *at_rank(to + slot, Tile::lane()) = key;
    }
  }

  // The winner of one of this warp's frames, whose code it notes.
  __device__ int winner_of(const Key* from, int book, int f) {
    Key key = {0, 0};  // less than any candidate
    if (Tile::lane() < s.ranks * Tile::kAlong) key = from[f * kSlots + Tile::lane()];
    const int winner = static_cast<int>(~greatest(key).y);
    if (rank == 0 && Tile::lane() == 0 && first_frame + f < s.total) {
      s.codes[(first_frame + f) * s.n_q + s.first + book] = static_cast<std::uint16_t>(winner);
    }
    return winner;
  }

  // This warp's frames: their codes, and what they leave of the residuals. Several at a time, for
  // the way to an entry is long.
  __device__ void settle(const Key* from, int book, bool goes_on) {
    constexpr int kTogether = kFrameShare < 8 ? kFrameShare : 8;
#pragma unroll 1
    for (int first = Tile::warp(); first < kFrames; first += kTogether * kTileWarps) {
      int winner[kTogether];
#pragma unroll
      for (int i = 0; i < kTogether; ++i) winner[i] = winner_of(from, book, first + i * kTileWarps);
      for (int g = Tile::lane(); goes_on && g < s.groups; g += 32) {
        float4 entry[kTogether];
#pragma unroll
        for (int i = 0; i < kTogether; ++i) {
          entry[i] = __ldg(reinterpret_cast<const float4*>(
              s.books[book].weight + packed_at(s.groups, 0, g * 4, winner[i])));
        }
#pragma unroll
        for (int i = 0; i < kTogether; ++i) {
          float4* x =
              reinterpret_cast<float4*>(residual + (first + i * kTileWarps) * pitch + g * 4);
          *x = {sub(x->x, entry[i].x), sub(x->y, entry[i].y), sub(x->z, entry[i].z),
                sub(x->w, entry[i].w)};
        }
      }
    }
  }

  __device__ void store() {
    for (int f = Tile::warp(); f < kFrames && first_frame + f < s.total; f += kTileWarps) {
      float* to = s.after + static_cast<std::size_t>(first_frame + f) *
                                static_cast<std::size_t>(s.frames.dim);
#pragma unroll 1
      for (int d = Tile::lane(); d < s.frames.dim; d += 32) to[d] = residual[f * pitch + d];
    }
  }

  __device__ void run() {
    cluster_arrive();
    let_next_begin(s.frames.lanes.overlaps);
    const Share share{s.books, s.count, s.size, s.groups, rank, s.ranks};
    Supply feed(share, &shared_memory<float>());  // entries are constants
    await_previous();
    load();
    // Where there is nothing to score, nobody else waits for the residuals.
    if (rank >= share.blocks()) __syncthreads();
    for (int q = 0; q < s.count; ++q) {
      Best best[kDown];
#pragma unroll
      for (int f = 0; f < kDown; ++f) best[f] = no_candidate();
      for (int block = rank; block < share.blocks(); block += s.ranks) {
        Tile::search(feed, share, s.books[q].bias, block, residual, pitch, best);
      }
      Key* turn = candidates + q % 2 * kFrames * kSlots;
      if (q == 0) cluster_wait();  // until every block has begun
      if (Tile::scores()) publish(best, turn);
      cluster_arrive();
      cluster_wait();
      if (Tile::scores()) settle(turn, q, q + 1 < s.count || s.after != nullptr);
    }
    if (s.after != nullptr && rank == 0 && Tile::scores()) store();
  }
};

template <int kAcross, int kDown, int kRing>
__global__ void __launch_bounds__(ClusterSearcher<kAcross, kDown, kRing>::Supply::kThreads,
                                  kRing > 3 ? 1 : 2)
    search_in_clusters(const __grid_constant__ ClusterSearch s) {
  ClusterSearcher<kAcross, kDown, kRing>(s).run();
}

// Of a block, which the rings of slabs are made for.
inline constexpr int kClusterSharedBytes = 227 * 1024;

// Blocks that share the entries of a codebook, a power of two.
inline int ranks_of(int size) {
  int ranks = 1;
  while (ranks < kMostRanks && ranks * kBlockEntries < size) ranks *= 2;
  return ranks;
}

template <int kAcross, int kDown, int kStages>
cudaError_t launch_clusters(const ClusterSearch& search, cudaStream_t stream) {
  using Searcher = ClusterSearcher<kAcross, kDown, kStages>;
  const auto kernel = search_in_clusters<kAcross, kDown, kStages>;
  const std::size_t bytes = Searcher::bytes(search.groups);
  // Not `bytes`: the limit is the function's, in all sessions of the process.
  const cudaError_t error = cudaFuncSetAttribute(
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kClusterSharedBytes);
  if (error != cudaSuccess) return error;
  cudaLaunchAttribute attributes[2]{};
  attributes[0].id = cudaLaunchAttributeClusterDimension;
  attributes[0].val.clusterDim.x = static_cast<unsigned>(search.ranks);
  attributes[0].val.clusterDim.y = 1;
  attributes[0].val.clusterDim.z = 1;
  attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[1].val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim =
      dim3(static_cast<unsigned>(ceil_div(search.total, Searcher::kFrames) * search.ranks));
  config.blockDim = dim3(Searcher::Supply::kThreads);
  config.dynamicSmemBytes = bytes;
  config.stream = stream;
  config.attrs = attributes;
  config.numAttrs = search.frames.lanes.overlaps ? 2 : 1;
  return cudaLaunchKernelEx(&config, kernel, search);
}

// A device of 132 processors runs 16 clusters with one block per processor, or 32 with two. The
// number of frames per cluster is chosen so that all clusters run at once if possible: more frames
// share a read of the entries, fewer finish sooner. A cluster with few frames has shared memory to
// prefetch two whole codebooks.
inline cudaError_t launch_clusters(const ClusterSearch& search, cudaStream_t stream) {
  constexpr int kClusters = 16;
  if (search.total <= kClusters / 4) return launch_clusters<1, 1, 6>(search, stream);
  if (search.total <= kClusters * 4) return launch_clusters<1, 4, 3>(search, stream);
  if (search.total <= kClusters * 8) return launch_clusters<1, 8, 3>(search, stream);
  if (search.total <= kClusters * 16) return launch_clusters<2, 8, 2>(search, stream);
  const bool one_chain = search.groups * 4 <= kChainTerms;
  if (search.total <= kClusters * 32 || !one_chain) return launch_clusters<4, 8, 2>(search, stream);
  return launch_clusters<4, 16, 2>(search, stream);
}

inline cudaError_t in_clusters(const RvqEncode& e, int count, cudaStream_t stream) {
  for (int first = 0; first < e.n_q; first += kMostBooks) {
    const int books = e.n_q - first < kMostBooks ? e.n_q - first : kMostBooks;
    const bool last = first + books == e.n_q;
    ClusterSearch search{e.frames,
                         {},
                         e.size,
                         groups_of(e.frames.dim),
                         ranks_of(e.size),
                         first,
                         books,
                         e.n_q,
                         count,
                         first > 0 ? e.residual : nullptr,
                         last ? nullptr : e.residual,
                         e.codes};
    for (int q = 0; q < books; ++q) {
      search.books[q] = {e.books[first + q].search.weight, e.books[first + q].search.bias};
    }
    const cudaError_t error = launch_clusters(search, stream);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

}  // namespace hopcodec::kernels::cuda
