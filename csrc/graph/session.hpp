// What an encoder and a decoder session share: the chain, the streams' states, snapshots.
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
  // Frames per step: latency does not depend on it, memory does. A chain with a group norm takes
  // streams of so many frames and no more.
  int max_frames = 1;
  int threads = 1;
  bool zero_start = false;
  bool whole_hops = false;  // an encoder fills the last hop with zeros before its first layer
  base::Isa isa = base::best_isa();
  std::uint64_t fingerprint = 0;  // of the weights: a snapshot only fits the same ones
  layers::PieceSize piece = {};   // changes speed and memory, no bit
};

enum class Status { kOk, kFinished, kBadSample, kBadCode, kBadLatent, kBusy, kNoRoom, kTooLong };

// The outcome of a push: nothing has changed unless it is kOk.
struct Outcome {
  Status status = Status::kOk;
  int item = 0;               // which stream of the call
  std::int64_t position = 0;  // which sample or frame
  float value = 0.0F;         // the sample that was refused
};

// `value`, once it is known to be 1 to `most`. Throws std::invalid_argument naming `what`.
int checked(const char* what, int value, int most);

inline constexpr std::int64_t kLongest = std::int64_t{1} << 40;  // samples: two years at 16 kHz
inline constexpr int kMaxStreams = 65536;
inline constexpr int kMaxHop = 65536;
inline constexpr int kMaxFrames = 4096;
inline constexpr int kMaxChannels = 64;
// Samples beyond this are no audio (full scale is 1): refused rather than pushed into the state.
inline constexpr float kMaxSample = 1024.0F;
// What a quantiser's codebooks make is a few units large.
inline constexpr float kMaxLatent = 1e6F;
// A segment divided by its own loudness may be of any size: 1e-8 is the least (encodec/model.py),
// and the group norm behind the first convolution makes it ordinary again.
inline constexpr float kMaxNormalised = kMaxSample / 1e-8F;

class Session {
 public:
  int streams() const { return options_.streams; }
  int max_frames() const { return options_.max_frames; }
  double lookahead_samples() const { return plan_.lookahead_samples; }
  std::size_t state_bytes() const { return plan_.state.floats() * sizeof(float); }
  std::size_t scratch_bytes() const {
    return plan_.scratch.floats() * sizeof(float) * static_cast<std::size_t>(tile_capacity());
  }

  // kOk, or kBusy while another thread is inside the session.
  HOPCODEC_REALTIME Status reset(int stream) noexcept;

  std::size_t snapshot_bytes() const;
  Status snapshot(int stream, std::byte* to) const noexcept;
  // Throws SnapshotError; the stream is then as it was.
  Status restore(int stream, const std::byte* from, std::size_t bytes);

 protected:
  // `own_state` floats of state are set aside for the derived session; `channels` and `max_rows`
  // describe what it brings to the chain.
  Session(const std::vector<layers::LayerWeights>& weights, const SessionOptions& options,
          int channels, int max_rows, std::size_t own_state);
  virtual ~Session() = default;

  int tile_capacity() const {
    return options_.streams < layers::kTile ? options_.streams : layers::kTile;
  }
  void start(int stream) noexcept;
  // As Layer::valid, of the whole state. Nothing reads the chain's part of a finished stream.
  virtual bool valid(const float* state) const noexcept = 0;
  float* state(int stream) const noexcept {
    return states_.get() + static_cast<std::size_t>(stream) * plan_.state.floats();
  }
  float* scratch(int lane) const noexcept {
    return scratch_.get() + static_cast<std::size_t>(lane) * plan_.scratch.floats();
  }
  HOPCODEC_REALTIME layers::Tile tile(const int* streams, int count, bool last) const noexcept;

  // Marks the session as in use; a second thread that comes meanwhile is told so.
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
  std::size_t outlet_at_;  // what the chain emits, in the scratch
  base::FloatBuffer states_;
  base::FloatBuffer scratch_;
  mutable std::atomic<bool> busy_{false};
};

}  // namespace hopcodec::graph
