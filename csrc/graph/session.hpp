// The common part of encoder and decoder sessions: the chain, the streams' states, snapshots.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/isa.hpp"
#include "graph/snapshot.hpp"
#include "layers/chain.hpp"

namespace hopcodec::graph {

struct SessionOptions {
  int streams = 1;
  // Frames per step. Memory depends on it, latency does not. It also bounds the streams of a chain
  // with a group norm.
  int max_frames = 1;
  int threads = 1;
  bool zero_start = false;
  bool whole_hops = false;  // an encoder pads the last hop with zeros before its first layer
  base::Isa isa = base::best_isa();
  std::uint64_t fingerprint = 0;  // of the weights; snapshots of other weights are refused
  layers::PieceSize piece = {};   // affects speed and memory, never the result
};

enum class Status { kOk, kFinished, kBadSample, kBadCode, kBadLatent, kBusy, kNoRoom, kTooLong };

// The outcome of a push. Unless the status is kOk, the push changed nothing.
struct Outcome {
  Status status = Status::kOk;
  int item = 0;               // index of the refused item
  std::int64_t position = 0;  // index of the refused sample or frame
  float value = 0.0F;         // value of the refused sample
};

// Returns `value` if it is 1 to `most`. Otherwise throws std::invalid_argument that names `what`.
int checked(const char* what, int value, int most);

inline constexpr std::int64_t kLongest = std::int64_t{1} << 40;  // samples; two years at 16 kHz
inline constexpr int kMaxStreams = 65536;
inline constexpr int kMaxHop = 65536;
inline constexpr int kMaxFrames = 4096;
inline constexpr int kMaxChannels = 64;
// Larger samples are not audio (full scale is 1). They are refused before they reach the state.
inline constexpr float kMaxSample = 1024.0F;
// Latents are refused beyond this. Sums of codebook entries are a few units large.
inline constexpr float kMaxLatent = 1e6F;
// Limit for chains with a group norm, whose segments are divided by their loudness. The divisor is
// at least 1e-8 (encodec/model.py), and the norm behind the first convolution restores the usual
// range.
inline constexpr float kMaxNormalised = kMaxSample / 1e-8F;

// Whether all are finite and within +-`most`.
bool all_within(const float* values, std::int64_t n, float most) noexcept;

// The largest sample that a chain takes, `whole` with a group norm.
constexpr float most_sample(bool whole) { return whole ? kMaxNormalised : kMaxSample; }

class Session {
 public:
  int streams() const { return options_.streams; }
  int max_frames() const { return options_.max_frames; }
  double lookahead_samples() const { return plan_.lookahead_samples; }
  std::size_t state_bytes() const { return plan_.state.floats() * sizeof(float); }
  std::size_t scratch_bytes() const {
    return plan_.scratch.floats() * sizeof(float) * static_cast<std::size_t>(tile_capacity());
  }

  // Returns kOk, or kBusy while another thread uses the session.
  HOPCODEC_REALTIME Status reset(int stream) noexcept;

  std::size_t snapshot_bytes() const;
  Status snapshot(int stream, std::byte* to) const noexcept;
  // Throws SnapshotError and leaves the stream unchanged if the snapshot is not valid.
  Status restore(int stream, const std::byte* from, std::size_t bytes);

 protected:
  // Reserves `own_state` floats of each state for the derived session. `channels` and `max_rows`
  // describe the rows that it passes to the chain.
  Session(const std::vector<layers::LayerWeights>& weights, const SessionOptions& options,
          int channels, int max_rows, std::size_t own_state);
  virtual ~Session() = default;

  int tile_capacity() const {
    return options_.streams < layers::kTile ? options_.streams : layers::kTile;
  }
  void start(int stream) noexcept;
  // Like Layer::valid, for the whole state. The chain's part of a finished stream is never read
  // again, so it needs no check.
  virtual bool valid(const float* state) const noexcept = 0;
  float* state(int stream) const noexcept {
    return states_.get() + static_cast<std::size_t>(stream) * plan_.state.floats();
  }
  float* scratch(int lane) const noexcept {
    return scratch_.get() + static_cast<std::size_t>(lane) * plan_.scratch.floats();
  }
  HOPCODEC_REALTIME layers::Tile tile(const int* streams, int count, bool last) const noexcept;

  // Marks the session as in use. A second thread that enters meanwhile gets ours() == false.
  class Use {
   public:
    explicit Use(std::atomic<bool>& busy) noexcept : busy_(busy), ours_(!busy.exchange(true)) {}
    ~Use() {
      if (ours_) busy_.store(false);
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    bool ours() const { return ours_; }

   private:
    std::atomic<bool>& busy_;
    bool ours_;
  };

  SessionOptions options_;
  layers::Plan plan_;
  std::size_t own_state_at_;
  mutable layers::Pool pool_;
  layers::Compute compute_;
  layers::Chain chain_;
  std::size_t outlet_at_;  // output of the chain, in the scratch
  base::FloatBuffer states_;
  base::FloatBuffer scratch_;
  mutable std::atomic<bool> busy_{false};
};

}  // namespace hopcodec::graph
