#include "graph/cuda/encoder.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "base/integers.hpp"
#include "graph/cuda/use.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;
using base::usize;

namespace {

gpu::Matrix matrix_of(const std::shared_ptr<const layers::Packed>& packed, Constants& constants) {
  return packed == nullptr ? gpu::Matrix{} : constants.matrix(packed);
}

int checked_rows(const Options& options, int hop) {
  return checked("hop_samples", hop, kMaxHop) *
         checked("max_frames_per_push", options.max_frames, kMaxFrames);
}

// Checks the limits of the kernels, which keep a frame in shared memory.
void check_quantizer(const layers::RvqWeights& quantizer) {
  const bool projected = !quantizer.books.empty() && quantizer.books.front().project != nullptr;
  const int most_dim = projected ? gpu::kMaxProjectedDim : gpu::kMaxSearchDim;
  if (quantizer.dim > most_dim) {
    throw std::invalid_argument("cuda: expected latents of at most " + std::to_string(most_dim) +
                                " channels, got " + std::to_string(quantizer.dim));
  }
  if (projected && quantizer.inner > gpu::kMaxInnerDim) {
    throw std::invalid_argument("cuda: expected projected entries of at most " +
                                std::to_string(gpu::kMaxInnerDim) + " channels, got " +
                                std::to_string(quantizer.inner));
  }
}

std::size_t own_floats(int hop, int channels) {
  return base::round_up(layers::floats_of<graph::Encoder::Header>(), base::kAlignFloats) +
         usize(hop) * usize(checked("channels", channels, kMaxChannels));
}

}  // namespace

std::vector<gpu::Book> upload(const layers::RvqWeights& quantizer, Constants& constants) {
  std::vector<gpu::Book> books;
  for (const layers::Codebook& book : quantizer.books) {
    const std::size_t entries = usize(quantizer.size) * usize(quantizer.inner);
    books.push_back({.search = matrix_of(book.search, constants),
                     .entries = constants.floats(book.entries, entries),
                     .project = matrix_of(book.project, constants),
                     .unproject = matrix_of(book.unproject, constants)});
  }
  return books;
}

Encoder::Encoder(const std::vector<layers::LayerWeights>& chain,
                 const layers::RvqWeights& quantizer, int channels, int hop_samples,
                 const Options& options)
    : Session(chain, fitted(chain, options), channels,
              checked_rows(fitted(chain, options), hop_samples), own_floats(hop_samples, channels),
              usize(checked_rows(fitted(chain, options), hop_samples)) * usize(channels) *
                  sizeof(float)),
      quantizer_(quantizer),
      channels_(channels),
      hop_(hop_samples),
      books_(upload(quantizer, constants_)) {
  if (program_.out_channels() != quantizer.dim || program_.row_samples() != hop_samples) {
    throw std::invalid_argument("encoder: expected a chain with latents of " +
                                std::to_string(quantizer.dim) + " channels and " +
                                std::to_string(hop_samples) + " samples per frame, got " +
                                std::to_string(program_.out_channels()) + " channels and " +
                                std::to_string(program_.row_samples()) + " samples");
  }
  check_quantizer(quantizer);
  const std::size_t frames = usize(options_.streams) * usize(program_.max_out_rows());
  residual_ = DeviceArray<float>(2 * frames * usize(quantizer.dim), stream());
  best_ = DeviceArray<gpu::Best>(2 * frames * usize(gpu::most_chunks(quantizer.size)), stream());
  headers_.resize(usize(options_.streams));
  pending_.resize(usize(options_.streams) * usize(hop_ * channels_));
  done_.resize(usize(options_.streams));
  if (program_.whole())
    stream_rows_ = StreamRows(options_.streams, hop_ * options_.max_frames, channels_);
  const std::size_t frame_bytes =
      usize(codebooks()) * sizeof(std::uint16_t) + usize(quantizer.dim) * sizeof(float);
  prepare(hop_, usize(program_.max_out_rows()) * frame_bytes + sizeof(float),
          static_cast<int>(options_.codebooks.size()));
  work_.resize(usize(shapes()));
  for (std::vector<LaneWork>& lanes : work_) lanes.reserve(usize(options_.streams));
}

int Encoder::codebooks_of(int variant) const { return options_.codebooks[usize(variant)]; }

int Encoder::variant_of(int n_q) const {
  const auto& captured = options_.codebooks;
  const auto at = std::find(captured.begin(), captured.end(), n_q);
  return at == captured.end() || wants_latents_ ? -1 : static_cast<int>(at - captured.begin());
}

void Encoder::start(int stream) { headers_[usize(stream)] = {}; }

std::int64_t Encoder::most_frames(int stream, std::int64_t samples, bool last) const noexcept {
  const Header& h = headers_[usize(stream)];
  const std::int64_t taken = h.taken + samples;
  return (last ? (taken + hop_ - 1) / hop_ : taken / hop_) - h.emitted;
}

Outcome Encoder::check(const EncodeItem* items, int count, bool last) const noexcept {
  const float most = most_sample(program_.whole());
  const std::int64_t longest = std::int64_t{options_.max_frames} * hop_;
  for (int i = 0; i < count; ++i) {
    const EncodeItem& item = items[i];
    if (finished(item.stream)) return {Status::kFinished, i, 0};
    if (program_.whole() && headers_[usize(item.stream)].taken + item.samples > longest) {
      return {Status::kTooLong, i, longest};
    }
    if (item.capacity - item.frames < most_frames(item.stream, item.samples, last)) {
      return {Status::kNoRoom, i, 0};
    }
    for (int c = 0; c < channels_; ++c) {
      const float* x = item.audio + c * item.channel_step;
      for (std::int64_t n = 0; n < item.samples; ++n) {
        // The negated comparison also refuses NaN.
        if (!(std::fabs(x[n]) <= most)) return {Status::kBadSample, i, n, x[n]};
      }
    }
  }
  return {};
}

void Encoder::enqueue_input(const Program::StepLanes& lanes, const gpu::Moves& moves,
                            const std::byte* payload) {
  const int most = hop_ * options_.max_frames;
  gpu::Feed feed{};
  feed.rows = reinterpret_cast<const float*>(payload);
  feed.lane_step = usize(most) * usize(channels_);
  feed.channels = channels_;
  feed.sinks = program_.input_sinks(feed.sink);
  feed.lanes = program_.lanes_of(lanes, 0, most);
  cuda::check(gpu::feed(feed, stream(), moves), "feed samples");
}

std::size_t Encoder::enqueue_output(const Program::StepLanes& lanes, const gpu::Moves& moves,
                                    int rows, int n_q, std::byte* to) {
  const gpu::Lanes out = program_.lanes_of(lanes, program_.operations() - 1, rows);
  auto* codes = reinterpret_cast<std::uint16_t*>(output_.data());
  const gpu::RvqEncode encode{
      .frames = {.lanes = out, .latents_at = program_.outlet_at(), .dim = quantizer_.dim},
      .books = books_.data(),
      .size = quantizer_.size,
      .inner = quantizer_.inner,
      .n_q = n_q,
      .residual = residual_.data(),
      .best = best_.data(),
      .codes = codes};
  cuda::check(gpu::rvq_encode(encode, stream()), "quantise");
  const std::size_t frames = usize(lanes.count) * usize(rows);
  std::size_t bytes = base::round_up(frames * usize(n_q) * sizeof(std::uint16_t), sizeof(float));
  if (wants_latents_) {
    const std::size_t floats = usize(rows) * usize(quantizer_.dim);
    const gpu::GatherRows gather{.at = program_.outlet_at(),
                                 .floats = floats,
                                 .scratch = out.scratch,
                                 .scratch_step = out.scratch_step,
                                 .to = reinterpret_cast<float*>(output_.data() + bytes),
                                 .lane_step = floats,
                                 .lanes = lanes.count};
    cuda::check(gpu::gather(gather, stream()), "gather latents");
    bytes += usize(lanes.count) * floats * sizeof(float);
  }
  // Codes are first written to device memory. The search has a launch per codebook, and each would
  // otherwise wait for its writes over the bus.
  gpu::GatherRows to_host{};
  if (to != output_.data()) {
    to_host.floats = bytes / sizeof(float);
    to_host.scratch = reinterpret_cast<const float*>(output_.data());
    to_host.to = reinterpret_cast<float*>(to);
    to_host.lanes = 1;
  }
  cuda::check(gpu::gather(to_host, stream(), moves), "copy codes to the host");
  return bytes;
}

void Encoder::collect(StagingBuffer& staging) {
  cuda::check(cudaEventSynchronize(staging.done.get()), "wait for a step");
  staging.busy = false;
  const auto* codes = staging.out.at<const std::uint16_t>(0);
  const std::size_t code_bytes = base::round_up(
      usize(staging.bucket) * usize(staging.rows) * usize(staging.n_q) * sizeof *codes,
      sizeof(float));
  const auto* latents = staging.out.at<const float>(code_bytes);
  const auto dim = usize(quantizer_.dim);
  for (std::size_t lane = 0; lane < staging.lanes.size(); ++lane) {
    const Lane& assigned = staging.lanes[lane];
    EncodeItem& item = items_[assigned.item];
    const int frames =
        static_cast<int>(std::min<std::int64_t>(assigned.frames, item.capacity - item.frames));
    const std::size_t first = lane * usize(staging.rows);
    for (int f = 0; f < frames; ++f) {
      const std::uint16_t* from = codes + (first + usize(f)) * usize(staging.n_q);
      for (int q = 0; q < staging.n_q; ++q) {
        item.codes[q * item.book_step + (item.frames + f) * item.frame_step] = from[q];
      }
    }
    if (item.latents != nullptr) {
      std::memcpy(item.latents + usize(item.frames) * dim, latents + first * dim,
                  usize(frames) * dim * sizeof(float));
    }
    item.frames += frames;
    headers_[usize(item.stream)].emitted += frames;
  }
}

// Writes `rows` samples per channel: first the pending ones, then the next ones of the item.
void Encoder::fill(float* to, EncodeItem& item, int rows) {
  Header& h = headers_[usize(item.stream)];
  std::copy_n(pending(item.stream), h.pending * channels_, to);
  std::int64_t& done = done_[usize(&item - items_)];
  const int fresh = rows - h.pending;
  for (int c = 0; c < channels_; ++c) {
    const float* x = item.audio + c * item.channel_step + done;
    for (int t = 0; t < fresh; ++t) to[(h.pending + t) * channels_ + c] = x[t];
  }
  done += fresh;
  h.taken += fresh;
  h.pending = 0;
}

void Encoder::keep_remainder(EncodeItem& item) {
  Header& h = headers_[usize(item.stream)];
  const std::int64_t done = done_[usize(&item - items_)];
  const auto left = static_cast<int>(item.samples - done);
  float* to = pending(item.stream) + h.pending * channels_;
  for (int c = 0; c < channels_; ++c) {
    const float* x = item.audio + c * item.channel_step + done;
    for (int t = 0; t < left; ++t) to[t * channels_ + c] = x[t];
  }
  h.pending += left;
  h.taken += left;
}

void Encoder::step(EncodeItem* items, const std::vector<LaneWork>& lanes, int shape, int n_q,
                   bool last) {
  if (lanes.empty()) return;
  StagingBuffer& staging = begin(static_cast<int>(lanes.size()));
  float* samples = payload<float>(staging);
  const std::size_t lane_step = usize(hop_ * options_.max_frames * channels_);
  for (const LaneWork& work : lanes) {
    EncodeItem& item = items[work.item];
    const std::int64_t before = chain_rows(item.stream);
    // The samples left at the end. In a chain that runs on whole streams, these are all samples.
    const Header& h = headers_[usize(item.stream)];
    const int left = program_.whole() ? static_cast<int>(h.taken) : h.pending;
    const int rest = options_.whole_hops ? (left + hop_ - 1) / hop_ * hop_ : left;
    const int rows = last ? rest : work.frames * hop_;
    const Trace* ragged = nullptr;
    int frames = work.frames;
    if (shape == kRagged) {
      const Trace& t = trace({before, before + rows, last});
      frames = t.out_rows;
      ragged = &t;
    }
    const int lane = add_lane(staging, item.stream, work.item, frames, ragged);
    float* to = samples + usize(lane) * lane_step;
    if (last) {
      const float* from =
          program_.whole() ? stream_rows_.row(item.stream, 0) : pending(item.stream);
      std::copy_n(from, left * channels_, to);
      std::fill(to + left * channels_, to + rows * channels_, 0.0F);
    } else {
      fill(to, item, rows);
    }
  }
  launch(staging, shape, variant_of(n_q), n_q);
}

void Encoder::append_rows(const EncodeItem& item) {
  Header& h = headers_[usize(item.stream)];
  float* to = stream_rows_.row(item.stream, h.taken);
  for (int c = 0; c < channels_; ++c) {
    const float* x = item.audio + c * item.channel_step;
    for (std::int64_t t = 0; t < item.samples; ++t) to[t * channels_ + c] = x[t];
  }
  h.taken += item.samples;
  h.pending = static_cast<std::int32_t>(h.taken % hop_);
}

Outcome Encoder::push(EncodeItem* items, int count, int n_q) {
  const Use use(busy_);
  if (!use.ours()) return {Status::kBusy, 0, 0};
  const Outcome outcome = check(items, count, /*last=*/false);
  if (outcome.status != Status::kOk) return outcome;
  if (program_.whole()) {
    for (int i = 0; i < count; ++i) append_rows(items[i]);
    return {};
  }
  cuda::check(cudaSetDevice(options_.device), "select the device");
  items_ = items;
  wants_latents_ = count > 0 && items[0].latents != nullptr;
  std::fill_n(done_.begin(), count, 0);
  for (bool more = true; more;) {
    more = false;
    for (std::vector<LaneWork>& lanes : work_) lanes.clear();
    for (int i = 0; i < count; ++i) {
      const Header& h = headers_[usize(items[i].stream)];
      const std::int64_t have = (h.pending + items[i].samples - done_[usize(i)]) / hop_;
      if (have == 0) continue;
      const std::int64_t rows = chain_rows(items[i].stream);
      const int most = static_cast<int>(std::min<std::int64_t>(options_.max_frames, have));
      const int frames = steady_frames(rows, most);
      work_[usize(shape_of(rows, frames) + 1)].push_back({i, frames});
      more = true;
    }
    for (std::size_t s = 0; s < work_.size(); ++s) {
      step(items, work_[s], static_cast<int>(s) - 1, n_q, /*last=*/false);
    }
  }
  for (int i = 0; i < count; ++i) keep_remainder(items[i]);
  drain();
  return {};
}

Outcome Encoder::flush(EncodeItem* items, int count, int n_q) {
  const Use use(busy_);
  if (!use.ours()) return {Status::kBusy, 0, 0};
  for (int i = 0; i < count; ++i) items[i].samples = 0;
  const Outcome outcome = check(items, count, /*last=*/true);
  if (outcome.status != Status::kOk) return outcome;
  cuda::check(cudaSetDevice(options_.device), "select the device");
  items_ = items;
  wants_latents_ = count > 0 && items[0].latents != nullptr;
  std::fill_n(done_.begin(), count, 0);
  for (std::vector<LaneWork>& lanes : work_) lanes.clear();
  for (int i = 0; i < count; ++i) work_[0].push_back({i, 0});
  step(items, work_[0], kRagged, n_q, /*last=*/true);
  for (int i = 0; i < count; ++i) headers_[usize(items[i].stream)].finished = 1;
  drain();
  return {};
}

void Encoder::write_own(int stream, float* state) const {
  const Header& h = headers_[usize(stream)];
  float* own = state + program_.own_state_at();
  auto& to = *reinterpret_cast<Header*>(own);
  to.taken = h.taken;
  to.emitted = h.emitted;
  to.pending = h.pending;
  to.finished = h.finished;
  const std::int64_t hops = h.taken - h.pending;
  const float* rest = program_.whole() ? stream_rows_.row(stream, hops)
                                       : pending_.data() + usize(stream * hop_ * channels_);
  std::copy_n(rest, h.pending * channels_,
              own + base::round_up(layers::floats_of<Header>(), base::kAlignFloats));
  if (program_.whole()) write_stream_rows(stream_rows_, stream, hops, channels_, state);
}

bool Encoder::read_own(int stream, const float* state) {
  const float* own = state + program_.own_state_at();
  const Header& h = *reinterpret_cast<const Header*>(own);
  if (!h.possible(hop_, state_bytes())) return false;
  const std::int64_t hops = h.taken - h.pending;
  const bool whole = program_.whole();
  const float* rest = own + base::round_up(layers::floats_of<Header>(), base::kAlignFloats);
  const std::int64_t pending_floats = std::int64_t{h.pending} * channels_;
  if (!all_within(rest, pending_floats, most_sample(whole))) return false;
  if (whole && h.taken > std::int64_t{options_.max_frames} * hop_) return false;
  if (h.finished == 0 && !program_.headers_match(whole ? 0 : hops, state)) return false;
  if (h.finished == 0 && whole && !read_stream_rows(stream_rows_, stream, hops, channels_, state))
    return false;
  headers_[usize(stream)] = h;
  std::copy_n(rest, pending_floats, whole ? stream_rows_.row(stream, hops) : pending(stream));
  return true;
}

}  // namespace hopcodec::graph::cuda
