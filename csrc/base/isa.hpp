// Which instruction set the kernels run on.
#pragma once

#include <string_view>

namespace hopcodec::base {

enum class Isa { kGeneric, kAvx2, kAvx512, kNeon };

const char* name_of(Isa isa) noexcept;

// True when this build holds kernels for `isa` and this CPU can run them.
bool is_available(Isa isa) noexcept;

// The fastest available one.
Isa best_isa() noexcept;

// Reads "generic", "avx2", "avx512" or "neon"; throws std::invalid_argument naming what is
// available.
Isa parse_isa(std::string_view name);

}  // namespace hopcodec::base
