// Runs the threads of a block as fibers. Each runs until it must wait or returns. When all have
// stopped, those whose wait is over continue. In every other block the threads run in reverse
// order.
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/float_mode.hpp"
#include "threads.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace hopcodec::shim {

dim3 block_index;
dim3 thread_index;
std::vector<Thread> threads;

namespace {

constexpr std::size_t kStackBytes = 128 * 1024;

// Where the scheduler or a fiber continues. Contexts are used only to start a fiber: switching
// contexts queries the system for the signal mask each time, which takes longer than the threads.
// The C library's longjmp makes a system call each time under AddressSanitizer: the compiler's own
// jump does not, where neither this function nor its callers know that it does not return.
struct Place {
  void* registers[5];
};

#if defined(__SANITIZE_ADDRESS__)
[[gnu::no_sanitize("address")]]
#endif
[[gnu::noinline, gnu::noipa]] void
jump(Place& place) {
  __builtin_longjmp(place.registers, 1);
}

// A fiber runs threads one after the other as long as none of them waits. A thread that waits keeps
// its fiber, and the next threads get another. A kernel without barriers needs one fiber.
struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  std::size_t thread;
  Place place;
  bool begun = false;
};

Place scheduler;
std::vector<std::unique_ptr<Fiber>> fibers;  // kept from launch to launch
Fiber* current = nullptr;
const std::function<void()>* kernel_body = nullptr;
std::size_t next_thread = 0;  // not begun yet
bool backwards = false;
[[maybe_unused]] const void* scheduler_stack = nullptr;
[[maybe_unused]] std::size_t scheduler_stack_bytes = 0;

// AddressSanitizer must be notified of every change of the stack.
void run_fiber(Fiber& fiber) {
  current = &fiber;
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, fiber.stack.get(), kStackBytes);
#endif
  if (__builtin_setjmp(scheduler.registers) == 0) {
    if (fiber.begun) jump(fiber.place);
    fiber.begun = true;
    setcontext(&fiber.context);
  }
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
}

void back_to_scheduler(Fiber& fiber) {
#if defined(__SANITIZE_ADDRESS__)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, scheduler_stack, scheduler_stack_bytes);
#endif
  if (__builtin_setjmp(fiber.place.registers) == 0) jump(scheduler);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_stack, &scheduler_stack, &scheduler_stack_bytes);
#endif
}

void become_current() { thread_index = dim3(self_index(), 0, 0); }

void enter() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_bytes);
#endif
  Fiber& fiber = *current;
  while (true) {
    while (next_thread < threads.size()) {
      const std::size_t i = next_thread++;
      fiber.thread = backwards ? threads.size() - 1 - i : i;
      become_current();
      (*kernel_body)();
      threads[fiber.thread].done = true;
    }
    back_to_scheduler(fiber);
  }
}

Fiber& fiber_at(std::size_t i) {
  if (i == fibers.size()) {
    fibers.push_back(std::make_unique<Fiber>());
    Fiber& fiber = *fibers.back();
    fiber.stack = std::make_unique_for_overwrite<char[]>(kStackBytes);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, &enter, 0);
  }
  return *fibers[i];
}

// Since Volta, a barrier waits for every thread that has not returned.
bool release_if_all_wait() {
  bool any = false;
  for (const Thread& t : threads) {
    if (t.done) continue;
    if (t.waits != Wait::kBlock) return false;
    any = true;
  }
  for (Thread& t : threads) t.waits = Wait::kOver;
  return any;
}

bool resume(std::size_t fibers_used) {
  bool any = false;
  for (std::size_t i = 0; i < fibers_used; ++i) {
    Thread& thread = threads[fibers[i]->thread];
    if (thread.done || thread.waits != Wait::kOver) continue;
    thread.waits = Wait::kNone;
    any = true;
    run_fiber(*fibers[i]);
  }
  return any;
}

void run_block() {
  next_thread = 0;
  std::size_t used = 0;
  while (next_thread < threads.size()) run_fiber(fiber_at(used++));
  while (resume(used) || release_if_all_wait()) {
  }
  for (const Thread& t : threads) {
    if (!t.done) give_up("a kernel's threads wait for each other for ever");
  }
}

}  // namespace

Thread& self() { return threads[current->thread]; }

unsigned self_index() { return static_cast<unsigned>(current->thread); }

void wait(Wait what) {
  self().waits = what;
  back_to_scheduler(*current);
  become_current();
}

void give_up(const char* why) {
  std::fprintf(stderr, "cuda_shim: %s\n", why);
  std::abort();
}

void run_grid(const Shape& shape, const std::function<void()>& body) {
  const base::FlushDenormals flush;  // as the kernels are compiled to
  kernel_body = &body;
  for (unsigned z = 0; z < shape.grid.z; ++z) {
    for (unsigned y = 0; y < shape.grid.y; ++y) {
      for (unsigned x = 0; x < shape.grid.x; ++x) {
        block_index = dim3(x, y, z);
        threads.assign(shape.threads, Thread{});
        clear_block(shape.shared_bytes);
        run_block();
        backwards = !backwards;
      }
    }
  }
}

}  // namespace hopcodec::shim
