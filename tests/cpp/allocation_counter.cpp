#include "allocation_counter.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace hopcodec::test {
namespace {

std::atomic<bool> counting{false};
std::atomic<int> pauses{0};
std::atomic<long> allocations_seen{0};
std::atomic<long> frees_seen{0};

bool counts() noexcept {
  return counting.load(std::memory_order_relaxed) && pauses.load(std::memory_order_relaxed) == 0;
}

void saw_allocation() noexcept {
  if (counts()) {
    allocations_seen.fetch_add(1, std::memory_order_relaxed);
  }
}

void saw_free(const volatile void* p) noexcept {
  if (p != nullptr && counts()) {
    frees_seen.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace

AllocationCounter::AllocationCounter() noexcept {
  allocations_seen = 0;
  frees_seen = 0;
  counting = true;
}
AllocationCounter::~AllocationCounter() { counting = false; }
long AllocationCounter::allocations() const noexcept { return allocations_seen; }
long AllocationCounter::frees() const noexcept { return frees_seen; }

void pause_counting() noexcept { ++pauses; }
void resume_counting() noexcept { --pauses; }

}  // namespace hopcodec::test

#if defined(HOPCODEC_ASAN) || defined(HOPCODEC_TSAN)

// The sanitizer replaces malloc and offers hooks on it.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*,
                                                                             std::size_t),
                                                         void (*free_hook)(const volatile void*));

namespace {
const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { hopcodec::test::saw_allocation(); },
    [](const volatile void* p) { hopcodec::test::saw_free(p); });
}  // namespace

#else

// These replace glibc's functions. The library's operator new calls them too, because the
// executable's malloc is found before libc's; the test checks this for every allocation function.
#define HOPCODEC_EXPORT extern "C" __attribute__((visibility("default")))

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

using hopcodec::test::saw_allocation;
using hopcodec::test::saw_free;

HOPCODEC_EXPORT void* malloc(std::size_t n) {
  saw_allocation();
  return __libc_malloc(n);
}
HOPCODEC_EXPORT void* calloc(std::size_t n, std::size_t size) {
  saw_allocation();
  return __libc_calloc(n, size);
}
HOPCODEC_EXPORT void* realloc(void* p, std::size_t n) {
  saw_allocation();
  return __libc_realloc(p, n);
}
HOPCODEC_EXPORT void* memalign(std::size_t align, std::size_t n) {
  saw_allocation();
  return __libc_memalign(align, n);
}
HOPCODEC_EXPORT void* aligned_alloc(std::size_t align, std::size_t n) {
  saw_allocation();
  return __libc_memalign(align, n);
}
HOPCODEC_EXPORT int posix_memalign(void** p, std::size_t align, std::size_t n) {
  saw_allocation();
  *p = __libc_memalign(align, n);
  return *p != nullptr ? 0 : ENOMEM;
}
HOPCODEC_EXPORT void free(void* p) {
  saw_free(p);
  __libc_free(p);
}

#endif
