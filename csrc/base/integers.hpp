// Conversions between integer types.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hopcodec::base {

// `n`, which must not be negative, as an index or a size of the standard library.
constexpr std::size_t usize(std::int64_t n) noexcept { return static_cast<std::size_t>(n); }

}  // namespace hopcodec::base
