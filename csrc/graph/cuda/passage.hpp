// Computes how many rows a layer takes and emits, and where they are, from the number of rows that
// the stream has brought so far. Streaming is exact, so nothing else matters: not the partition,
// not the time, not the other streams. The host therefore plans every step in advance, the device
// never reports back, and all steps of equal shape share one captured graph.
//
// The arithmetic is the same as in layers/conv1d.cpp, conv_transpose1d.cpp and chain.cpp; tests
// compare snapshots byte for byte.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/rows.hpp"
#include "layers/chain.hpp"

namespace hopcodec::graph::cuda {

// The number of rows on one edge of the chain before and after a step.
struct Passage {
  std::int64_t before;
  std::int64_t after;
  bool last;  // the stream ends with this step

  int rows() const { return static_cast<int>(after - before); }
};

// Sizes of a convolution's buffer, as in layers::Conv1d.
struct ConvPlan {
  layers::Conv1dShape shape;  // with `reflect` off if the session starts from zeros
  int back;                   // rows kept in front of the next window for the reflection at the end
  int max_held;
  int max_right;

  explicit ConvPlan(const layers::Conv1dShape& of) : shape(of) {
    const int overlap = shape.reach() - shape.stride;
    max_right = shape.right + (shape.full_window ? shape.stride - 1 : 0);
    back = shape.reflect ? std::max(0, max_right + 1 - overlap) : 0;
    max_held = std::max(shape.left, back + shape.reach() - 1);
  }
};

struct ConvStep {
  int inlet;  // row of the buffer where this step's rows go
  int begin;  // row of the buffer where its first window starts
  Passage out;
  kernels::cuda::Padding padding;
  kernels::cuda::Move move;
  layers::Conv1d::Header after;
};

inline ConvStep conv_step(const ConvPlan& plan, const Passage& in) {
  const layers::Conv1dShape& s = plan.shape;
  const auto windows = [&](std::int64_t padded) {
    return padded < s.reach() ? 0 : (padded - s.reach()) / s.stride + 1;
  };
  const bool waits = s.reflect && s.left > 0;
  const bool started = !waits || in.before > s.left;
  const bool starts = !started && (in.after > s.left || in.last);
  const std::int64_t given = started ? windows(s.left + in.before) : 0;
  // Index of the buffer's row 0 in the padded stream.
  const std::int64_t origin = started ? std::max<std::int64_t>(0, given * s.stride - plan.back) : 0;
  const int held = static_cast<int>(started ? s.left + in.before - origin : in.before);

  ConvStep step{};
  step.inlet = held + (started ? 0 : s.left);
  step.begin = static_cast<int>(given * s.stride - origin);
  const int count = step.inlet + in.rows();
  step.padding.left = starts ? s.left : 0;
  step.padding.end = count;
  step.padding.reflect = s.reflect ? 1 : 0;
  step.padding.widest_left = s.left;
  step.padding.total = in.after;
  if (in.last && in.after > 0) {
    const auto extra =
        static_cast<int>(s.full_window ? (s.stride - in.after % s.stride) % s.stride : 0);
    step.padding.right = s.right + extra;
  }
  std::int64_t total = given;
  if ((started || starts) && in.after > 0) total = windows(s.left + in.after + step.padding.right);
  step.out = {given, std::max(total, given), in.last};

  const bool now_started = started || starts;
  const int next = now_started ? step.begin + step.out.rows() * s.stride : s.left;
  const int keep = now_started ? std::max(0, next - plan.back) : next;
  step.after = {.total = in.after,
                .held = count - keep,
                .begin = now_started ? next - keep : 0,
                .started = now_started ? 1 : 0};
  step.move = {.open_rows = held,
               .open_to = started ? 0 : s.left,
               .close_rows = in.last ? 0 : count - keep,
               .close_from = keep};
  return step;
}

// Plans what the layer would emit if the stream ended after this step. The rows of that flush are
// computed in the same buffer, behind the rows of the step, and leave them unchanged. `in` goes
// from after the step to after it, with `last`.
inline ConvStep flush_step(const ConvPlan& plan, const ConvStep& step, const Passage& in) {
  ConvStep flush = conv_step(plan, in);
  const int behind = step.move.close_from - flush.move.open_to;
  flush.inlet += behind;
  flush.begin += behind;
  flush.padding.end += behind;
  return flush;
}

struct TransposeStep {
  int inlet;
  int begin;
  int windows;
  int skip;  // rows trimmed at the start of the result
  Passage out;
  kernels::cuda::Padding padding;
  kernels::cuda::Move move;
  layers::ConvTranspose1d::Header after;
};

inline TransposeStep transpose_step(const layers::ConvTranspose1dShape& s, const Passage& in) {
  const int history = s.taps() - 1;
  const auto given = [&](std::int64_t rows) {
    return std::max<std::int64_t>(0, rows * s.stride - s.trim_left);
  };
  TransposeStep step{};
  const bool tail = in.last && in.after > 0;
  step.inlet = history;
  step.windows = in.rows() + (tail ? history : 0);
  step.padding.end = history + in.rows();
  step.padding.right = tail ? history : 0;
  step.padding.total = in.after;
  const std::int64_t made = std::int64_t{step.windows} * s.stride;
  const std::int64_t skip = std::clamp<std::int64_t>(s.trim_left - in.before * s.stride, 0, made);
  std::int64_t count = made - skip;
  const std::int64_t whole = (in.after - 1) * s.stride + s.kernel;
  if (in.last) count = std::min(count, whole - s.trim_left - s.trim_right - given(in.before));
  count = std::max<std::int64_t>(count, 0);
  step.skip = static_cast<int>(skip);
  step.out = {given(in.before), given(in.before) + count, in.last};
  step.after = {in.after, step.out.after};
  step.move = {.open_rows = history,
               .open_to = 0,
               .close_rows = in.last ? 0 : history,
               .close_from = in.rows()};
  return step;
}

inline TransposeStep flush_step(const layers::ConvTranspose1dShape& s, const TransposeStep& step,
                                const Passage& in) {
  TransposeStep flush = transpose_step(s, in);
  flush.inlet += step.move.close_from;
  flush.begin += step.move.close_from;
  flush.padding.end += step.move.close_from;
  return flush;
}

// The queue of a residual block: rows of the shortcut that wait for the branch.
struct QueueStep {
  int queued;  // rows before the step; the shortcut's new rows go behind them
  kernels::cuda::Move move;
  layers::Residual::Header after;
};

inline QueueStep queue_step(const Passage& shortcut, const Passage& branch) {
  const auto queued = static_cast<int>(shortcut.before - branch.before);
  const int left = queued + shortcut.rows() - branch.rows();
  return {.queued = queued,
          .move = {.open_rows = queued,
                   .open_to = 0,
                   .close_rows = shortcut.last ? 0 : left,
                   .close_from = branch.rows()},
          .after = {.queued = left}};
}

}  // namespace hopcodec::graph::cuda
