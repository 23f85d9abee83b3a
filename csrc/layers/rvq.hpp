// Residual vector quantisation: each codebook finds the entry nearest to the residual and subtracts
// it before the next codebook.
//
// Euclidean codebooks (EnCodec, core_vq.py): argmin |x - e|^2 = argmax (x . e - |e|^2 / 2), because
// |x|^2 is the same for every entry. Projected codebooks (DAC, quantize.py): the residual is
// projected to the codebook's dimension, both sides are L2-normalised for the search, and the
// unnormalised entry is projected back and subtracted. The lowest index wins ties.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "layers/packed.hpp"

namespace hopcodec::layers {

struct Codebook {
  std::shared_ptr<const Packed> search;     // inner x size, with bias -|e|^2 / 2
  std::shared_ptr<const float[]> entries;   // size x inner, not normalised
  std::shared_ptr<const Packed> project;    // dim -> inner, or null
  std::shared_ptr<const Packed> unproject;  // inner -> dim, or null
};

struct RvqWeights {
  int size;   // entries per codebook
  int dim;    // dimension of a latent
  int inner;  // dimension of an entry
  std::vector<Codebook> books;

  int codebooks() const { return static_cast<int>(books.size()); }
};

// Makes a codebook of `size` entries of `inner` floats. The search uses them as given, or
// normalised.
Codebook make_codebook(const float* entries, int size, int inner, bool normalised);

class Rvq {
 public:
  Rvq(const RvqWeights& weights, int max_frames);

  const RvqWeights& weights() const { return weights_; }

  struct Frame {
    float* latent;             // dim floats; overwritten with the residual
    std::uint16_t* codes;      // first codebook's code
    std::ptrdiff_t book_step;  // distance between the codes of neighbouring codebooks
  };
  // Computes the codes of each frame with the first n_q codebooks.
  HOPCODEC_REALTIME void encode(const Compute& compute, const Frame* frames, int n_frames,
                                int n_q) noexcept;

  // latent = sum of n_q entries, added to zero in the order of the codebooks.
  HOPCODEC_REALTIME void decode(const Compute& compute, const std::uint16_t* codes,
                                std::ptrdiff_t book_step, int n_q, float* latent) noexcept;

 private:
  void encode_batch(const Compute& compute, const Frame* frames, int n_frames, int n_q) noexcept;

  RvqWeights weights_;
  int batch_;
  base::FloatBuffer memory_;
  float* scores_;
  float* inner_;
  float* outer_;
};

}  // namespace hopcodec::layers
