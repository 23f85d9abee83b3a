#pragma once

#include <string>

#include "base/isa.hpp"

namespace hopcodec::bindings {

// Returns the instruction set called `name`. For "", returns the one in HOPCODEC_ISA, or the
// fastest if that is not set. Throws std::invalid_argument (ValueError) if this machine does not
// have it.
base::Isa isa_argument(const std::string& name);

}  // namespace hopcodec::bindings
