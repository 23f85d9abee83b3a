// A chain of layers as the list of launches that one step is, with every buffer's place.
//
// The state of a stream has exactly the layout that layers:: gives it on the CPU, so a snapshot
// taken on one device may be restored on the other.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "graph/cuda/device.hpp"
#include "graph/cuda/passage.hpp"
#include "kernels/cuda/pack.hpp"
#include "kernels/cuda/product.hpp"
#include "kernels/cuda/rows.hpp"

namespace hopcodec::graph::cuda {

// Device copies of what never changes: weights, biases, Snake's alphas.
class Constants {
 public:
  explicit Constants(cudaStream_t stream) : stream_(stream) {}
  kernels::cuda::Matrix matrix(const kernels::cuda::PackedMatrix& packed);
  kernels::cuda::Activation activation(const layers::Activation& activation, int channels);
  template <class T>
  const T* array(const std::vector<T>& host);
  std::size_t bytes() const { return bytes_; }

 private:
  cudaStream_t stream_;
  std::vector<DeviceArray<std::byte>> arrays_;
  std::size_t bytes_ = 0;
};

// What one lane does in one step, everywhere.
struct Trace {
  std::vector<kernels::cuda::Part> parts;    // per operation: the input first, the outlet last
  std::vector<kernels::cuda::Move> moves;    // per Hold
  std::vector<kernels::cuda::Padding> pads;  // per padded layer
  int out_rows;
  bool operator==(const Trace& other) const;
};

class Program {
 public:
  // `own_state` floats in front of every state are the session's; `channels` and `max_rows`
  // describe what it brings. Throws std::invalid_argument for a layer that has no kernels here.
  Program(const std::vector<layers::LayerWeights>& chain, bool zero_start, int channels,
          int max_rows, std::size_t own_state, Constants& constants);
  ~Program();

  std::size_t state_floats() const { return state_.floats(); }
  std::size_t scratch_floats() const { return scratch_.floats(); }
  std::size_t own_state_at() const { return own_state_at_; }
  int out_channels() const { return edges_[static_cast<std::size_t>(out_edge_)].channels; }
  int max_out_rows() const { return edges_[static_cast<std::size_t>(out_edge_)].max_rows; }
  std::size_t outlet_at() const { return inlets_.back().at; }
  int most_rows() const;  // of any launch
  // The last one stands for the outlet and has no launch of its own.
  int operations() const { return operations_; }
  int pads() const { return pads_; }
  const std::vector<kernels::cuda::Hold>& holds() const { return holds_; }
  double row_samples() const { return edges_[static_cast<std::size_t>(out_edge_)].row_samples; }
  double lookahead_samples() const { return edges_[static_cast<std::size_t>(out_edge_)].lookahead; }
  // Readers of what the session brings.
  int input_sinks(kernels::cuda::Sink* sinks) const { return sinks_of(0, sinks); }

  // An empty trace of the right size, and what a stream does whose rows go from before to after.
  Trace make_trace() const;
  void trace(const Passage& in, Trace& to) const;

  // The layers' headers in the state of a stream that has brought `taken` rows; and whether a state
  // holds just these.
  void write_headers(std::int64_t taken, float* state) const;
  bool headers_match(std::int64_t taken, const float* state) const;

  // Where a step finds its lanes. Without tables all lanes do as `steady` says.
  struct Lanes {
    float* scratch;
    int count;
    const kernels::cuda::Part* parts;    // (lane, operation), on the device, or null
    const kernels::cuda::Padding* pads;  // (lane, pad), likewise
    const Trace* steady;
  };
  // All launches from the first layer's inlet to the outlet.
  void enqueue(const Lanes& lanes, cudaStream_t stream) const;
  kernels::cuda::Lanes lanes_of(const Lanes& lanes, int operation, int max_rows) const;

 private:
  struct Edge {
    int channels;
    int max_rows;
    double row_samples;
    double lookahead;
  };
  // A buffer in the scratch that receives the rows of an edge.
  struct Inlet {
    int edge;
    std::size_t at;
    kernels::cuda::Activation activation;
  };
  struct Conv {
    ConvPlan plan;
  };
  struct Transpose {
    layers::ConvTranspose1dShape shape;
  };
  struct Lstm {
    int units;
    std::vector<kernels::cuda::Product> products;  // per stage
    std::vector<kernels::cuda::Cell> cells;
  };
  struct Stage {
    std::variant<Conv, Transpose, Lstm> layer;
    int in;
    int out;
    int operation;
    int inlet;
    int hold;  // the first of its holds
    int pad;   // -1: never padded
    int max_windows;
    std::size_t buffer_at;
    std::size_t header_at;
    kernels::cuda::Product product;  // but for the lanes
  };
  struct Queue {
    int shortcut;  // edges
    int branch;
    int hold;
    int inlet;
    std::size_t header_at;
  };
  struct Launch {
    int stage[2];  // that need nothing of each other
    int count;
  };
  struct Walk;  // scratch memory of trace()

  int add_edge(int channels, std::int64_t max_rows, double row_samples, double lookahead);
  int add_inlet(int edge, std::size_t at, const kernels::cuda::Activation& activation);
  int compile(const std::vector<layers::LayerWeights>& chain, int edge);
  int add(const layers::Conv1dWeights& w, int edge);
  int add(const layers::ConvTranspose1dWeights& w, int edge);
  int add(const layers::LstmWeights& w, int edge);
  int add(const std::shared_ptr<const layers::ResidualWeights>& w, int edge);
  // Not on a GPU: they refuse.
  int add(const layers::GroupNormWeights& w, int edge);
  int add(const std::shared_ptr<const layers::TruncatedWeights>& w, int edge);
  int sinks_of(int edge, kernels::cuda::Sink* sinks) const;
  void resolve_sinks();
  void walk(const Passage& in, Walk& walk, Trace* to) const;
  void enqueue_pad(const Stage& stage, const Lanes& lanes, cudaStream_t stream) const;
  void enqueue_lstm(const Stage& stage, const Lanes& lanes, cudaStream_t stream) const;
  kernels::cuda::Product ready(const Stage& stage, const Lanes& lanes) const;

  Constants& constants_;
  bool zero_start_;
  base::Layout state_;
  base::Layout scratch_;
  std::size_t own_state_at_;
  int out_edge_ = 0;
  int operations_ = 1;
  int pads_ = 0;
  std::vector<Edge> edges_;
  std::vector<Inlet> inlets_;
  std::vector<kernels::cuda::Hold> holds_;
  std::vector<Stage> stages_;
  std::vector<Queue> queues_;
  std::vector<Launch> launches_;
  std::unique_ptr<Walk> walk_;
};

template <class T>
const T* Constants::array(const std::vector<T>& host) {
  DeviceArray<std::byte> memory(host.size() * sizeof(T), stream_);
  check(
      cudaMemcpyAsync(memory.data(), host.data(), memory.bytes(), cudaMemcpyHostToDevice, stream_),
      "upload constants");
  check(cudaStreamSynchronize(stream_), "upload constants");  // `host` may be gone afterwards
  bytes_ += memory.bytes();
  arrays_.push_back(std::move(memory));
  return reinterpret_cast<const T*>(arrays_.back().data());
}

}  // namespace hopcodec::graph::cuda
