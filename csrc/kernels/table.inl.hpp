// The table of kernels of one instruction set. Each isa_*.cpp includes this file once.
#pragma once

#include "kernels/argmax.inl.hpp"
#include "kernels/elementwise.inl.hpp"
#include "kernels/gemm.inl.hpp"
#include "kernels/measure.inl.hpp"
#include "kernels/moments.inl.hpp"

#define HOPCODEC_STRING_(x) #x
#define HOPCODEC_STRING(x) HOPCODEC_STRING_(x)

namespace hopcodec::kernels::HOPCODEC_ISA {

HOPCODEC_VOUCHED_BEGIN  // the kernels only compute: they include nothing that could block
    const KernelTable kTable = {
        HOPCODEC_STRING(HOPCODEC_ISA),
        gemm_panel,
        map_elu,
        map_tanh,
        map_sigmoid,
        map_snake,
        zip_add,
        zip_subtract,
        lstm_cell,
        argmax,
        add_moments,
        map_channels,
        fma_burst,
        read_burst,
};
HOPCODEC_VOUCHED_END

}  // namespace hopcodec::kernels::HOPCODEC_ISA
