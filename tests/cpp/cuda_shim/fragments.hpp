// Which thread of a warp holds which element of mma.sync's factors, as the PTX manual says: "Matrix
// Fragments for mma.m16n8k8" (.tf32) and "Matrix Fragments for mma.m16n8k16 with floating point
// type" (.bf16), in "Warp Level Matrix Multiply-Accumulate Instructions". The formulas are those of
// the manual, independent of how the kernels assign their terms.
#pragma once

namespace hopcodec::shim {

struct Place {
  int row;
  int column;
  bool operator==(const Place&) const = default;
};

constexpr int group_id(int lane) { return lane >> 2; }
constexpr int thread_in_group(int lane) { return lane % 4; }

// .tf32, 16 x 8 and 8 x 8: one element per register.
struct FragmentsOfTf32 {
  static constexpr int kDepth = 8;
  static constexpr int kOfA = 4;
  static constexpr int kOfB = 2;
  static constexpr Place a(int lane, int i) {
    return {i == 0 || i == 2 ? group_id(lane) : group_id(lane) + 8,
            i == 0 || i == 1 ? thread_in_group(lane) : thread_in_group(lane) + 4};
  }
  static constexpr Place b(int lane, int i) {
    return {i == 0 ? thread_in_group(lane) : thread_in_group(lane) + 4, group_id(lane)};
  }
};

// .bf16, 16 x 16 and 16 x 8: two elements per register, the lower half first.
struct FragmentsOfBf16 {
  static constexpr int kDepth = 16;
  static constexpr int kOfA = 8;
  static constexpr int kOfB = 4;
  static constexpr Place a(int lane, int i) {
    return {(0 <= i && i < 2) || (4 <= i && i < 6) ? group_id(lane) : group_id(lane) + 8,
            thread_in_group(lane) * 2 + (i & 0x1) + (i < 4 ? 0 : 8)};
  }
  static constexpr Place b(int lane, int i) {
    return {thread_in_group(lane) * 2 + (i & 0x1) + (i < 2 ? 0 : 8), group_id(lane)};
  }
};

// Results of both, 16 x 8 float32.
constexpr Place result_place(int lane, int i) {
  return {i < 2 ? group_id(lane) : group_id(lane) + 8, thread_in_group(lane) * 2 + (i & 0x1)};
}

}  // namespace hopcodec::shim
