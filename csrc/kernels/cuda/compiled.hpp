// The architecture that the kernels of this build were compiled for. A device may run code for an
// older architecture than its own, which lacks the newer instructions.
#pragma once

namespace hopcodec::kernels::cuda {

// Whether the current device runs code for compute capability 9.0, which has clusters and
// overlapping launches.
bool compiled_for_hopper();

}  // namespace hopcodec::kernels::cuda
