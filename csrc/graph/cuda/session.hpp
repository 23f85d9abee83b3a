// What an encoder and a decoder session on the GPU share: the streams' states in slots, the lanes
// of a step, and the captured graphs.
//
// A step of L lanes is: one copy in, all launches, one copy out, captured once at construction for
// every bucket of lanes and every shape of step. Streams that run evenly share the *steady* shape,
// in which every lane does the same and no kernel reads a table. Streams that are just starting or
// ending go in a step of their own, whose tables travel with its input. A bucket's empty seats
// compute rubbish that nobody reads.
//
// The host fills one half of the pinned buffers while the device works on the other. With few lanes
// the first kernel reads that half over the bus and the last one writes it: a copy would take
// longer to begin than they take to do it.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "graph/cuda/program.hpp"
#include "graph/session.hpp"

namespace hopcodec::graph::cuda {

using kernels::cuda::Precision;

struct Options {
  int streams = 1;
  int max_frames = 1;  // frames per step
  bool zero_start = false;
  bool whole_hops = false;        // an encoder fills the last hop with zeros before its first layer
  std::uint64_t fingerprint = 0;  // that of the same codec's sessions on the CPU
  int device = 0;
  bool graphs = true;            // or launch every step anew: for tests and measurements
  bool overlaps = true;          // launches, where the device can; or not: likewise
  std::vector<int> codebooks{};  // numbers of codebooks to capture encoder graphs for
  // Of the layers' products; codebooks are always searched in float32.
  Precision precision = Precision::kFloat32;
  std::shared_ptr<Uploads> uploads = nullptr;  // the codec's, if its sessions share them
};

// The options that a session of this chain can have: a truncated one goes frame by frame.
Options fitted(const std::vector<layers::LayerWeights>& chain, Options options);

// The rows that a chain with group norms will run on, stream by stream.
class Held {
 public:
  Held() = default;
  Held(int streams, int max_rows, int channels)
      : channels_(static_cast<std::size_t>(channels)),
        step_(static_cast<std::size_t>(max_rows) * channels_),
        rows_(static_cast<std::size_t>(streams) * step_) {}
  float* row(int stream, std::int64_t row) {
    return rows_.data() + static_cast<std::size_t>(stream) * step_ +
           static_cast<std::size_t>(row) * channels_;
  }
  const float* row(int stream, std::int64_t row) const {
    return const_cast<Held*>(this)->row(stream, row);
  }

 private:
  std::size_t channels_ = 0;
  std::size_t step_ = 0;
  std::vector<float> rows_;
};

class Session {
 public:
  int streams() const { return options_.streams; }
  int max_frames() const { return options_.max_frames; }
  std::size_t state_bytes() const { return program_.state_floats() * sizeof(float); }
  std::size_t scratch_bytes() const { return scratch_.bytes(); }
  // Device memory for weights (though other sessions may share them), states and scratch.
  std::size_t device_bytes() const;
  // Steps that were launched as captured graphs, and one by one.
  std::int64_t graph_steps() const { return graph_steps_; }
  std::int64_t eager_steps() const { return eager_steps_; }

  Status reset(int stream);
  std::size_t snapshot_bytes() const { return snapshot_header_bytes() + state_bytes(); }
  Status snapshot(int stream, std::byte* to) const;
  // Throws SnapshotError; the stream is then as it was.
  Status restore(int stream, const std::byte* from, std::size_t bytes);

 protected:
  // One lane of a step: who sits there, and what it gives.
  struct Seat {
    int item;
    int frames;  // rows at the outlet
  };
  // One half of the host side.
  struct Half {
    PinnedBytes in;
    PinnedBytes out;
    Event done;
    bool busy = false;
    int bucket = 0;  // lanes of the step
    int n_q = 0;
    int rows = 0;  // at the outlet, per lane of the step's shape
    std::vector<Seat> seats;
  };
  // Where things stand in `in` for a step of so many lanes.
  struct Places {
    std::size_t slots, payload, parts, moves, pads, end;
  };
  static constexpr int kRagged = -1;  // a step that is not steady

  Session(const std::vector<layers::LayerWeights>& chain, const Options& options, int channels,
          int max_rows, std::size_t own_state, std::size_t payload_bytes);
  virtual ~Session() = default;
  // To be called once by the derived constructor: `unit` rows are one frame; `out_bytes` per lane
  // at most come back; `variants` graphs are needed for each shape.
  void prepare(int unit, std::size_t out_bytes, int variants);

  // The part of a step before the first layer, which opens the streams' states too, and that after
  // the last, which closes them, leaves the results at `to` and returns how many bytes those are.
  virtual void enqueue_input(const Program::Lanes& lanes, const kernels::cuda::Moves& moves,
                             const std::byte* payload) = 0;
  virtual std::size_t enqueue_output(const Program::Lanes& lanes, const kernels::cuda::Moves& moves,
                                     int rows, int n_q, std::byte* to) = 0;
  virtual void collect(Half& half) = 0;
  // The session's own part of a stream's state.
  virtual void write_own(int stream, float* state) const = 0;
  virtual bool read_own(int stream, const float* state) = 0;
  virtual std::int64_t chain_rows(int stream) const = 0;
  virtual bool finished(int stream) const = 0;
  virtual void start(int stream) = 0;

  // Of a stream that has brought `rows` rows and now `frames` frames: the index of its steady
  // shape, or kRagged.
  int shape_of(std::int64_t rows, int frames) const;
  int shapes() const { return static_cast<int>(steady_.size()) + 1; }  // the ragged one included
  int even_frames(std::int64_t rows, int frames) const;

  Half& begin(int lanes);
  // Seats a stream; returns the lane. `trace` is read for a ragged step only.
  int sit(Half& half, int stream, int item, int frames_out, const Trace* trace);
  template <class T>
  T* payload(Half& half) const {
    return half.in.at<T>(places(half.bucket).payload);
  }
  // The part of layers::Gather in a stream's state: `rows` of `channels` held; and whether a state
  // holds just so many.
  void write_held(const Held& held, int stream, std::int64_t rows, int channels,
                  float* state) const;
  bool read_held(Held& held, int stream, std::int64_t rows, int channels, const float* state) const;
  void launch(Half& half, int shape, int variant, int n_q);
  void submit(Half& half, int shape, int variant, int n_q);
  void finish();
  Trace& trace(const Passage& passage);
  cudaStream_t stream() const { return stream_.get(); }

  Options options_;
  Device device_;
  Stream stream_;
  Constants constants_;
  Program program_;
  mutable std::atomic<bool> busy_{false};
  DeviceArray<std::byte> output_;

 private:
  struct Steady {
    int frames;
    Trace trace;
    const kernels::cuda::Move* moves;
    const kernels::cuda::Padding* pads;  // or null: nothing to pad
    std::int64_t after;                  // frames a stream must have brought
  };

  Places places(int lanes) const;
  int bucket_of(int lanes) const;
  void clear_empty_seats(Half& half) const;
  void find_steady(int unit);
  void capture_all(int variants);
  std::size_t graph_index(int bucket, int shape, int variant, const Half& half) const;
  void enqueue(Half& half, int lanes, int shape, int n_q);
  virtual int books_of(int variant) const = 0;
  float* state(int stream) const {
    return states_.data() + static_cast<std::size_t>(stream) * program_.state_floats();
  }

  std::size_t payload_bytes_;  // per lane
  int unit_ = 1;
  DeviceArray<float> states_;
  DeviceArray<float> scratch_;
  DeviceArray<std::byte> input_;
  const kernels::cuda::Hold* holds_ = nullptr;
  std::vector<int> buckets_;
  std::vector<Steady> steady_;
  Half halves_[2];
  int next_half_ = 0;
  int variants_ = 1;
  std::vector<Graph> graphs_;
  Trace trace_;
  std::int64_t graph_steps_ = 0;
  std::int64_t eager_steps_ = 0;
};

}  // namespace hopcodec::graph::cuda
