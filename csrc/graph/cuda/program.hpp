// A chain of layers compiled to the list of launches of one step, with the position of every
// buffer.
//
// The state of a stream has the same layout as in layers:: on the CPU, so a snapshot taken on one
// device can be restored on the other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "graph/cuda/constants.hpp"
#include "graph/cuda/passage.hpp"
#include "kernels/cuda/pack.hpp"
#include "kernels/cuda/product.hpp"
#include "kernels/cuda/rows.hpp"
#include "kernels/cuda/segment_norm.hpp"

namespace hopcodec::graph::cuda {

// The plan of one lane for one step.
struct Trace {
  std::vector<kernels::cuda::Part> parts;    // for each operation: the input first, the outlet last
  std::vector<kernels::cuda::Move> moves;    // for each StatePart
  std::vector<kernels::cuda::Padding> pads;  // for each padded layer, and for each flush of one
  int out_rows;
  bool operator==(const Trace& other) const;
};

// Throws std::invalid_argument.
[[noreturn]] void refuse(const std::string& expected);

class Program {
 public:
  // Reserves `own_state` floats at the front of every state for the session. `channels` and
  // `max_rows` describe its input. Throws std::invalid_argument for a layer without GPU kernels.
  Program(const std::vector<layers::LayerWeights>& chain, bool zero_start, int channels,
          int max_rows, std::size_t own_state, Constants& constants);
  ~Program();

  std::size_t state_floats() const { return state_.floats(); }
  std::size_t scratch_floats() const { return scratch_.floats(); }
  std::size_t own_state_at() const { return own_state_at_; }
  int out_channels() const { return edges_[static_cast<std::size_t>(out_edge_)].channels; }
  int max_out_rows() const { return edges_[static_cast<std::size_t>(out_edge_)].max_rows; }
  std::size_t outlet_at() const { return inlets_.back().at; }
  int most_rows() const;  // upper bound of the rows of any launch
  // A chain with a group norm runs once, on all rows of its stream. The session collects them until
  // then; a state stores them at held_at(), behind a layers::Gather::Header at gather_at().
  bool whole() const { return whole_; }
  std::size_t gather_at() const { return gather_at_; }
  std::size_t held_at() const { return held_at_; }
  // The last operation represents the outlet and has no launch.
  int operations() const { return operations_; }
  int pads() const { return static_cast<int>(pads_.size()); }
  const std::vector<kernels::cuda::StatePart>& state_parts() const { return state_parts_; }
  double row_samples() const { return edges_[static_cast<std::size_t>(out_edge_)].row_samples; }
  double lookahead_samples() const { return edges_[static_cast<std::size_t>(out_edge_)].lookahead; }
  // The readers of the session's input.
  int input_sinks(kernels::cuda::Sink* sinks) const { return sinks_of(0, sinks); }

  // Makes an empty trace of the right size, and fills one for a stream whose rows go from in.before
  // to in.after.
  Trace make_trace() const;
  void trace(const Passage& in, Trace& to) const;

  // Writes the layers' headers of a stream that has brought `taken` rows, and checks whether a
  // state has these headers.
  void write_headers(std::int64_t taken, float* state) const;
  bool headers_match(std::int64_t taken, const float* state) const;

  // The lanes of a step. Without a table of parts, all lanes follow `steady`.
  struct StepLanes {
    float* scratch;
    int count;
    const kernels::cuda::Part* parts;  // (lane, operation), device memory, or null
    // (lane, pad), or (pad) for all lanes; null if nothing is padded.
    const kernels::cuda::Padding* pads;
    const Trace* steady;
  };
  // Enqueues all launches from the first layer's inlet to the outlet.
  void enqueue(const StepLanes& lanes, cudaStream_t stream) const;
  kernels::cuda::Lanes lanes_of(const StepLanes& lanes, int operation, int max_rows) const;

 private:
  struct Edge {
    int channels;
    int max_rows;
    double row_samples;
    double lookahead;
    int flush = kNone;  // the edge with the rows that a flush at this point adds to this edge
  };
  // A buffer in the scratch that receives the rows of an edge.
  struct Inlet {
    int edge;
    std::size_t at;
    kernels::cuda::Activation activation;
  };
  struct ConvNode {
    ConvPlan plan;
  };
  struct TransposeNode {
    layers::ConvTranspose1dShape shape;
  };
  struct LstmNode {
    int units;
    std::vector<kernels::cuda::Product> products;  // for each stacked LSTM
    std::vector<kernels::cuda::Cell> cells;
  };
  // The end of a truncated chain. It emits the rows that are due: of those that the chain made with
  // its full look-ahead, and of those that the flush made, which are behind them.
  struct EmitNode {
    int step;  // input rows of a step
    int ahead;
    int rows_per_step;
    int flush_inlet;
  };
  struct NormNode {
    layers::GroupNormWeights weights;
    kernels::cuda::SegmentNorm norm;  // without the lanes and the fields that `product` has
  };
  struct Node {
    std::variant<ConvNode, TransposeNode, LstmNode, EmitNode, NormNode> layer;
    int in = 0;
    int out = 0;
    int operation = 0;
    int inlet = 0;
    int state_part = kNone;  // index of its first StatePart
    int pad = kNone;         // index of its padding, or kNone
    int max_windows = 0;
    std::size_t buffer_at = 0;
    std::size_t header_at = 0;
    kernels::cuda::Product product = {};  // without the lanes
    int flush_of = kNone;                 // the node that this node flushes, or kNone
  };
  struct Queue {
    int shortcut;  // an edge, like `branch`
    int branch;
    int joins;  // the node that adds its rows
    int state_part;
    int inlet;
    std::size_t header_at;
    int flush_of = kNone;
  };
  struct Launch {
    int node[2];  // nodes that do not depend on each other
    int count;
  };
  struct TraceMemory;  // temporary memory of trace()
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
  void merge_shortcut(std::ptrdiff_t first, std::ptrdiff_t branch_end);
  int add_pad(std::size_t at, int row_floats);
  int add_node(Node node);
  void add_flush(int node, int max_windows, std::int64_t out_rows);
  void add_flush(Queue queue, std::size_t rows_at);
  int producer_of(int edge) const;
  int sinks_of(int edge, kernels::cuda::Sink* sinks) const;
  void resolve_sinks();
  void trace_step(const Passage& in, TraceMemory& memory, Trace* to) const;
  kernels::cuda::Part trace_conv(const Node& node, const ConvNode& conv, TraceMemory& memory,
                                 Trace* to) const;
  kernels::cuda::Part trace_transpose(const Node& node, const TransposeNode& transpose,
                                      TraceMemory& memory, Trace* to) const;
  kernels::cuda::Part trace_lstm(const Node& node, const LstmNode& lstm, TraceMemory& memory,
                                 Trace* to) const;
  kernels::cuda::Part trace_norm(const Node& node, const NormNode& norm, TraceMemory& memory) const;
  kernels::cuda::Part trace_emit(const Node& node, const EmitNode& emit, TraceMemory& memory) const;
  template <class Visit>
  void each_header(std::int64_t taken, Visit visit) const;
  void trace_queues(const Passage& in, TraceMemory& memory, Trace* to) const;
  std::int64_t emitted_by(const EmitNode& emit, int edge, std::int64_t taken,
                          TraceMemory& memory) const;
  void enqueue_zeros(const StepLanes& lanes, cudaStream_t stream) const;
  void enqueue_pad(const Node& node, const StepLanes& lanes, cudaStream_t stream) const;
  void enqueue_norm(const Node& node, const StepLanes& lanes, cudaStream_t stream) const;
  void enqueue_emit(const Node& node, const StepLanes& lanes, cudaStream_t stream) const;
  void enqueue_lstm(const Node& node, const StepLanes& lanes, cudaStream_t stream) const;
  kernels::cuda::Product ready(const Node& node, const StepLanes& lanes) const;

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
  const kernels::cuda::PadPlace* zeroed_ = nullptr;  // a copy of pads_ in device memory
  std::vector<Edge> edges_;
  std::vector<Inlet> inlets_;
  std::vector<kernels::cuda::PadPlace> pads_;
  std::vector<kernels::cuda::StatePart> state_parts_;
  std::vector<Node> nodes_;
  std::vector<Queue> queues_;
  std::vector<Launch> launches_;
  std::unique_ptr<TraceMemory> memory_;
};

}  // namespace hopcodec::graph::cuda
