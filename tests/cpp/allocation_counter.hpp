// Counts calls of the allocator from any thread and by any function: new, malloc, calloc, realloc,
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

// Under a sanitizer the counter uses the hooks of its runtime, which have two limits. Other builds
// have neither.
#if defined(HOPCODEC_ASAN) || defined(HOPCODEC_TSAN)
inline constexpr bool kSanitized = true;  // a new thread allocates at some time after its start
#else
inline constexpr bool kSanitized = false;
#endif
#if defined(HOPCODEC_TSAN)
inline constexpr bool kSeesAlignedAlloc = false;  // posix_memalign is not seen either
#else
inline constexpr bool kSeesAlignedAlloc = true;
#endif

// Counts while the object exists; only one may exist.
class AllocationCounter {
 public:
  AllocationCounter() noexcept;
  ~AllocationCounter();
  AllocationCounter(const AllocationCounter&) = delete;
  AllocationCounter& operator=(const AllocationCounter&) = delete;

  long allocations() const noexcept;
  long frees() const noexcept;
};

// Nothing is counted between the two calls, on any thread. Stand-ins for foreign code use them
// around their own work.
void pause_counting() noexcept;
void resume_counting() noexcept;

}  // namespace hopcodec::test
