// Residual vector quantisation: nearest codebook entry, subtract, next codebook.
//
// Euclidean (EnCodec, core_vq.py): argmin |x - e|^2 = argmax (x . e - |e|^2 / 2); the row's own
// |x|^2 cannot change the winner and is left out. Projected (DAC, quantize.py): the residual is
// projected to the codebook's dimension, both sides are L2-normalised for the search, and the
// unnormalised entry, projected back, is subtracted. The lowest index wins ties.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "layers/packed.hpp"

namespace hopcodec::layers {

struct Codebook {
  std::shared_ptr<const Packed> search;     // (inner dim) x size, bias -|e|^2 / 2
  std::shared_ptr<const float[]> entries;   // size x inner dim, as they are
  std::shared_ptr<const Packed> project;    // dim -> inner dim, or null
  std::shared_ptr<const Packed> unproject;  // inner dim -> dim, or null
};

struct RvqWeights {
  int size;   // entries per codebook
  int dim;    // of a latent
  int inner;  // of an entry
  std::vector<Codebook> books;

  int codebooks() const { return static_cast<int>(books.size()); }
};

// One codebook of `size` entries of `inner` floats, searched as they are or normalised.
Codebook make_codebook(const float* entries, int size, int inner, bool normalised);

class Rvq {
 public:
  Rvq(const RvqWeights& weights, int max_frames);

  const RvqWeights& weights() const { return weights_; }

  struct Frame {
    float* latent;             // dim floats; becomes the residual
    std::uint16_t* codes;      // first codebook's code
    std::ptrdiff_t book_step;  // from one codebook's code to the next
  };
  // Codes of each frame with the first n_q codebooks.
  HOPCODEC_REALTIME void encode(const Compute& compute, const Frame* frames, int n_frames,
                                int n_q) noexcept;

  // latent = sum of the n_q entries, in codebook order from zero.
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
