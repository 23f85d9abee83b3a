#define HOPCODEC_ISA avx512
#include "kernels/simd/avx512.hpp"
#include "kernels/table.inl.hpp"
