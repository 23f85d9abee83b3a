#define HOPCODEC_ISA neon
#include "kernels/simd/neon.hpp"
#include "kernels/table.inl.hpp"
