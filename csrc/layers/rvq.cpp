#include "layers/rvq.hpp"

#include <algorithm>

#include "kernels/fold.hpp"

namespace hopcodec::layers {
namespace {

constexpr int kBatch = 32;  // frames that share one read of a codebook

// A single row, so the distance between rows does not matter.
RowBlock one_row(const float* from, float* to) {
  return {.a = from, .a_step = 0, .c = to, .c_step = 0, .rows = 1};
}

}  // namespace

Codebook make_codebook(const float* entries, int size, int inner, bool normalised) {
  const auto n = static_cast<std::size_t>(size);
  const auto d = static_cast<std::size_t>(inner);
  std::vector<float> matrix(d * n);
  std::vector<float> bias(n);
  std::vector<float> row(d);
  for (std::size_t i = 0; i < n; ++i) {
    std::copy_n(entries + i * d, d, row.data());
    if (normalised) kernels::normalise(row.data(), row.data(), d);
    double square = 0.0;
    for (std::size_t k = 0; k < d; ++k) {
      matrix[k * n + i] = row[k];
      square += static_cast<double>(row[k]) * static_cast<double>(row[k]);
    }
    bias[i] = static_cast<float>(-0.5 * square);
  }
  std::shared_ptr<float[]> copy = base::make_floats(n * d);
  std::copy_n(entries, n * d, copy.get());
  return {.search = std::make_shared<Packed>(matrix.data(), bias.data(), d, n),
          .entries = std::move(copy),
          .project = nullptr,
          .unproject = nullptr};
}

Rvq::Rvq(const RvqWeights& weights, int max_frames)
    : weights_(weights), batch_(std::min(kBatch, max_frames)) {
  const auto frames = static_cast<std::size_t>(batch_);
  base::Layout layout;
  const std::size_t scores = layout.take(frames * static_cast<std::size_t>(weights_.size));
  const std::size_t inner = layout.take(frames * static_cast<std::size_t>(weights_.inner));
  const std::size_t outer = layout.take(frames * static_cast<std::size_t>(weights_.dim));
  memory_ = base::make_floats(layout.floats());
  scores_ = memory_.get() + scores;
  inner_ = memory_.get() + inner;
  outer_ = memory_.get() + outer;
}

void Rvq::encode(const Compute& compute, const Frame* frames, int n_frames, int n_q) noexcept {
  for (int first = 0; first < n_frames; first += batch_) {
    encode_batch(compute, frames + first, std::min(batch_, n_frames - first), n_q);
  }
}

void Rvq::encode_batch(const Compute& compute, const Frame* frames, int n_frames,
                       int n_q) noexcept {
  const std::ptrdiff_t size = weights_.size;
  const std::ptrdiff_t inner = weights_.inner;
  const std::ptrdiff_t dim = weights_.dim;
  RowBlock blocks[kBatch] = {};
  for (int q = 0; q < n_q; ++q) {
    const Codebook& book = weights_.books[static_cast<std::size_t>(q)];
    const bool projected = book.project != nullptr;
    if (projected) {
      for (int f = 0; f < n_frames; ++f) {
        blocks[f] = one_row(frames[f].latent, inner_ + f * inner);
      }
      book.project->multiply(compute, {1, weights_.dim, 0}, blocks, n_frames);
      for (int f = 0; f < n_frames; ++f) {
        float* x = inner_ + f * inner;
        kernels::normalise(x, x, static_cast<std::size_t>(inner));
      }
    }
    for (int f = 0; f < n_frames; ++f) {
      const float* query = projected ? inner_ + f * inner : frames[f].latent;
      blocks[f] = one_row(query, scores_ + f * size);
    }
    book.search->multiply(compute, {1, weights_.inner, 0}, blocks, n_frames);
    for (int f = 0; f < n_frames; ++f) {
      const int best = compute.kernels.argmax(scores_ + f * size, static_cast<std::size_t>(size));
      frames[f].codes[q * frames[f].book_step] = static_cast<std::uint16_t>(best);
      const float* entry = book.entries.get() + best * inner;
      if (!projected) {
        compute.kernels.subtract(entry, frames[f].latent, static_cast<std::size_t>(dim));
      } else {
        blocks[f] = one_row(entry, outer_ + f * dim);
      }
    }
    if (!projected) continue;
    book.unproject->multiply(compute, {1, weights_.inner, 0}, blocks, n_frames);
    for (int f = 0; f < n_frames; ++f) {
      compute.kernels.subtract(outer_ + f * dim, frames[f].latent, static_cast<std::size_t>(dim));
    }
  }
}

void Rvq::decode(const Compute& compute, const std::uint16_t* codes, std::ptrdiff_t book_step,
                 int n_q, float* latent) noexcept {
  const auto dim = static_cast<std::size_t>(weights_.dim);
  std::fill_n(latent, dim, 0.0F);
  for (int q = 0; q < n_q; ++q) {
    const Codebook& book = weights_.books[static_cast<std::size_t>(q)];
    // The codes were checked at the start of the push, but they are in the caller's memory and may
    // have changed since: clamp every index.
    const int code = std::min<int>(codes[q * book_step], weights_.size - 1);
    const float* entry = book.entries.get() + code * static_cast<std::ptrdiff_t>(weights_.inner);
    if (book.unproject != nullptr) {
      const RowBlock row = one_row(entry, outer_);
      book.unproject->multiply(compute, {1, weights_.inner, 0}, &row, 1);
      entry = outer_;
    }
    compute.kernels.add(entry, latent, dim);
  }
}

}  // namespace hopcodec::layers
