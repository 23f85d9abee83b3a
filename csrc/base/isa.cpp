#include "base/isa.hpp"

#include <array>
#include <stdexcept>
#include <string>

namespace hopcodec::base {
namespace {
constexpr std::array kFastestFirst = {Isa::kAvx512, Isa::kAvx2, Isa::kNeon, Isa::kGeneric};
}

const char* name_of(Isa isa) noexcept {
  switch (isa) {
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kNeon:
      return "neon";
    case Isa::kGeneric:
      break;
  }
  return "generic";
}

bool is_available(Isa isa) noexcept {
  switch (isa) {
    case Isa::kGeneric:
      return true;
#if defined(__x86_64__)
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::kAvx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#endif
#if defined(__aarch64__)
    case Isa::kNeon:
      return true;
#endif
    default:
      return false;
  }
}

Isa best_isa() noexcept {
  for (const Isa isa : kFastestFirst) {
    if (is_available(isa)) return isa;
  }
  return Isa::kGeneric;
}

Isa parse_isa(std::string_view name) {
  std::string available;
  for (const Isa isa : kFastestFirst) {
    if (!is_available(isa)) continue;
    if (name == name_of(isa)) return isa;
    available += available.empty() ? "" : ", ";
    available += name_of(isa);
  }
  throw std::invalid_argument("instruction set: expected one of " + available +
                              " on this CPU, got \"" + std::string(name) + "\"");
}

}  // namespace hopcodec::base
