// Counts what reaches the allocator, from any thread and by any road: new, malloc, calloc, realloc,
// aligned forms, free.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define HOPCODEC_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define HOPCODEC_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOPCODEC_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define HOPCODEC_TSAN 1
#endif
#endif

namespace hopcodec::test {

// Under a sanitizer the counter hangs on that runtime's hooks, which have two limits. The other
// builds have neither.
#if defined(HOPCODEC_ASAN) || defined(HOPCODEC_TSAN)
inline constexpr bool kSanitized = true;  // a starting thread allocates, some time after it is made
#else
inline constexpr bool kSanitized = false;
#endif
#if defined(HOPCODEC_TSAN)
inline constexpr bool kSeesAlignedAlloc = false;  // nor posix_memalign
#else
inline constexpr bool kSeesAlignedAlloc = true;
#endif

// Counts while it lives; one at a time.
class AllocationCounter {
 public:
  AllocationCounter() noexcept;
  ~AllocationCounter();
  AllocationCounter(const AllocationCounter&) = delete;
  AllocationCounter& operator=(const AllocationCounter&) = delete;

  long allocations() const noexcept;
  long frees() const noexcept;
};

// Between the two nothing is counted, on any thread: a stand-in for somebody else's code is at
// work.
void pause_counting() noexcept;
void resume_counting() noexcept;

}  // namespace hopcodec::test
