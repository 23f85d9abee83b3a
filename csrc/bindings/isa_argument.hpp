#pragma once

#include <string>

#include "base/isa.hpp"

namespace hopcodec::bindings {

// The instruction set of that name; for "", the one HOPCODEC_ISA forces, else the fastest.
// Throws std::invalid_argument (ValueError) for one this machine does not have.
base::Isa isa_argument(const std::string& name);

}  // namespace hopcodec::bindings
