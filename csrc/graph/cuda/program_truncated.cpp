// A truncated chain (layers/truncated.hpp) on the GPU. It runs one step at a time.
//
// Each layer has a second node that computes what the layer would emit if the stream ended here. It
// works in the same buffer, behind the rows of the step, and its rows are never copied back to the
// state. The two nodes do not depend on each other and share a launch. So no state is copied, and
// with one stream the flush adds hardly a launch.
#include <algorithm>
#include <cmath>
#include <string>

#include "base/integers.hpp"
#include "graph/cuda/walk.hpp"
#include "layers/truncated.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;
using base::usize;

namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw std::invalid_argument("cuda: expected " + what);
}

}  // namespace

void Program::add_look(int stage, int max_windows, std::int64_t out_rows) {
  Stage look = stages_[usize(stage)];
  const Edge out = edges_[usize(look.out)];
  look.looks_on = stage;
  look.in = edges_[usize(look.in)].look;
  look.operation = operations_++;
  look.inlet = add_inlet(look.in, look.buffer_at, inlets_[usize(look.inlet)].activation);
  look.hold = kNone;
  look.pad = add_pad(look.buffer_at, look.product.source[0].row_floats);
  look.max_windows = max_windows;
  look.out = add_edge(out.channels, out_rows, out.row_samples, out.lookahead);
  edges_[usize(stages_[usize(stage)].out)].look = look.out;
  stages_.push_back(std::move(look));
  Launch& launch = launches_.back();
  launch.stage[launch.count++] = static_cast<int>(stages_.size()) - 1;
}

void Program::add_look(Queue queue, std::size_t rows_at) {
  queue.looks_on = static_cast<int>(queues_.size()) - 1;
  queue.shortcut = edges_[usize(queue.shortcut)].look;
  queue.branch = edges_[usize(queue.branch)].look;
  queue.joins = stage_making(queue.branch);
  queue.hold = kNone;
  queue.inlet = add_inlet(queue.shortcut, rows_at, {});
  stages_[usize(queue.joins)].product.add_at = static_cast<std::ptrdiff_t>(rows_at);
  queues_.push_back(queue);
}

int Program::add(const std::shared_ptr<const layers::TruncatedWeights>& w, int in) {
  w->check();
  const Edge from = edges_[usize(in)];
  if (!stages_.empty() || w->step != from.max_rows) {
    refuse("a truncated chain at the front, a frame a step, got one of " + std::to_string(w->step) +
           " rows a step behind " + std::to_string(stages_.size()) + " layers");
  }
  const auto is_lstm = [](const auto& l) { return std::holds_alternative<layers::LstmWeights>(l); };
  // An LSTM updates its cell in place, so a flush would change the state.
  if (std::any_of(w->layers.begin(), w->layers.end(), is_lstm)) {
    refuse("a truncated chain without LSTM, got one");
  }
  const std::size_t header_at = state_.take(layers::floats_of<layers::Truncated::Header>());
  const int look = add_edge(from.channels, 0, from.row_samples, from.lookahead);
  edges_[usize(in)].look = look;
  const int made = compile(w->layers, in);
  const Edge out = edges_[usize(made)];

  const double step_samples = w->step * from.row_samples;
  const double rows_per_step = step_samples / out.row_samples;
  const double ahead = w->ahead * step_samples;
  if (std::fabs(rows_per_step - std::round(rows_per_step)) > 1e-9 ||
      ahead >= out.lookahead - from.lookahead) {
    refuse("a truncated chain that makes whole rows of a step and looks further ahead than " +
           std::to_string(w->ahead) + " steps, got " + std::to_string(rows_per_step) +
           " rows and a look-ahead of " +
           std::to_string((out.lookahead - from.lookahead) / step_samples));
  }
  Give give{w->step, w->ahead, static_cast<int>(std::lround(rows_per_step)), 0};
  Stage stage{Give{}, made, 0, operations_++, 0, kNone, kNone, out.max_rows + give.rows_per_step,
              0,      0,    {}};
  const int rows = out.max_rows + edges_[usize(out.look)].max_rows;
  stage.header_at = header_at;
  stage.buffer_at = scratch_.take(usize(rows) * usize(out.channels));
  stage.inlet = add_inlet(made, stage.buffer_at, {});
  give.look_inlet = add_inlet(out.look, stage.buffer_at, {});
  stage.out = add_edge(out.channels, stage.max_windows, out.row_samples, from.lookahead + ahead);
  stage.layer = give;
  return stages_[usize(add_stage(std::move(stage)))].out;
}

// Returns how many rows have been emitted once `taken` rows have come: the rows that are due,
// limited to those that the chain makes of a signal that ends there. `edge` is the output of the
// chain.
std::int64_t Program::given_by(const Give& give, int edge, std::int64_t taken, Walk& walk) const {
  const std::int64_t steps = taken / give.step;
  if (steps <= give.ahead) return 0;
  walk.whole[0] = {0, taken, true};
  for (const Stage& stage : stages_) {
    if (stage.looks_on != kNone) continue;
    const Passage& from = walk.whole[usize(stage.in)];
    Passage& out = walk.whole[usize(stage.out)];
    if (const Conv* conv = std::get_if<Conv>(&stage.layer)) {
      out = conv_step(conv->plan, from).out;
    } else if (const Transpose* transpose = std::get_if<Transpose>(&stage.layer)) {
      out = transpose_step(transpose->shape, from).out;
    }
    if (stage.out == edge) break;
  }
  return std::min((steps - give.ahead) * give.rows_per_step, walk.whole[usize(edge)].after);
}

gpu::Part Program::walk_give(const Stage& stage, const Give& give, Walk& walk) const {
  const Passage& in = walk.edges[0];
  const Passage& made = walk.edges[usize(stage.in)];
  const std::int64_t before = given_by(give, stage.in, in.before, walk);
  const std::int64_t after =
      in.last ? std::max(before, made.after) : given_by(give, stage.in, in.after, walk);
  walk.edges[usize(stage.out)] = {before, after, in.last};
  walk.inlet_rows[usize(stage.inlet)] = 0;
  walk.inlet_rows[usize(give.look_inlet)] = made.rows();
  const int rows = static_cast<int>(after - before);
  return {rows, static_cast<int>(before - made.before), 0, rows, {}, 0};
}

void Program::enqueue_give(const Stage& stage, const Lanes& lanes, cudaStream_t stream) const {
  gpu::Feed feed{};
  feed.rows = lanes.scratch + stage.buffer_at;
  feed.lane_step = scratch_.floats();
  feed.channels = edges_[usize(stage.out)].channels;
  feed.sinks = stage.product.sinks;
  std::copy_n(stage.product.sink, feed.sinks, feed.sink);
  feed.lanes = lanes_of(lanes, stage.operation, stage.max_windows);
  check(gpu::feed(feed, stream), "hand out rows");
}

}  // namespace hopcodec::graph::cuda
