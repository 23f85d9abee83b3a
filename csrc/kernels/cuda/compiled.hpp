// What the kernels of this build were compiled for. A device runs code of an older architecture
// than its own where nothing nearer was compiled: that code lacks what only newer ones have.
#pragma once

namespace hopcodec::kernels::cuda {

// Whether the code that the current device runs knows compute capability 9.0: clusters, and
// launches that wait for the one ahead of them.
bool compiled_for_hopper();

}  // namespace hopcodec::kernels::cuda
