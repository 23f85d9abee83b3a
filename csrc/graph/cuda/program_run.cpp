// A step of a Program: what each lane does, and the launches.
#include <algorithm>
#include <cstring>

#include "graph/cuda/program.hpp"
#include "graph/cuda/walk.hpp"
#include "layers/truncated.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;

namespace {

std::size_t usize(int n) { return static_cast<std::size_t>(n); }

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// Of a layer's header in a state, field by field: a snapshot's padding bytes are nobody's business.
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

bool same(const gpu::Padding& a, const gpu::Padding& b) {
  // Once a stream has settled, mirrored rows are the same wherever it ends.
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
  return {std::vector<gpu::Part>(usize(operations_)), std::vector<gpu::Move>(holds_.size()),
          std::vector<gpu::Padding>(pads_.size()), 0};
}

void Program::trace(const Passage& in, Trace& to) const { walk(in, *walk_, &to); }

gpu::Part Program::walk_conv(const Stage& stage, const Conv& conv, Walk& walk, Trace* to) const {
  const Passage& from = walk.edges[usize(stage.in)];
  const bool looks = stage.looks_on != kNone;
  const ConvStep step = looks ? look_on(conv.plan, walk.conv[usize(stage.looks_on)], from)
                              : conv_step(conv.plan, from);
  walk.conv[static_cast<std::size_t>(&stage - stages_.data())] = step;
  walk.edges[usize(stage.out)] = step.out;
  walk.inlet_rows[usize(stage.inlet)] = step.inlet;
  if (to != nullptr) to->pads[usize(stage.pad)] = step.padding;
  if (to != nullptr && !looks) to->moves[usize(stage.hold)] = step.move;
  return {step.out.rows(), step.begin, 0, step.out.rows(), {}, 0};
}

gpu::Part Program::walk_transpose(const Stage& stage, const Transpose& transpose, Walk& walk,
                                  Trace* to) const {
  const Passage& from = walk.edges[usize(stage.in)];
  const bool looks = stage.looks_on != kNone;
  const TransposeStep step =
      looks ? look_on(transpose.shape, walk.transpose[usize(stage.looks_on)], from)
            : transpose_step(transpose.shape, from);
  walk.transpose[static_cast<std::size_t>(&stage - stages_.data())] = step;
  walk.edges[usize(stage.out)] = step.out;
  walk.inlet_rows[usize(stage.inlet)] = step.inlet;
  if (to != nullptr) to->pads[usize(stage.pad)] = step.padding;
  if (to != nullptr && !looks) to->moves[usize(stage.hold)] = step.move;
  return {step.windows, step.begin, step.skip, step.out.rows(), {}, 0};
}

gpu::Part Program::walk_lstm(const Stage& stage, const Lstm& lstm, Walk& walk, Trace* to) const {
  const Passage from = walk.edges[usize(stage.in)];
  walk.edges[usize(stage.out)] = from;
  walk.inlet_rows[usize(stage.inlet)] = 0;
  for (std::size_t i = 0; to != nullptr && i < lstm.products.size(); ++i) {
    const int keep = from.last ? 0 : 1;
    to->moves[usize(stage.hold) + 2 * i] = {1, 0, keep, from.rows()};  // hidden
    to->moves[usize(stage.hold) + 2 * i + 1] = {1, 0, keep, 0};        // cell, in place
  }
  return {from.rows(), 0, 0, from.rows(), {}, 0};
}

void Program::walk_queues(const Passage& in, Walk& walk, Trace* to) const {
  for (std::size_t q = 0; q < queues_.size(); ++q) {
    const Queue& queue = queues_[q];
    const bool looks = queue.looks_on != kNone;
    if (looks && (in.last || to == nullptr)) continue;
    const QueueStep step =
        queue_step(walk.edges[usize(queue.shortcut)], walk.edges[usize(queue.branch)]);
    walk.queue[q] = step;
    // Rows that the step itself has used up stand in front of those that a look adds.
    const int used = looks ? walk.queue[usize(queue.looks_on)].move.close_from : 0;
    walk.inlet_rows[usize(queue.inlet)] = used + step.queued;
    if (to == nullptr) continue;
    to->parts[usize(stages_[usize(queue.joins)].operation)].add = used;
    if (!looks) to->moves[usize(queue.hold)] = step.move;
  }
}

void Program::walk(const Passage& in, Walk& walk, Trace* to) const {
  walk.edges[0] = in;
  // At its end a stream has nothing to look at.
  const bool looks = to != nullptr && !in.last;
  if (edges_[0].look != kNone) walk.edges[usize(edges_[0].look)] = {in.after, in.after, true};
  for (const Stage& stage : stages_) {
    if (stage.looks_on != kNone && !looks) {
      if (to != nullptr) to->parts[usize(stage.operation)] = {};
      if (to != nullptr) to->pads[usize(stage.pad)] = {};
      continue;
    }
    gpu::Part part{};
    if (const Conv* conv = std::get_if<Conv>(&stage.layer)) {
      part = walk_conv(stage, *conv, walk, to);
    } else if (const Transpose* transpose = std::get_if<Transpose>(&stage.layer)) {
      part = walk_transpose(stage, *transpose, walk, to);
    } else if (const Lstm* lstm = std::get_if<Lstm>(&stage.layer)) {
      part = walk_lstm(stage, *lstm, walk, to);
    } else if (const Norm* norm = std::get_if<Norm>(&stage.layer)) {
      part = walk_norm(stage, *norm, walk);
    } else {
      part = walk_give(stage, std::get<Give>(stage.layer), walk);
    }
    if (to != nullptr) to->parts[usize(stage.operation)] = part;
  }
  walk_queues(in, walk, to);
  if (to == nullptr) return;
  walk.inlet_rows.back() = 0;  // the outlet
  to->out_rows = walk.edges[usize(out_edge_)].rows();
  to->parts.back() = {to->out_rows, 0, 0, to->out_rows, {}, 0};
  to->parts[0] = {in.rows(), 0, 0, in.rows(), {}, 0};
  const auto place = [&](int edge, gpu::Part& part) {
    int count = 0;
    for (std::size_t i = 0; i < inlets_.size(); ++i) {
      if (inlets_[i].edge == edge) part.to[count++] = walk.inlet_rows[i];
    }
  };
  place(0, to->parts[0]);
  for (const Stage& stage : stages_) place(stage.out, to->parts[usize(stage.operation)]);
}

// Calls visit(what the header of a layer is for a stream of this age, where it stands).
template <class Visit>
void Program::each_header(std::int64_t taken, Visit visit) const {
  walk({0, taken, false}, *walk_, nullptr);
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    const Stage& stage = stages_[s];
    if (stage.looks_on != kNone) continue;
    if (std::holds_alternative<Conv>(stage.layer)) {
      visit(walk_->conv[s].after, stage.header_at);
    } else if (std::holds_alternative<Transpose>(stage.layer)) {
      visit(walk_->transpose[s].after, stage.header_at);
    } else if (const Give* give = std::get_if<Give>(&stage.layer)) {
      visit(layers::Truncated::Header{taken / give->step, walk_->edges[usize(stage.in)].after,
                                      walk_->edges[usize(stage.out)].after},
            stage.header_at);
    }
  }
  for (std::size_t q = 0; q < queues_.size(); ++q) {
    if (queues_[q].looks_on == kNone) visit(walk_->queue[q].after, queues_[q].header_at);
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

gpu::Lanes Program::lanes_of(const Lanes& lanes, int operation, int max_rows) const {
  gpu::Lanes result{lanes.scratch, scratch_.floats(), lanes.count, max_rows, nullptr, 0, {},
                    lanes.overlaps};
  if (lanes.parts != nullptr) {
    result.table = lanes.parts + operation;
    result.table_step = operations_;
  } else {
    result.fixed = lanes.steady->parts[usize(operation)];
    result.max_rows = result.fixed.rows;
  }
  return result;
}

gpu::Product Program::ready(const Stage& stage, const Lanes& lanes) const {
  gpu::Product p = stage.product;
  p.lanes = lanes_of(lanes, stage.operation, stage.max_windows);
  return p;
}

void Program::enqueue_zeros(const Lanes& lanes, cudaStream_t stream) const {
  const gpu::Zeros zeros{zeroed_,           pads(),     lanes.scratch,
                         scratch_.floats(), lanes.pads, lanes.parts != nullptr ? pads() : 0,
                         lanes.count};
  check(gpu::pad_zeros(zeros, stream), "pad with zeros");
}

void Program::enqueue_pad(const Stage& stage, const Lanes& lanes, cudaStream_t stream) const {
  const Conv* conv = std::get_if<Conv>(&stage.layer);
  if (conv == nullptr || !conv->plan.shape.reflect) return;
  if (lanes.parts == nullptr && lanes.steady->pads[usize(stage.pad)].right == 0) return;
  const gpu::Pad pad{
      stage.buffer_at,        stage.product.source[0].row_floats,  lanes.scratch, scratch_.floats(),
      lanes.pads + stage.pad, lanes.parts != nullptr ? pads() : 0, lanes.count};
  check(gpu::pad_rows(pad, stream), "pad rows");
}

void Program::enqueue_lstm(const Stage& stage, const Lanes& lanes, cudaStream_t stream) const {
  const Lstm& lstm = std::get<Lstm>(stage.layer);
  const gpu::Lanes all = lanes_of(lanes, stage.operation, stage.max_windows);
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

void Program::enqueue(const Lanes& lanes, cudaStream_t stream) const {
  if (lanes.pads != nullptr) enqueue_zeros(lanes, stream);
  for (const Launch& launch : launches_) {
    const Stage& first = stages_[usize(launch.stage[0])];
    if (std::holds_alternative<Lstm>(first.layer)) {
      enqueue_lstm(first, lanes, stream);
      continue;
    }
    if (std::holds_alternative<Norm>(first.layer)) {
      enqueue_norm(first, lanes, stream);
      continue;
    }
    if (std::holds_alternative<Give>(first.layer)) {
      enqueue_give(first, lanes, stream);
      continue;
    }
    gpu::Product products[2];
    int count = 0;
    for (int i = 0; i < launch.count; ++i) {
      const Stage& stage = stages_[usize(launch.stage[i])];
      if (lanes.pads != nullptr) enqueue_pad(stage, lanes, stream);
      const gpu::Product product = ready(stage, lanes);
      if (product.lanes.max_rows > 0) products[count++] = product;
    }
    if (count > 0) check(gpu::product(products, count, stream), "launch a product");
  }
}

}  // namespace hopcodec::graph::cuda
