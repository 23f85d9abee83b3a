// SplitMix64 (Steele, Lea & Flood 2014): the same numbers on every machine, unlike <random>'s
// distributions.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace hopcodec::test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  // In [0, n).
  int below(int n) { return static_cast<int>(next() % static_cast<std::uint64_t>(n)); }
  int pick(std::initializer_list<int> of) { return of.begin()[below(static_cast<int>(of.size()))]; }
  bool coin() { return below(2) == 0; }

  // In [-1, 1), a multiple of 2^-23.
  float uniform() {
    return static_cast<float>(static_cast<std::int64_t>(next() >> 40) - (1 << 23)) * 0x1p-23F;
  }
  std::vector<float> uniform(std::size_t n, float scale) {
    std::vector<float> x(n);
    for (float& v : x) v = scale * uniform();
    return x;
  }

 private:
  std::uint64_t state_;
};

}  // namespace hopcodec::test
