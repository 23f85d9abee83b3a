// The threads of a block as fibers: each runs until it meets a barrier or returns; when all have,
// the next round begins. In every other block they run backwards.
#include <ucontext.h>

#include <memory>
#include <vector>

#include "base/denormals.hpp"
#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace hopcodec::shim {

dim3 block_index;
dim3 thread_index;

namespace {

constexpr std::size_t kStackBytes = 128 * 1024;

// A fiber runs threads one after the other for as long as none of them meets a barrier; one that
// does keeps the fiber, and the threads after it get another. A kernel without barriers is one
// fiber.
struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  dim3 thread;
  bool waits = false;  // inside a barrier
};

ucontext_t scheduler;
std::vector<std::unique_ptr<Fiber>> fibers;  // kept from launch to launch
Fiber* current = nullptr;
const std::function<void()>* kernel_body = nullptr;
unsigned next_thread = 0;  // of the block, not begun yet
unsigned block_threads = 0;
bool backwards = false;
[[maybe_unused]] const void* scheduler_stack = nullptr;
[[maybe_unused]] std::size_t scheduler_stack_bytes = 0;

// AddressSanitizer must be told whenever the stack changes.
void run_fiber(Fiber& fiber) {
  current = &fiber;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, fiber.stack.get(), kStackBytes);
#endif
  swapcontext(&scheduler, &fiber.context);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

void back_to_scheduler(Fiber& fiber) {
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, scheduler_stack, scheduler_stack_bytes);
#endif
  swapcontext(&fiber.context, &scheduler);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, &scheduler_stack, &scheduler_stack_bytes);
#endif
}

void enter() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
#endif
  Fiber& self = *current;
  while (true) {
    while (next_thread < block_threads) {
      const unsigned i = next_thread++;
      self.thread = dim3(backwards ? block_threads - 1 - i : i, 0, 0);
      thread_index = self.thread;
      (*kernel_body)();
    }
    back_to_scheduler(self);
  }
}

Fiber& fiber_at(std::size_t i) {
  if (i == fibers.size()) {
    fibers.push_back(std::make_unique<Fiber>());
    Fiber& fiber = *fibers.back();
    fiber.stack = std::make_unique<char[]>(kStackBytes);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &enter, 0);
  }
  return *fibers[i];
}

void run_block(unsigned threads) {
  block_threads = threads;
  next_thread = 0;
  std::size_t used = 0;
  while (next_thread < threads) run_fiber(fiber_at(used++));
  // Since Volta a barrier waits for every thread that has not returned.
  for (bool waiting = true; waiting;) {
    waiting = false;
    for (std::size_t i = 0; i < used; ++i) {
      if (!fibers[i]->waits) continue;
      fibers[i]->waits = false;
      run_fiber(*fibers[i]);
      waiting = waiting || fibers[i]->waits;
    }
  }
}

}  // namespace

void barrier() {
  Fiber& self = *current;
  self.waits = true;
  back_to_scheduler(self);
  thread_index = self.thread;
}

void run_grid(dim3 grid, unsigned threads, const std::function<void()>& body) {
  const base::FlushDenormals flush;  // as the kernels are compiled to
  kernel_body = &body;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        block_index = dim3(x, y, z);
        run_block(threads);
        backwards = !backwards;
      }
    }
  }
}

}  // namespace hopcodec::shim
