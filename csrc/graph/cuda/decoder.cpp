#include "graph/cuda/decoder.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/float_mode.hpp"
#include "base/integers.hpp"
#include "graph/cuda/encoder.hpp"
#include "graph/cuda/use.hpp"
#include "kernels/dispatch.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;
using base::usize;

namespace {

// Bytes of the payload per lane: the number of codebooks and the codes (frame, codebook), padded to
// four bytes; or latents.
std::size_t lane_bytes(const layers::RvqWeights& quantizer, int max_frames) {
  const std::size_t codes = usize(max_frames) * usize(quantizer.codebooks());
  const std::size_t latents = usize(max_frames) * usize(quantizer.dim) * sizeof(float);
  return std::max(latents, sizeof(std::int32_t) +
                               base::round_up(codes * sizeof(std::uint16_t), sizeof(std::int32_t)));
}

}  // namespace

Decoder::Decoder(const std::vector<layers::LayerWeights>& chain,
                 const layers::RvqWeights& quantizer, int channels, int hop_samples,
                 const Options& options)
    : Session(chain, fitted(chain, options), quantizer.dim, fitted(chain, options).max_frames,
              layers::floats_of<Header>(),
              lane_bytes(quantizer, fitted(chain, options).max_frames)),
      quantizer_(quantizer),
      channels_(channels),
      hop_(checked("hop_samples", hop_samples, kMaxHop)),
      books_(constants_.array(upload(quantizer, constants_))),
      rvq_(quantizer, 1),
      pool_(1),
      compute_{hopcodec::kernels::table_of(base::best_isa()), pool_} {
  if (program_.out_channels() != channels ||
      std::fabs(program_.row_samples() * hop_samples - 1.0) > 1e-9) {
    throw std::invalid_argument("decoder: expected a chain with " + std::to_string(channels) +
                                " audio channels and " + std::to_string(hop_samples) +
                                " samples per frame, got " +
                                std::to_string(program_.out_channels()) + " channels and " +
                                std::to_string(1.0 / program_.row_samples()) + " samples");
  }
  headers_.resize(usize(options_.streams));
  done_.resize(usize(options_.streams));
  if (program_.whole())
    stream_rows_ = StreamRows(options_.streams, options_.max_frames, quantizer.dim);
  prepare(1, usize(program_.max_out_rows()) * usize(channels) * sizeof(float), 1);
  work_.resize(usize(shapes()));
  for (std::vector<LaneWork>& lanes : work_) lanes.reserve(usize(options_.streams));
}

void Decoder::start(int stream) { headers_[usize(stream)] = {}; }

std::int64_t Decoder::most_samples(int stream, std::int64_t frames) const noexcept {
  const Header& h = headers_[usize(stream)];
  return (h.taken + frames) * hop_ - h.emitted;
}

Outcome Decoder::check(const DecodeItem* items, int count) const noexcept {
  for (int i = 0; i < count; ++i) {
    const DecodeItem& item = items[i];
    if (finished(item.stream)) return {Status::kFinished, i, 0};
    if (program_.whole() &&
        headers_[usize(item.stream)].taken + item.frames > options_.max_frames) {
      return {Status::kTooLong, i, options_.max_frames};
    }
    if (item.capacity - item.samples < most_samples(item.stream, item.frames)) {
      return {Status::kNoRoom, i, 0};
    }
    for (int q = 0; q < item.n_q; ++q) {
      for (std::int64_t f = 0; f < item.frames; ++f) {
        if (item.codes[q * item.book_step + f * item.frame_step] >= quantizer_.size) {
          return {Status::kBadCode, i, f};
        }
      }
    }
  }
  return {};
}

void Decoder::enqueue_input(const Program::StepLanes& lanes, const gpu::Moves& moves,
                            const std::byte* payload) {
  if (program_.whole()) {
    gpu::Feed feed{};
    feed.rows = reinterpret_cast<const float*>(payload);
    feed.lane_step = usize(options_.max_frames) * usize(quantizer_.dim);
    feed.channels = quantizer_.dim;
    feed.sinks = program_.input_sinks(feed.sink);
    feed.lanes = program_.lanes_of(lanes, 0, options_.max_frames);
    cuda::check(gpu::feed(feed, stream(), moves), "feed latents");
    return;
  }
  gpu::RvqDecode decode{};
  decode.books = books_;
  decode.n_q = reinterpret_cast<const std::int32_t*>(payload);
  decode.codes =
      reinterpret_cast<const std::uint16_t*>(payload + usize(lanes.count) * sizeof(std::int32_t));
  decode.books_step = codebooks();
  decode.frames_step = options_.max_frames;
  decode.size = quantizer_.size;
  decode.inner = quantizer_.inner;
  decode.dim = quantizer_.dim;
  decode.sinks = program_.input_sinks(decode.sink);
  decode.lanes = program_.lanes_of(lanes, 0, options_.max_frames);
  cuda::check(gpu::rvq_decode(decode, stream(), moves), "sum codebook entries");
}

std::size_t Decoder::enqueue_output(const Program::StepLanes& lanes, const gpu::Moves& moves,
                                    int rows, int, std::byte* to) {
  const std::size_t floats = usize(rows) * usize(channels_);
  const gpu::GatherRows gather{.at = program_.outlet_at(),
                               .floats = floats,
                               .scratch = lanes.scratch,
                               .scratch_step = program_.scratch_floats(),
                               .to = reinterpret_cast<float*>(to),
                               .lane_step = floats,
                               .lanes = lanes.count};
  cuda::check(gpu::gather(gather, stream(), moves), "gather audio");
  return usize(lanes.count) * floats * sizeof(float);
}

void Decoder::collect(StagingBuffer& staging) {
  cuda::check(cudaEventSynchronize(staging.done.get()), "wait for a step");
  staging.busy = false;
  const auto* audio = staging.out.at<const float>(0);
  for (std::size_t lane = 0; lane < staging.lanes.size(); ++lane) {
    const Lane& assigned = staging.lanes[lane];
    DecodeItem& item = items_[assigned.item];
    // Emit no more than most_samples() promised, however many rows the trims of the chain leave.
    const std::int64_t room = std::min(most_samples(item.stream, 0), item.capacity - item.samples);
    const int rows = static_cast<int>(std::min<std::int64_t>(assigned.frames, room));
    const float* from = audio + lane * usize(staging.rows) * usize(channels_);
    for (int c = 0; c < channels_; ++c) {
      float* to = item.audio + c * item.channel_step + item.samples;
      for (int t = 0; t < rows; ++t) to[t] = from[t * channels_ + c];
    }
    item.samples += rows;
    headers_[usize(item.stream)].emitted += rows;
  }
}

void Decoder::step(DecodeItem* items, const std::vector<LaneWork>& lanes, int shape, bool last) {
  if (lanes.empty()) return;
  StagingBuffer& staging = begin(static_cast<int>(lanes.size()));
  auto* n_q = payload<std::int32_t>(staging);
  auto* codes = reinterpret_cast<std::uint16_t*>(n_q + staging.bucket);
  const std::size_t lane_step = usize(options_.max_frames) * usize(codebooks());
  std::fill_n(n_q, staging.bucket, 0);
  for (const LaneWork& work : lanes) {
    DecodeItem& item = items[work.item];
    Header& h = headers_[usize(item.stream)];
    const Trace* ragged = nullptr;
    int rows = work.frames * hop_;
    if (shape == kRagged) {
      const Trace& t = trace({h.taken, h.taken + work.frames, last});
      rows = t.out_rows;
      ragged = &t;
    }
    const int lane = add_lane(staging, item.stream, work.item, rows, ragged);
    n_q[lane] = item.n_q;
    std::int64_t& done = done_[usize(work.item)];
    for (int f = 0; f < work.frames; ++f) {
      std::uint16_t* to = codes + usize(lane) * lane_step + usize(f) * usize(codebooks());
      const std::uint16_t* from = item.codes + (done + f) * item.frame_step;
      for (int q = 0; q < item.n_q; ++q) to[q] = from[q * item.book_step];
    }
    done += work.frames;
    h.taken += work.frames;
  }
  launch(staging, shape, 0, 0);
}

// Runs the chain on whole streams, at their end.
void Decoder::step_whole(DecodeItem* items, const std::vector<LaneWork>& lanes) {
  if (lanes.empty()) return;
  StagingBuffer& staging = begin(static_cast<int>(lanes.size()));
  auto* latents = payload<float>(staging);
  const std::size_t lane_step = usize(options_.max_frames) * usize(quantizer_.dim);
  for (const LaneWork& work : lanes) {
    const int stream = items[work.item].stream;
    const std::int64_t frames = headers_[usize(stream)].taken;
    const Trace& t = trace({0, frames, /*last=*/true});
    const int lane = add_lane(staging, stream, work.item, t.out_rows, &t);
    std::copy_n(stream_rows_.row(stream, 0), frames * quantizer_.dim,
                latents + usize(lane) * lane_step);
  }
  launch(staging, kRagged, 0, 0);
}

void Decoder::append_rows(const DecodeItem& item) {
  const base::FlushDenormals flush;
  Header& h = headers_[usize(item.stream)];
  for (std::int64_t f = 0; f < item.frames; ++f) {
    rvq_.decode(compute_, item.codes + f * item.frame_step, item.book_step, item.n_q,
                stream_rows_.row(item.stream, h.taken++));
  }
}

Outcome Decoder::push(DecodeItem* items, int count) {
  const Use use(busy_);
  if (!use.ours()) return {Status::kBusy, 0, 0};
  const Outcome outcome = check(items, count);
  if (outcome.status != Status::kOk) return outcome;
  if (program_.whole()) {
    for (int i = 0; i < count; ++i) append_rows(items[i]);
    return {};
  }
  cuda::check(cudaSetDevice(options_.device), "select the device");
  items_ = items;
  std::fill_n(done_.begin(), count, 0);
  for (bool more = true; more;) {
    more = false;
    for (std::vector<LaneWork>& lanes : work_) lanes.clear();
    for (int i = 0; i < count; ++i) {
      const std::int64_t have = items[i].frames - done_[usize(i)];
      if (have == 0) continue;
      const std::int64_t taken = headers_[usize(items[i].stream)].taken;
      const int most = static_cast<int>(std::min<std::int64_t>(options_.max_frames, have));
      const int frames = steady_frames(taken, most);
      work_[usize(shape_of(taken, frames) + 1)].push_back({i, frames});
      more = true;
    }
    for (std::size_t s = 0; s < work_.size(); ++s) {
      step(items, work_[s], static_cast<int>(s) - 1, /*last=*/false);
    }
  }
  drain();
  return {};
}

Outcome Decoder::flush(DecodeItem* items, int count) {
  const Use use(busy_);
  if (!use.ours()) return {Status::kBusy, 0, 0};
  for (int i = 0; i < count; ++i) items[i].frames = 0;
  const Outcome outcome = check(items, count);
  if (outcome.status != Status::kOk) return outcome;
  cuda::check(cudaSetDevice(options_.device), "select the device");
  items_ = items;
  std::fill_n(done_.begin(), count, 0);
  for (std::vector<LaneWork>& lanes : work_) lanes.clear();
  for (int i = 0; i < count; ++i) work_[0].push_back({i, 0});
  if (program_.whole()) {
    step_whole(items, work_[0]);
  } else {
    step(items, work_[0], kRagged, /*last=*/true);
  }
  for (int i = 0; i < count; ++i) headers_[usize(items[i].stream)].finished = 1;
  drain();
  return {};
}

void Decoder::write_own(int stream, float* state) const {
  const Header& h = headers_[usize(stream)];
  auto& to = *reinterpret_cast<Header*>(state + program_.own_state_at());
  to.taken = h.taken;
  to.emitted = h.emitted;
  to.finished = h.finished;
  if (program_.whole()) write_stream_rows(stream_rows_, stream, h.taken, quantizer_.dim, state);
}

bool Decoder::read_own(int stream, const float* state) {
  const Header& h = *reinterpret_cast<const Header*>(state + program_.own_state_at());
  if (!h.possible(hop_, state_bytes())) return false;
  const bool whole = program_.whole();
  if (whole && h.taken > options_.max_frames) return false;
  if (h.finished == 0 && !program_.headers_match(whole ? 0 : h.taken, state)) return false;
  if (h.finished == 0 && whole &&
      !read_stream_rows(stream_rows_, stream, h.taken, quantizer_.dim, state)) {
    return false;
  }
  headers_[usize(stream)] = h;
  return true;
}

}  // namespace hopcodec::graph::cuda
