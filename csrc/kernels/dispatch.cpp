#include "kernels/dispatch.hpp"

namespace hopcodec::kernels {

const KernelTable& table_of(base::Isa isa) noexcept {
  switch (isa) {
#if defined(__x86_64__)
    case base::Isa::kAvx2:
      return avx2::kTable;
    case base::Isa::kAvx512:
      return avx512::kTable;
#endif
#if defined(__aarch64__)
    case base::Isa::kNeon:
      return neon::kTable;
#endif
    default:
      return generic::kTable;
  }
}

}  // namespace hopcodec::kernels
