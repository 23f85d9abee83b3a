// The common part of encoder and decoder sessions on the GPU: the streams' states in slots, the
// lanes of a step, and the captured graphs.
//
// A step of L lanes is one copy to the device, all launches, and one copy back. It is captured at
// construction for every bucket size and every shape of step. Streams in their steady state share a
// *steady* shape, in which every lane does the same and no kernel reads a table. Streams that are
// starting or ending run in a *ragged* step, whose tables are copied with its input. Unused lanes
// of a bucket compute values that nobody reads.
//
// The pinned buffers are a double buffer: the host fills one while the device works on the other.
// With few lanes, the first kernel reads the pinned buffer over the bus and the last kernel writes
// it, because starting a copy would take longer than the transfer.
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
  int max_frames = 1;  // frames of a step
  bool zero_start = false;
  bool whole_hops = false;        // an encoder pads the last hop with zeros before its first layer
  std::uint64_t fingerprint = 0;  // the same as for the codec's sessions on the CPU
  int device = 0;
  bool graphs = true;            // false launches kernels one by one, for tests and measurements
  std::vector<int> codebooks{};  // numbers of codebooks to capture encoder graphs for
  // Precision of the layers' products. Codebooks are always searched in float32.
  Precision precision = Precision::kFloat32;
  std::shared_ptr<Uploads> uploads = nullptr;  // shared by the codec's sessions; null for none
};

// Adapts the options to the chain: a truncated chain runs one frame per step.
Options fitted(const std::vector<layers::LayerWeights>& chain, Options options);

// Host memory for the rows of whole streams, for chains with a group norm.
class StreamRows {
 public:
  StreamRows() = default;
  StreamRows(int streams, int max_rows, int channels)
      : channels_(static_cast<std::size_t>(channels)),
        step_(static_cast<std::size_t>(max_rows) * channels_),
        rows_(static_cast<std::size_t>(streams) * step_) {}
  float* row(int stream, std::int64_t row) { return rows_.data() + offset(stream, row); }
  const float* row(int stream, std::int64_t row) const {
    return rows_.data() + offset(stream, row);
  }

 private:
  std::size_t offset(int stream, std::int64_t row) const {
    return static_cast<std::size_t>(stream) * step_ + static_cast<std::size_t>(row) * channels_;
  }

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
  // Device memory for states, scratch and weights; other sessions may share the weights.
  std::size_t device_bytes() const;
  // Numbers of steps launched as captured graphs and kernel by kernel.
  std::int64_t graph_steps() const { return graph_steps_; }
  std::int64_t eager_steps() const { return eager_steps_; }

  Status reset(int stream);
  std::size_t snapshot_bytes() const { return snapshot_header_bytes() + state_bytes(); }
  Status snapshot(int stream, std::byte* to) const;
  // Throws SnapshotError and leaves the stream unchanged if the snapshot is not valid.
  Status restore(int stream, const std::byte* from, std::size_t bytes);

 protected:
  // One lane of a step.
  struct Lane {
    int item;
    int frames;  // output rows of the lane
  };
  // One of the two host buffers, with the step that uses it.
  struct StagingBuffer {
    PinnedBytes in;
    PinnedBytes out;
    Event done;
    bool busy = false;
    int bucket = 0;  // lanes of the step
    int n_q = 0;
    int rows = 0;  // output rows per lane of the step's shape
    std::vector<Lane> lanes;
  };
  // Offsets in `in` for a step with a given number of lanes.
  struct StagingLayout {
    std::size_t slots, payload, parts, moves, pads, end;
  };
  static constexpr int kRagged = -1;  // a step that is not steady

  Session(const std::vector<layers::LayerWeights>& chain, const Options& options, int channels,
          int max_rows, std::size_t own_state, std::size_t payload_bytes);
  virtual ~Session() = default;
  // Completes the construction; the derived constructor calls it once. A frame is `unit` rows, a
  // lane returns at most `out_bytes`, and each shape needs `variants` graphs.
  void prepare(int unit, std::size_t out_bytes, int variants);

  // Enqueue the launches before the first layer, which also load the streams' states, and those
  // after the last layer, which also store the states and write the results to `to`.
  // enqueue_output() returns the size of the results in bytes.
  virtual void enqueue_input(const Program::StepLanes& lanes, const kernels::cuda::Moves& moves,
                             const std::byte* payload) = 0;
  virtual std::size_t enqueue_output(const Program::StepLanes& lanes,
                                     const kernels::cuda::Moves& moves, int rows, int n_q,
                                     std::byte* to) = 0;
  virtual void collect(StagingBuffer& staging) = 0;
  // The session's own part of a stream's state.
  virtual void write_own(int stream, float* state) const = 0;
  virtual bool read_own(int stream, const float* state) = 0;
  virtual std::int64_t chain_rows(int stream) const = 0;
  virtual bool finished(int stream) const = 0;
  virtual void start(int stream) = 0;

  // Returns the index of the steady shape of a stream that has brought `rows` rows and now brings
  // `frames` frames, or kRagged.
  int shape_of(std::int64_t rows, int frames) const;
  // Including the ragged shape.
  int shapes() const { return static_cast<int>(steady_shapes_.size()) + 1; }
  int steady_frames(std::int64_t rows, int frames) const;

  StagingBuffer& begin(int lanes);
  // Assigns the next lane to a stream and returns its index. `trace` is used only in a ragged step.
  int add_lane(StagingBuffer& staging, int stream, int item, int frames_out, const Trace* trace);
  template <class T>
  T* payload(StagingBuffer& staging) const {
    return staging.in.at<T>(layout(staging.bucket).payload);
  }
  // Write or read the part of layers::Gather in a state: `rows` collected rows of `channels`.
  // Reading returns false if the state has another number of rows.
  void write_stream_rows(const StreamRows& held, int stream, std::int64_t rows, int channels,
                         float* state) const;
  bool read_stream_rows(StreamRows& held, int stream, std::int64_t rows, int channels,
                        const float* state) const;
  void launch(StagingBuffer& staging, int shape, int variant, int n_q);
  void submit(StagingBuffer& staging, int shape, int variant, int n_q);
  void drain();
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
  struct SteadyShape {
    int frames;
    Trace trace;
    const kernels::cuda::Move* moves;
    const kernels::cuda::Padding* pads;  // null if nothing is padded
    std::int64_t after;                  // frames after which a stream has this shape
  };

  StagingLayout layout(int lanes) const;
  int bucket_of(int lanes) const;
  void clear_unused_lanes(StagingBuffer& staging) const;
  void find_steady_shapes(int unit);
  void capture_all(int variants);
  std::size_t graph_index(int bucket, int shape, int variant, const StagingBuffer& staging) const;
  void enqueue(StagingBuffer& staging, int lanes, int shape, int n_q);
  virtual int codebooks_of(int variant) const = 0;
  float* state(int stream) const {
    return states_.data() + static_cast<std::size_t>(stream) * program_.state_floats();
  }

  std::size_t payload_bytes_;  // of one lane
  int unit_ = 1;
  DeviceArray<float> states_;
  DeviceArray<float> scratch_;
  DeviceArray<std::byte> input_;
  const kernels::cuda::StatePart* state_parts_ = nullptr;
  std::vector<int> buckets_;
  std::vector<SteadyShape> steady_shapes_;
  StagingBuffer staging_[2];
  int next_staging_ = 0;
  int variants_ = 1;
  std::vector<Graph> graphs_;
  Trace trace_;
  std::int64_t graph_steps_ = 0;
  std::int64_t eager_steps_ = 0;
};

}  // namespace hopcodec::graph::cuda
