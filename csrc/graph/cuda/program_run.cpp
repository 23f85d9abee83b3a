// Plans and launches a step of a Program.
#include <algorithm>
#include <cstring>

#include "base/integers.hpp"
#include "graph/cuda/program.hpp"
#include "graph/cuda/trace_memory.hpp"
#include "layers/truncated.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;
using base::usize;

namespace {

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// Compares and copies headers field by field, so that padding bytes in a snapshot do not matter.
bool same(const layers::Conv1d::Header& a, const layers::Conv1d::Header& b) {
  return a.total == b.total && a.held == b.held && a.begin == b.begin && a.started == b.started;
}

bool same(const layers::ConvTranspose1d::Header& a, const layers::ConvTranspose1d::Header& b) {
  return a.total == b.total && a.emitted == b.emitted;
}

bool same(const layers::Residual::Header& a, const layers::Residual::Header& b) {
  return a.queued == b.queued;
}

bool same(const layers::Truncated::Header& a, const layers::Truncated::Header& b) {
  return a.steps == b.steps && a.exact == b.exact && a.emitted == b.emitted;
}

void put(const layers::Conv1d::Header& from, layers::Conv1d::Header& to) {
  to.total = from.total;
  to.held = from.held;
  to.begin = from.begin;
  to.started = from.started;
}

void put(const layers::ConvTranspose1d::Header& from, layers::ConvTranspose1d::Header& to) {
  to.total = from.total;
  to.emitted = from.emitted;
}

void put(const layers::Residual::Header& from, layers::Residual::Header& to) {
  to.queued = from.queued;
}

void put(const layers::Truncated::Header& from, layers::Truncated::Header& to) {
  to.steps = from.steps;
  to.exact = from.exact;
  to.emitted = from.emitted;
}

// A part that computes and keeps `rows` rows from the first one on.
gpu::Part all_rows(int rows) {
  return {.rows = rows, .begin = 0, .skip = 0, .emit = rows, .to = {}, .add = 0};
}

bool same(const gpu::Padding& a, const gpu::Padding& b) {
  // Once a stream is in its steady state, the reflection does not depend on `total`.
  return a.left == b.left && a.end == b.end && a.right == b.right;
}

}  // namespace

bool Trace::operator==(const Trace& other) const {
  return out_rows == other.out_rows && same_bytes(parts, other.parts) &&
         same_bytes(moves, other.moves) &&
         std::equal(pads.begin(), pads.end(), other.pads.begin(), other.pads.end(),
                    [](const gpu::Padding& a, const gpu::Padding& b) { return same(a, b); });
}

Trace Program::make_trace() const {
  return {std::vector<gpu::Part>(usize(operations_)), std::vector<gpu::Move>(state_parts_.size()),
          std::vector<gpu::Padding>(pads_.size()), 0};
}

void Program::trace(const Passage& in, Trace& to) const { trace_step(in, *memory_, &to); }

gpu::Part Program::trace_conv(const Node& node, const ConvNode& conv, TraceMemory& memory,
                              Trace* to) const {
  const Passage& from = memory.edges[usize(node.in)];
  const bool flushes = node.flush_of != kNone;
  const ConvStep step = flushes ? flush_step(conv.plan, memory.conv[usize(node.flush_of)], from)
                                : conv_step(conv.plan, from);
  memory.conv[static_cast<std::size_t>(&node - nodes_.data())] = step;
  memory.edges[usize(node.out)] = step.out;
  memory.inlet_rows[usize(node.inlet)] = step.inlet;
  if (to != nullptr) to->pads[usize(node.pad)] = step.padding;
  if (to != nullptr && !flushes) to->moves[usize(node.state_part)] = step.move;
  return {.rows = step.out.rows(),
          .begin = step.begin,
          .skip = 0,
          .emit = step.out.rows(),
          .to = {},
          .add = 0};
}

gpu::Part Program::trace_transpose(const Node& node, const TransposeNode& transpose,
                                   TraceMemory& memory, Trace* to) const {
  const Passage& from = memory.edges[usize(node.in)];
  const bool flushes = node.flush_of != kNone;
  const TransposeStep step =
      flushes ? flush_step(transpose.shape, memory.transpose[usize(node.flush_of)], from)
              : transpose_step(transpose.shape, from);
  memory.transpose[static_cast<std::size_t>(&node - nodes_.data())] = step;
  memory.edges[usize(node.out)] = step.out;
  memory.inlet_rows[usize(node.inlet)] = step.inlet;
  if (to != nullptr) to->pads[usize(node.pad)] = step.padding;
  if (to != nullptr && !flushes) to->moves[usize(node.state_part)] = step.move;
  return {.rows = step.windows,
          .begin = step.begin,
          .skip = step.skip,
          .emit = step.out.rows(),
          .to = {},
          .add = 0};
}

gpu::Part Program::trace_lstm(const Node& node, const LstmNode& lstm, TraceMemory& memory,
                              Trace* to) const {
  const Passage from = memory.edges[usize(node.in)];
  memory.edges[usize(node.out)] = from;
  memory.inlet_rows[usize(node.inlet)] = 0;
  for (std::size_t i = 0; to != nullptr && i < lstm.products.size(); ++i) {
    const int keep = from.last ? 0 : 1;
    to->moves[usize(node.state_part) + 2 * i] = {1, 0, keep, from.rows()};  // the hidden vector
    to->moves[usize(node.state_part) + 2 * i + 1] = {1, 0, keep, 0};  // the cell, updated in place
  }
  return all_rows(from.rows());
}

void Program::trace_queues(const Passage& in, TraceMemory& memory, Trace* to) const {
  for (std::size_t q = 0; q < queues_.size(); ++q) {
    const Queue& queue = queues_[q];
    const bool flushes = queue.flush_of != kNone;
    if (flushes && (in.last || to == nullptr)) continue;
    const QueueStep step =
        queue_step(memory.edges[usize(queue.shortcut)], memory.edges[usize(queue.branch)]);
    memory.queue[q] = step;
    // The rows that the step itself consumed are in front of those that the flush adds.
    const int used = flushes ? memory.queue[usize(queue.flush_of)].move.close_from : 0;
    memory.inlet_rows[usize(queue.inlet)] = used + step.queued;
    if (to == nullptr) continue;
    to->parts[usize(nodes_[usize(queue.joins)].operation)].add = used;
    if (!flushes) to->moves[usize(queue.state_part)] = step.move;
  }
}

void Program::trace_step(const Passage& in, TraceMemory& memory, Trace* to) const {
  memory.edges[0] = in;
  // A stream that ends is flushed itself, so its nodes that flush have nothing to do.
  const bool flushes = to != nullptr && !in.last;
  if (edges_[0].flush != kNone) memory.edges[usize(edges_[0].flush)] = {in.after, in.after, true};
  for (const Node& node : nodes_) {
    if (node.flush_of != kNone && !flushes) {
      if (to != nullptr) to->parts[usize(node.operation)] = {};
      if (to != nullptr) to->pads[usize(node.pad)] = {};
      continue;
    }
    gpu::Part part{};
    if (const ConvNode* conv = std::get_if<ConvNode>(&node.layer)) {
      part = trace_conv(node, *conv, memory, to);
    } else if (const TransposeNode* transpose = std::get_if<TransposeNode>(&node.layer)) {
      part = trace_transpose(node, *transpose, memory, to);
    } else if (const LstmNode* lstm = std::get_if<LstmNode>(&node.layer)) {
      part = trace_lstm(node, *lstm, memory, to);
    } else if (const NormNode* norm = std::get_if<NormNode>(&node.layer)) {
      part = trace_norm(node, *norm, memory);
    } else {
      part = trace_emit(node, std::get<EmitNode>(node.layer), memory);
    }
    if (to != nullptr) to->parts[usize(node.operation)] = part;
  }
  trace_queues(in, memory, to);
  if (to == nullptr) return;
  memory.inlet_rows.back() = 0;  // the outlet starts at row 0
  to->out_rows = memory.edges[usize(out_edge_)].rows();
  to->parts.back() = all_rows(to->out_rows);
  to->parts[0] = all_rows(in.rows());
  const auto place = [&](int edge, gpu::Part& part) {
    int count = 0;
    for (std::size_t i = 0; i < inlets_.size(); ++i) {
      if (inlets_[i].edge == edge) part.to[count++] = memory.inlet_rows[i];
    }
  };
  place(0, to->parts[0]);
  for (const Node& node : nodes_) place(node.out, to->parts[usize(node.operation)]);
}

// Calls visit(header, position in the state) for the header of every layer of a stream that has
// brought `taken` rows.
template <class Visit>
void Program::each_header(std::int64_t taken, Visit visit) const {
  trace_step({0, taken, false}, *memory_, nullptr);
  for (std::size_t s = 0; s < nodes_.size(); ++s) {
    const Node& node = nodes_[s];
    if (node.flush_of != kNone) continue;
    if (std::holds_alternative<ConvNode>(node.layer)) {
      visit(memory_->conv[s].after, node.header_at);
    } else if (std::holds_alternative<TransposeNode>(node.layer)) {
      visit(memory_->transpose[s].after, node.header_at);
    } else if (const EmitNode* emit = std::get_if<EmitNode>(&node.layer)) {
      visit(layers::Truncated::Header{taken / emit->step, memory_->edges[usize(node.in)].after,
                                      memory_->edges[usize(node.out)].after},
            node.header_at);
    }
  }
  for (std::size_t q = 0; q < queues_.size(); ++q) {
    if (queues_[q].flush_of == kNone) visit(memory_->queue[q].after, queues_[q].header_at);
  }
}

void Program::write_headers(std::int64_t taken, float* state) const {
  each_header(taken, [state]<class Header>(const Header& header, std::size_t at) {
    put(header, layers::state_as<Header>(state, at));
  });
}

bool Program::headers_match(std::int64_t taken, const float* state) const {
  bool all = true;
  each_header(taken, [state, &all]<class Header>(const Header& header, std::size_t at) {
    all = all && same(header, layers::state_as<Header>(state, at));
  });
  return all;
}

gpu::Lanes Program::lanes_of(const StepLanes& lanes, int operation, int max_rows) const {
  gpu::Lanes result{.scratch = lanes.scratch,
                    .scratch_step = scratch_.floats(),
                    .count = lanes.count,
                    .max_rows = max_rows,
                    .table = nullptr,
                    .table_step = 0,
                    .fixed = {}};
  if (lanes.parts != nullptr) {
    result.table = lanes.parts + operation;
    result.table_step = operations_;
  } else {
    result.fixed = lanes.steady->parts[usize(operation)];
    result.max_rows = result.fixed.rows;
  }
  return result;
}

gpu::Product Program::ready(const Node& node, const StepLanes& lanes) const {
  gpu::Product p = node.product;
  p.lanes = lanes_of(lanes, node.operation, node.max_windows);
  return p;
}

void Program::enqueue_zeros(const StepLanes& lanes, cudaStream_t stream) const {
  const gpu::Zeros zeros{.places = zeroed_,
                         .count = pads(),
                         .scratch = lanes.scratch,
                         .scratch_step = scratch_.floats(),
                         .table = lanes.pads,
                         .table_step = lanes.parts != nullptr ? pads() : 0,
                         .lanes = lanes.count};
  check(gpu::pad_zeros(zeros, stream), "pad with zeros");
}

void Program::enqueue_pad(const Node& node, const StepLanes& lanes, cudaStream_t stream) const {
  const ConvNode* conv = std::get_if<ConvNode>(&node.layer);
  if (conv == nullptr || !conv->plan.shape.reflect) return;
  if (lanes.parts == nullptr && lanes.steady->pads[usize(node.pad)].right == 0) return;
  const gpu::Pad pad{.at = node.buffer_at,
                     .row_floats = node.product.source[0].row_floats,
                     .scratch = lanes.scratch,
                     .scratch_step = scratch_.floats(),
                     .table = lanes.pads + node.pad,
                     .table_step = lanes.parts != nullptr ? pads() : 0,
                     .lanes = lanes.count};
  check(gpu::pad_rows(pad, stream), "pad rows");
}

void Program::enqueue_lstm(const Node& node, const StepLanes& lanes, cudaStream_t stream) const {
  const LstmNode& lstm = std::get<LstmNode>(node.layer);
  const gpu::Lanes all = lanes_of(lanes, node.operation, node.max_windows);
  for (std::size_t s = 0; s < lstm.products.size(); ++s) {
    gpu::Product p = lstm.products[s];
    p.lanes = all;
    p.lanes.max_rows = 1;
    for (int t = 0; t < all.max_rows; ++t) {
      gpu::Cell cell = lstm.cells[s];
      cell.step = t;
      check(gpu::lstm_step(p, cell, stream), "launch an LSTM step");
    }
  }
}

void Program::enqueue(const StepLanes& lanes, cudaStream_t stream) const {
  if (lanes.pads != nullptr) enqueue_zeros(lanes, stream);
  for (const Launch& launch : launches_) {
    const Node& first = nodes_[usize(launch.node[0])];
    if (std::holds_alternative<LstmNode>(first.layer)) {
      enqueue_lstm(first, lanes, stream);
      continue;
    }
    if (std::holds_alternative<NormNode>(first.layer)) {
      enqueue_norm(first, lanes, stream);
      continue;
    }
    if (std::holds_alternative<EmitNode>(first.layer)) {
      enqueue_emit(first, lanes, stream);
      continue;
    }
    gpu::Product products[2];
    int count = 0;
    for (int i = 0; i < launch.count; ++i) {
      const Node& node = nodes_[usize(launch.node[i])];
      if (lanes.pads != nullptr) enqueue_pad(node, lanes, stream);
      const gpu::Product product = ready(node, lanes);
      if (product.lanes.max_rows > 0) products[count++] = product;
    }
    if (count > 0) check(gpu::product(products, count, stream), "launch a product");
  }
}

}  // namespace hopcodec::graph::cuda
