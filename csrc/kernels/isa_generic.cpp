#define HOPCODEC_ISA generic
#include "kernels/simd/generic.hpp"
#include "kernels/table.inl.hpp"
