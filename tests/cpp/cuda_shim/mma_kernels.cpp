// The kernels that cuda_mma_test launches itself, for the CPU.
#include "../cuda_mma_kernels.cu"
