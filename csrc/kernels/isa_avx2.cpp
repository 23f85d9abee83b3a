#define HOPCODEC_ISA avx2
#include "kernels/simd/avx2.hpp"
#include "kernels/table.inl.hpp"
