#include "graph/cuda/session.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "graph/cuda/use.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;

namespace {

constexpr std::size_t kAlign = 256;
constexpr int kMostStreams = 32768;     // a safe limit for one dimension of a grid
constexpr int kFewLanes = 8;            // below this, kernels access pinned host memory directly
constexpr std::int64_t kSettled = 256;  // frames after which a stream should be in its steady state
// Of all lanes together, because kernels count in int.
constexpr std::int64_t kMostRows = std::int64_t{1} << 30;

// Returns 1, 2, 3, 4, 6, 8, 12, ... and n, so that every step uses at least two thirds of its
// lanes.
std::vector<int> buckets_up_to(int n) {
  std::vector<int> buckets;
  for (int b = 1; b < n; b *= 2) {
    buckets.push_back(b);
    if (b >= 2 && b / 2 * 3 < n) buckets.push_back(b / 2 * 3);
  }
  buckets.push_back(n);
  return buckets;
}

}  // namespace

Options fitted(const std::vector<layers::LayerWeights>& chain, Options options) {
  using Truncated = std::shared_ptr<const layers::TruncatedWeights>;
  checked("max_frames_per_push", options.max_frames, kMaxFrames);
  if (!chain.empty() && std::holds_alternative<Truncated>(chain.front())) options.max_frames = 1;
  return options;
}

Session::Session(const std::vector<layers::LayerWeights>& chain, const Options& options,
                 int channels, int max_rows, std::size_t own_state, std::size_t payload_bytes)
    : options_(options),
      device_(options.device),
      stream_(make_stream()),
      constants_(options.device, stream_.get(), options.uploads, options.precision),
      program_(chain, options.zero_start, channels, max_rows, own_state, constants_),
      payload_bytes_(payload_bytes) {
  checked("streams", options_.streams, kMostStreams);
  options_.fingerprint ^= options_.zero_start ? 0x5a65726fULL : 0;
  options_.fingerprint ^= options_.whole_hops ? 0x686f7073ULL : 0;
}

void Session::prepare(int unit, std::size_t out_bytes, int variants) {
  unit_ = unit;
  variants_ = variants;
  buckets_ = buckets_up_to(options_.streams);
  const auto streams = static_cast<std::size_t>(options_.streams);
  const std::int64_t rows = std::int64_t{program_.most_rows()} * options_.streams;
  if (rows >= kMostRows) {
    throw std::invalid_argument("cuda: expected fewer than 2^30 rows in a step, got " +
                                std::to_string(rows) + ": fewer streams or frames per push");
  }
  states_ = DeviceArray<float>(program_.state_floats() * streams, stream());
  scratch_ = DeviceArray<float>(program_.scratch_floats() * streams, stream());
  input_ = DeviceArray<std::byte>(layout(options_.streams).end, stream());
  output_ = DeviceArray<std::byte>(out_bytes * streams, stream());
  state_parts_ = constants_.array(program_.state_parts());
  trace_ = program_.make_trace();
  for (StagingBuffer& staging : staging_) {
    staging.in = PinnedBytes(input_.bytes());
    staging.out = PinnedBytes(output_.bytes());
    staging.done = make_event();
    staging.lanes.reserve(streams);
    std::memset(staging.in.data(), 0, input_.bytes());
  }
  find_steady_shapes(unit);
  if (options_.graphs) capture_all(variants);
  for (int s = 0; s < options_.streams; ++s) start(s);
  check(cudaStreamSynchronize(stream()), "prepare");
}

// Finds the steady shapes: a shape is steady from the frame after which its trace no longer
// changes.
void Session::find_steady_shapes(int unit) {
  if (program_.whole()) return;
  std::vector<int> frames = {1};
  if (options_.max_frames > 1) frames.push_back(options_.max_frames);
  for (const int f : frames) {
    const auto at = [&](std::int64_t h, Trace& to) {
      program_.trace({h * unit, (h + f) * unit, false}, to);
    };
    SteadyShape steady{.frames = f,
                       .trace = program_.make_trace(),
                       .moves = nullptr,
                       .pads = nullptr,
                       .after = kSettled};
    Trace other = program_.make_trace();
    at(kSettled, steady.trace);
    while (steady.after > 0) {
      at(steady.after - 1, other);
      if (!(other == steady.trace)) break;
      --steady.after;
    }
    // A trace that changed until shortly before the end is not steady.
    if (steady.after > kSettled - 8 || steady.trace.out_rows == 0) continue;
    steady.moves = constants_.array(steady.trace.moves);
    const auto& pads = steady.trace.pads;
    const bool padded =
        std::any_of(pads.begin(), pads.end(), [](const gpu::Padding& p) { return p.right > 0; });
    if (padded) steady.pads = constants_.array(pads);
    steady_shapes_.push_back(std::move(steady));
  }
}

int Session::shape_of(std::int64_t rows, int frames) const {
  for (std::size_t i = 0; i < steady_shapes_.size(); ++i) {
    if (steady_shapes_[i].frames == frames && rows >= steady_shapes_[i].after * unit_)
      return static_cast<int>(i);
  }
  return kRagged;
}

// Returns how many of `frames` to process now, so that the step has a steady shape if possible.
int Session::steady_frames(std::int64_t rows, int frames) const {
  if (shape_of(rows, frames) != kRagged) return frames;
  return shape_of(rows, 1) != kRagged ? 1 : frames;
}

Session::StagingLayout Session::layout(int lanes) const {
  const auto n = static_cast<std::size_t>(lanes);
  std::size_t at = 0;
  const auto take = [&](std::size_t bytes) {
    const std::size_t begin = at;
    at = base::round_up(at + bytes, kAlign);
    return begin;
  };
  StagingLayout p{};
  p.slots = take(n * sizeof(std::int32_t));
  p.payload = take(n * payload_bytes_);
  p.parts = take(n * static_cast<std::size_t>(program_.operations()) * sizeof(gpu::Part));
  p.moves = take(n * program_.state_parts().size() * sizeof(gpu::Move));
  p.pads = take(n * static_cast<std::size_t>(program_.pads()) * sizeof(gpu::Padding));
  p.end = at;
  return p;
}

int Session::bucket_of(int lanes) const {
  return *std::lower_bound(buckets_.begin(), buckets_.end(), lanes);
}

Session::StagingBuffer& Session::begin(int lanes) {
  StagingBuffer& staging = staging_[next_staging_];
  next_staging_ ^= 1;
  if (staging.busy) collect(staging);
  staging.bucket = bucket_of(lanes);
  staging.lanes.clear();
  std::fill_n(staging.in.at<std::int32_t>(layout(staging.bucket).slots), staging.bucket, -1);
  return staging;
}

int Session::add_lane(StagingBuffer& staging, int stream, int item, int frames_out,
                      const Trace* trace) {
  const int lane = static_cast<int>(staging.lanes.size());
  const StagingLayout p = layout(staging.bucket);
  staging.lanes.push_back({item, frames_out});
  staging.in.at<std::int32_t>(p.slots)[lane] = stream;
  if (trace != nullptr) {
    const auto l = static_cast<std::size_t>(lane);
    std::copy(trace->parts.begin(), trace->parts.end(),
              staging.in.at<gpu::Part>(p.parts) + l * trace->parts.size());
    std::copy(trace->moves.begin(), trace->moves.end(),
              staging.in.at<gpu::Move>(p.moves) + l * trace->moves.size());
    std::copy(trace->pads.begin(), trace->pads.end(),
              staging.in.at<gpu::Padding>(p.pads) + l * trace->pads.size());
  }
  return lane;
}

// Zeroes the tables of unused lanes, which may hold values of earlier steps. Zero means that the
// lane does nothing.
void Session::clear_unused_lanes(StagingBuffer& staging) const {
  const StagingLayout p = layout(staging.bucket);
  const std::size_t first = staging.lanes.size();
  const std::size_t count = static_cast<std::size_t>(staging.bucket) - first;
  const auto clear = [&](std::size_t at, std::size_t lane_bytes) {
    std::memset(staging.in.data() + at + first * lane_bytes, 0, count * lane_bytes);
  };
  clear(p.parts, static_cast<std::size_t>(program_.operations()) * sizeof(gpu::Part));
  clear(p.moves, program_.state_parts().size() * sizeof(gpu::Move));
  clear(p.pads, static_cast<std::size_t>(program_.pads()) * sizeof(gpu::Padding));
}

Trace& Session::trace(const Passage& passage) {
  program_.trace(passage, trace_);
  return trace_;
}

void Session::enqueue(StagingBuffer& staging, int lanes, int shape, int n_q) {
  const StagingLayout p = layout(lanes);
  const bool is_steady = shape != kRagged;
  // A ragged step always copies, because every kernel reads its tables.
  const bool direct = is_steady && lanes <= kFewLanes;
  const std::byte* in = direct ? staging.in.data() : input_.data();
  std::byte* out = direct ? staging.out.data() : output_.data();
  if (!direct) {
    check(cudaMemcpyAsync(input_.data(), staging.in.data(), is_steady ? p.parts : p.end,
                          cudaMemcpyHostToDevice, stream()),
          "copy a step's input");
  }
  const auto parts = static_cast<std::int32_t>(program_.state_parts().size());
  const SteadyShape* steady =
      is_steady ? &steady_shapes_[static_cast<std::size_t>(shape)] : nullptr;
  const gpu::Moves moves{
      .state_parts = state_parts_,
      .count = parts,
      .table = is_steady ? steady->moves : reinterpret_cast<const gpu::Move*>(in + p.moves),
      .table_step = is_steady ? 0 : parts,
      .slots = reinterpret_cast<const std::int32_t*>(in + p.slots),
      .lanes = lanes,
      .scratch = scratch_.data(),
      .scratch_step = program_.scratch_floats(),
      .states = states_.data(),
      .state_floats = program_.state_floats()};
  const Program::StepLanes all{
      .scratch = scratch_.data(),
      .count = lanes,
      .parts = is_steady ? nullptr : reinterpret_cast<const gpu::Part*>(in + p.parts),
      .pads = is_steady ? steady->pads : reinterpret_cast<const gpu::Padding*>(in + p.pads),
      .steady = is_steady ? &steady->trace : nullptr};
  enqueue_input(all, moves, in + p.payload);
  program_.enqueue(all, stream());
  const int rows = is_steady ? all.steady->out_rows : program_.max_out_rows();
  const std::size_t bytes = enqueue_output(all, moves, rows, n_q, out);
  if (direct) return;
  check(cudaMemcpyAsync(staging.out.data(), out, bytes, cudaMemcpyDeviceToHost, stream()),
        "copy a step's output");
}

std::size_t Session::graph_index(int bucket, int shape, int variant,
                                 const StagingBuffer& staging) const {
  const auto b = static_cast<std::size_t>(
      std::lower_bound(buckets_.begin(), buckets_.end(), bucket) - buckets_.begin());
  const std::size_t shapes = steady_shapes_.size() + 1;
  const auto s = static_cast<std::size_t>(shape + 1);
  const auto side = static_cast<std::size_t>(&staging - staging_);
  return ((b * shapes + s) * static_cast<std::size_t>(variants_) +
          static_cast<std::size_t>(variant)) *
             2 +
         side;
}

void Session::capture_all(int variants) {
  const int shapes = static_cast<int>(steady_shapes_.size());
  for (StagingBuffer& staging : staging_) {
    std::fill_n(staging.in.at<std::int32_t>(layout(options_.streams).slots), options_.streams, -1);
  }
  graphs_.resize(buckets_.size() * static_cast<std::size_t>(shapes + 1) *
                 static_cast<std::size_t>(variants) * 2);
  for (const int bucket : buckets_) {
    for (int shape = kRagged; shape < shapes; ++shape) {
      // Run the step once without capture, on unused lanes, so that all kernels are loaded before
      // the capture. Variants differ in how often a kernel is launched, not in which kernels.
      if (variants > 0) {
        enqueue(staging_[0], bucket, shape, codebooks_of(0));
        check(cudaStreamSynchronize(stream()), "warm up");
      }
      for (int variant = 0; variant < variants; ++variant) {
        for (StagingBuffer& staging : staging_) {
          graphs_[graph_index(bucket, shape, variant, staging)] =
              capture(stream(), [&] { enqueue(staging, bucket, shape, codebooks_of(variant)); });
        }
      }
    }
  }
}

// Launches a step. `variant` < 0 means that no graph was captured for this number of codebooks.
// After a failure, waits until the device no longer reads the host buffers, and discards all steps
// in flight.
void Session::launch(StagingBuffer& staging, int shape, int variant, int n_q) {
  try {
    submit(staging, shape, variant, n_q);
  } catch (...) {
    static_cast<void>(cudaStreamSynchronize(stream()));
    for (StagingBuffer& each : staging_) each.busy = false;
    throw;
  }
}

void Session::submit(StagingBuffer& staging, int shape, int variant, int n_q) {
  staging.n_q = n_q;
  if (shape == kRagged) clear_unused_lanes(staging);
  staging.rows = shape == kRagged ? program_.max_out_rows()
                                  : steady_shapes_[static_cast<std::size_t>(shape)].trace.out_rows;
  if (options_.graphs && variant >= 0) {
    const Graph& graph = graphs_[graph_index(staging.bucket, shape, variant, staging)];
    check(cudaGraphLaunch(graph.get(), stream()), "launch a step");
    ++graph_steps_;
  } else {
    enqueue(staging, staging.bucket, shape, n_q);
    ++eager_steps_;
  }
  check(cudaEventRecord(staging.done.get(), stream()), "mark the end of a step");
  staging.busy = true;
}

void Session::drain() {
  for (int i = 0; i < 2; ++i) {
    StagingBuffer& staging = staging_[(next_staging_ + i) % 2];  // the older step first
    if (staging.busy) collect(staging);
  }
}

void Session::write_stream_rows(const StreamRows& held, int stream, std::int64_t rows, int channels,
                                float* state) const {
  layers::state_as<layers::Gather::Header>(state, program_.gather_at()).held =
      static_cast<std::int32_t>(rows);
  std::copy_n(held.row(stream, 0), rows * channels, state + program_.held_at());
}

bool Session::read_stream_rows(StreamRows& held, int stream, std::int64_t rows, int channels,
                               const float* state) const {
  if (layers::state_as<layers::Gather::Header>(state, program_.gather_at()).held != rows) {
    return false;
  }
  std::copy_n(state + program_.held_at(), rows * channels, held.row(stream, 0));
  return true;
}

std::size_t Session::device_bytes() const {
  return constants_.bytes() + states_.bytes() + scratch_.bytes() + input_.bytes() + output_.bytes();
}

Status Session::reset(int stream_index) {
  const Use use(busy_);
  if (!use.ours()) return Status::kBusy;
  check(cudaSetDevice(options_.device), "select the device");
  check(cudaMemsetAsync(state(stream_index), 0, state_bytes(), stream()), "reset a stream");
  start(stream_index);
  return Status::kOk;
}

Status Session::snapshot(int stream_index, std::byte* to) const {
  const Use use(busy_);
  if (!use.ours()) return Status::kBusy;
  check(cudaSetDevice(options_.device), "select the device");
  const base::FloatBuffer copy = base::make_floats(program_.state_floats());
  check(cudaMemcpyAsync(copy.get(), state(stream_index), state_bytes(), cudaMemcpyDeviceToHost,
                        stream()),
        "copy a state");
  check(cudaStreamSynchronize(stream()), "copy a state");
  program_.write_headers(chain_rows(stream_index), copy.get());
  write_own(stream_index, copy.get());
  std::memcpy(to + snapshot_header_bytes(), copy.get(), state_bytes());
  seal_snapshot(to, options_.fingerprint, state_bytes());
  return Status::kOk;
}

Status Session::restore(int stream_index, const std::byte* from, std::size_t bytes) {
  const std::byte* body = open_snapshot(from, bytes, options_.fingerprint, state_bytes());
  const Use use(busy_);
  if (!use.ours()) return Status::kBusy;
  check(cudaSetDevice(options_.device), "select the device");
  const base::FloatBuffer copy = base::make_floats(program_.state_floats());
  std::memcpy(copy.get(), body, state_bytes());
  // Accept the state only if every position in it is right for a stream that has taken as many
  // frames.
  if (!read_own(stream_index, copy.get())) {
    throw SnapshotError(
        "snapshot: expected positions within the stream's buffers and finite samples, got others");
  }
  check(cudaMemcpyAsync(state(stream_index), copy.get(), state_bytes(), cudaMemcpyHostToDevice,
                        stream()),
        "restore a state");
  check(cudaStreamSynchronize(stream()), "restore a state");
  return Status::kOk;
}

}  // namespace hopcodec::graph::cuda
