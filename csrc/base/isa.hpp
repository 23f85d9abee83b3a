// The instruction sets that the kernels are compiled for.
#pragma once

#include <string_view>

namespace hopcodec::base {

enum class Isa { kGeneric, kAvx2, kAvx512, kNeon };

const char* name_of(Isa isa) noexcept;

// True when this build holds kernels for `isa` and this CPU can run them.
bool is_available(Isa isa) noexcept;

// The fastest instruction set that is available.
Isa best_isa() noexcept;

// Parses "generic", "avx2", "avx512" or "neon". Throws std::invalid_argument that lists the
// available ones.
Isa parse_isa(std::string_view name);

}  // namespace hopcodec::base
