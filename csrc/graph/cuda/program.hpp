// A chain of layers as the list of launches that one step is, with every buffer's place.
//
// The state of a stream has exactly the layout that layers:: gives it on the CPU, so a snapshot
// taken on one device may be restored on the other.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "graph/cuda/constants.hpp"
#include "graph/cuda/passage.hpp"
#include "kernels/cuda/pack.hpp"
#include "kernels/cuda/product.hpp"
#include "kernels/cuda/rows.hpp"
#include "kernels/cuda/segment_norm.hpp"

namespace hopcodec::graph::cuda {

// What one lane does in one step, everywhere.
struct Trace {
  std::vector<kernels::cuda::Part> parts;    // per operation: the input first, the outlet last
  std::vector<kernels::cuda::Move> moves;    // per Hold
  std::vector<kernels::cuda::Padding> pads;  // per padded layer, and per look at it
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
  // A chain that normalises runs once, on all rows of its stream, which the session holds until
  // then: they stand in a stream's state from held_at() on, behind a layers::Gather::Header at
  // gather_at().
  bool whole() const { return whole_; }
  std::size_t gather_at() const { return gather_at_; }
  std::size_t held_at() const { return held_at_; }
  // The last one stands for the outlet and has no launch of its own.
  int operations() const { return operations_; }
  int pads() const { return static_cast<int>(pads_.size()); }
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

  // Where a step finds its lanes. Without a table of parts all lanes do as `steady` says.
  struct Lanes {
    float* scratch;
    int count;
    const kernels::cuda::Part* parts;    // (lane, operation), on the device, or null
    const kernels::cuda::Padding* pads;  // (lane, pad), or (pad) for all; null: nothing to pad
    const Trace* steady;
    bool overlaps;  // its launches may, the first one's apart: there is none ahead of it
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
    int look = kNone;  // the edge that carries on where this one ends, if the stream ended here
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
  // The end of a truncated chain: of the rows that it made for good and those that it made looking
  // ahead, which stand behind them, the ones that are due.
  struct Give {
    int step;  // rows that the chain takes
    int ahead;
    int rows_per_step;
    int look_inlet;
  };
  struct Norm {
    layers::GroupNormWeights weights;
    kernels::cuda::SegmentNorm norm;  // but for the lanes and what is in `product` below
  };
  struct Stage {
    std::variant<Conv, Transpose, Lstm, Give, Norm> layer;
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
    int looks_on = kNone;            // the stage that this one goes on with, as look_on() does
  };
  struct Queue {
    int shortcut;  // edges
    int branch;
    int joins;  // the stage that adds its rows
    int hold;
    int inlet;
    std::size_t header_at;
    int looks_on = kNone;
  };
  struct Launch {
    int stage[2];  // that need nothing of each other
    int count;
  };
  struct Walk;  // scratch memory of trace()
  static constexpr int kNone = -1;

  int add_edge(int channels, std::int64_t max_rows, double row_samples, double lookahead);
  int add_inlet(int edge, std::size_t at, const kernels::cuda::Activation& activation);
  int compile(const std::vector<layers::LayerWeights>& chain, int edge);
  int add(const layers::Conv1dWeights& w, int edge);
  int add(const layers::ConvTranspose1dWeights& w, int edge);
  int add(const layers::LstmWeights& w, int edge);
  int add(const std::shared_ptr<const layers::ResidualWeights>& w, int edge);
  int add(const std::shared_ptr<const layers::TruncatedWeights>& w, int edge);
  int add(const layers::GroupNormWeights& w, int edge);
  void gather();
  void share_launches(std::ptrdiff_t first, std::ptrdiff_t branch_end);
  int add_pad(std::size_t at, int row_floats);
  int add_stage(Stage stage);
  void add_look(int stage, int max_windows, std::int64_t out_rows);
  void add_look(Queue queue, std::size_t rows_at);
  int stage_making(int edge) const;
  int sinks_of(int edge, kernels::cuda::Sink* sinks) const;
  void resolve_sinks();
  void walk(const Passage& in, Walk& walk, Trace* to) const;
  kernels::cuda::Part walk_conv(const Stage& stage, const Conv& conv, Walk& walk, Trace* to) const;
  kernels::cuda::Part walk_transpose(const Stage& stage, const Transpose& transpose, Walk& walk,
                                     Trace* to) const;
  kernels::cuda::Part walk_lstm(const Stage& stage, const Lstm& lstm, Walk& walk, Trace* to) const;
  kernels::cuda::Part walk_norm(const Stage& stage, const Norm& norm, Walk& walk) const;
  kernels::cuda::Part walk_give(const Stage& stage, const Give& give, Walk& walk) const;
  template <class Visit>
  void each_header(std::int64_t taken, Visit visit) const;
  void walk_queues(const Passage& in, Walk& walk, Trace* to) const;
  std::int64_t given_by(const Give& give, int edge, std::int64_t taken, Walk& walk) const;
  void enqueue_zeros(const Lanes& lanes, cudaStream_t stream) const;
  void enqueue_pad(const Stage& stage, const Lanes& lanes, cudaStream_t stream) const;
  void enqueue_norm(const Stage& stage, const Lanes& lanes, cudaStream_t stream) const;
  void enqueue_give(const Stage& stage, const Lanes& lanes, cudaStream_t stream) const;
  void enqueue_lstm(const Stage& stage, const Lanes& lanes, cudaStream_t stream) const;
  kernels::cuda::Product ready(const Stage& stage, const Lanes& lanes) const;

  Constants& constants_;
  bool zero_start_;
  base::Layout state_;
  base::Layout scratch_;
  std::size_t own_state_at_;
  int out_edge_ = 0;
  int operations_ = 1;
  bool whole_ = false;
  std::size_t gather_at_ = 0;
  std::size_t held_at_ = 0;
  const kernels::cuda::PadPlace* zeroed_ = nullptr;  // pads_, on the device
  std::vector<Edge> edges_;
  std::vector<Inlet> inlets_;
  std::vector<kernels::cuda::PadPlace> pads_;
  std::vector<kernels::cuda::Hold> holds_;
  std::vector<Stage> stages_;
  std::vector<Queue> queues_;
  std::vector<Launch> launches_;
  std::unique_ptr<Walk> walk_;
};

}  // namespace hopcodec::graph::cuda
