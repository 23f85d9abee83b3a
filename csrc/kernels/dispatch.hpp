// Selects the kernels of an instruction set. Only this file maps one to the other.
#pragma once

#include "base/isa.hpp"
#include "kernels/kernels.hpp"

namespace hopcodec::kernels {

// The kernels of `isa`, which must be available on this CPU.
const KernelTable& table_of(base::Isa isa) noexcept;

}  // namespace hopcodec::kernels
