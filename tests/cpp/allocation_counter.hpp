// Counts what reaches the allocator, from any thread and by any road: new, malloc, calloc, realloc,
// aligned forms, free.
#pragma once

namespace hopcodec::test {

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

}  // namespace hopcodec::test
