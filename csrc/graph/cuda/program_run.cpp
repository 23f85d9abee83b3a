// A step of a Program: what each lane does, and the launches.
#include <cstring>

#include "graph/cuda/program.hpp"
#include "graph/cuda/walk.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;

namespace {

std::size_t usize(int n) { return static_cast<std::size_t>(n); }

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class Header>
bool same(const Header& a, const Header& b) {
  // Field by field: a snapshot's padding bytes are nobody's business.
  if constexpr (requires { a.held; }) {
    return a.total == b.total && a.held == b.held && a.begin == b.begin && a.started == b.started;
  } else if constexpr (requires { a.queued; }) {
    return a.queued == b.queued;
  } else {
    return a.total == b.total && a.emitted == b.emitted;
  }
}

template <class Header>
void put(const Header& from, Header& to) {
  if constexpr (requires { to.held; }) {
    to.total = from.total;
    to.held = from.held;
    to.begin = from.begin;
    to.started = from.started;
  } else if constexpr (requires { to.queued; }) {
    to.queued = from.queued;
  } else {
    to.total = from.total;
    to.emitted = from.emitted;
  }
}

}  // namespace

bool Trace::operator==(const Trace& other) const {
  return out_rows == other.out_rows && same_bytes(parts, other.parts) &&
         same_bytes(moves, other.moves);
}

Trace Program::make_trace() const {
  return {std::vector<gpu::Part>(usize(operations_)), std::vector<gpu::Move>(holds_.size()),
          std::vector<gpu::Padding>(usize(pads_)), 0};
}

void Program::trace(const Passage& in, Trace& to) const { walk(in, *walk_, &to); }

void Program::walk(const Passage& in, Walk& walk, Trace* to) const {
  walk.edges[0] = in;
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    const Stage& stage = stages_[s];
    const Passage& from = walk.edges[usize(stage.in)];
    Passage& out = walk.edges[usize(stage.out)];
    gpu::Part part{};
    if (const Conv* conv = std::get_if<Conv>(&stage.layer)) {
      const ConvStep step = conv_step(conv->plan, from);
      out = step.out;
      walk.conv[s] = step.after;
      walk.inlet_rows[usize(stage.inlet)] = step.inlet;
      part = {out.rows(), step.begin, 0, out.rows(), {}};
      if (to != nullptr) {
        to->pads[usize(stage.pad)] = step.padding;
        to->moves[usize(stage.hold)] = step.move;
      }
    } else if (const Transpose* transpose = std::get_if<Transpose>(&stage.layer)) {
      const TransposeStep step = transpose_step(transpose->shape, from);
      out = step.out;
      walk.transpose[s] = step.after;
      walk.inlet_rows[usize(stage.inlet)] = step.move.open_rows;
      part = {step.windows, 0, step.skip, out.rows(), {}};
      if (to != nullptr) {
        to->pads[usize(stage.pad)] = step.padding;
        to->moves[usize(stage.hold)] = step.move;
      }
    } else {
      out = from;
      walk.inlet_rows[usize(stage.inlet)] = 0;
      part = {from.rows(), 0, 0, from.rows(), {}};
      const std::size_t stages = std::get<Lstm>(stage.layer).products.size();
      for (std::size_t i = 0; to != nullptr && i < stages; ++i) {
        const int keep = from.last ? 0 : 1;
        to->moves[usize(stage.hold) + 2 * i] = {1, 0, keep, from.rows()};  // hidden
        to->moves[usize(stage.hold) + 2 * i + 1] = {1, 0, keep, 0};        // cell, in place
      }
    }
    if (to != nullptr) to->parts[usize(stage.operation)] = part;
  }
  for (std::size_t q = 0; q < queues_.size(); ++q) {
    const Queue& queue = queues_[q];
    const QueueStep step =
        queue_step(walk.edges[usize(queue.shortcut)], walk.edges[usize(queue.branch)]);
    walk.queue[q] = step.after;
    walk.inlet_rows[usize(queue.inlet)] = step.queued;
    if (to != nullptr) to->moves[usize(queue.hold)] = step.move;
  }
  if (to == nullptr) return;
  walk.inlet_rows.back() = 0;  // the outlet
  to->out_rows = walk.edges[usize(out_edge_)].rows();
  to->parts.back() = {to->out_rows, 0, 0, to->out_rows, {}};
  to->parts[0] = {in.rows(), 0, 0, in.rows(), {}};
  const auto place = [&](int edge, gpu::Part& part) {
    int count = 0;
    for (std::size_t i = 0; i < inlets_.size(); ++i) {
      if (inlets_[i].edge == edge) part.to[count++] = walk.inlet_rows[i];
    }
  };
  place(0, to->parts[0]);
  for (const Stage& stage : stages_) place(stage.out, to->parts[usize(stage.operation)]);
}

void Program::write_headers(std::int64_t taken, float* state) const {
  walk({0, taken, false}, *walk_, nullptr);
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    const Stage& stage = stages_[s];
    if (std::holds_alternative<Conv>(stage.layer)) {
      put(walk_->conv[s], layers::state_as<layers::Conv1d::Header>(state, stage.header_at));
    } else if (std::holds_alternative<Transpose>(stage.layer)) {
      put(walk_->transpose[s],
          layers::state_as<layers::ConvTranspose1d::Header>(state, stage.header_at));
    }
  }
  for (std::size_t q = 0; q < queues_.size(); ++q) {
    put(walk_->queue[q], layers::state_as<layers::Residual::Header>(state, queues_[q].header_at));
  }
}

bool Program::headers_match(std::int64_t taken, const float* state) const {
  walk({0, taken, false}, *walk_, nullptr);
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    const Stage& stage = stages_[s];
    if (std::holds_alternative<Conv>(stage.layer) &&
        !same(walk_->conv[s], layers::state_as<layers::Conv1d::Header>(state, stage.header_at))) {
      return false;
    }
    if (std::holds_alternative<Transpose>(stage.layer) &&
        !same(walk_->transpose[s],
              layers::state_as<layers::ConvTranspose1d::Header>(state, stage.header_at))) {
      return false;
    }
  }
  for (std::size_t q = 0; q < queues_.size(); ++q) {
    if (!same(walk_->queue[q],
              layers::state_as<layers::Residual::Header>(state, queues_[q].header_at))) {
      return false;
    }
  }
  return true;
}

gpu::Lanes Program::lanes_of(const Lanes& lanes, int operation, int max_rows) const {
  gpu::Lanes result{lanes.scratch, scratch_.floats(), lanes.count, max_rows, nullptr, 0, {}};
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

void Program::enqueue_pad(const Stage& stage, const Lanes& lanes, cudaStream_t stream) const {
  const gpu::Pad pad{stage.buffer_at,
                     stage.product.source[0].row_floats,
                     lanes.scratch,
                     scratch_.floats(),
                     lanes.pads + stage.pad,
                     pads_,
                     lanes.count};
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
  for (const Launch& launch : launches_) {
    const Stage& first = stages_[usize(launch.stage[0])];
    if (std::holds_alternative<Lstm>(first.layer)) {
      enqueue_lstm(first, lanes, stream);
      continue;
    }
    gpu::Product products[2];
    for (int i = 0; i < launch.count; ++i) {
      const Stage& stage = stages_[usize(launch.stage[i])];
      if (lanes.pads != nullptr) enqueue_pad(stage, lanes, stream);
      products[i] = ready(stage, lanes);
    }
    check(gpu::product(products, launch.count, stream), "launch a product");
  }
}

}  // namespace hopcodec::graph::cuda
