#include "blocking_detector.hpp"

#include <dlfcn.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>

namespace hopcodec::test {
namespace {

thread_local bool counting = false;
thread_local long locks_seen = 0;

SystemCalls* report = nullptr;  // in memory that child and parent share

#if defined(__x86_64__)
constexpr std::uint32_t kArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArch = AUDIT_ARCH_AARCH64;
#endif

void on_forbidden_call(int /*signal*/, siginfo_t* info, void* /*context*/) {
  if (report->forbidden++ == 0) report->first = info->si_syscall;
}

constexpr std::uint32_t kNumber = offsetof(seccomp_data, nr);
constexpr std::uint32_t kSecondArgument = offsetof(seccomp_data, args) + sizeof(std::uint64_t);

bool forbid_system_calls() {
  struct sigaction action = {};
  action.sa_sigaction = &on_forbidden_call;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, nullptr);
  // A jump is (if equal, if not): instructions to skip.
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArch, 0, 7),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumber),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 6, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kSecondArgument),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {static_cast<unsigned short>(std::size(filter)), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

}  // namespace

LockCounter::LockCounter() noexcept {
  locks_seen = 0;
  counting = true;
}
LockCounter::~LockCounter() { counting = false; }
long LockCounter::locks() const noexcept { return locks_seen; }

SystemCalls watch_system_calls(const std::function<void()>& prepare,
                               const std::function<bool()>& section) {
  void* memory =
      mmap(nullptr, sizeof(SystemCalls), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {};
  report = new (memory) SystemCalls{};
  const pid_t child = fork();
  if (child == 0) {
    prepare();
    report->watched = forbid_system_calls();
    if (report->watched) report->ok = section();
    _exit(0);
  }
  int status = 0;
  const bool ended = child > 0 && waitpid(child, &status, 0) == child && status == 0;
  SystemCalls result = *report;
  result.ok = result.ok && ended;
  munmap(memory, sizeof(SystemCalls));
  return result;
}

}  // namespace hopcodec::test

#if !defined(HOPCODEC_ASAN) && !defined(HOPCODEC_TSAN)

// These replace the C library's functions, which are looked up by name.
namespace {

template <class F>
F* next(F* /*type*/, const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

void saw_lock() noexcept {
  if (hopcodec::test::counting) ++hopcodec::test::locks_seen;
}

}  // namespace

#define HOPCODEC_LOCK(name, parameters, arguments)                                  \
  extern "C" __attribute__((visibility("default"))) int name parameters {           \
    static auto* const real = next(static_cast<int(*) parameters>(nullptr), #name); \
    saw_lock();                                                                     \
    return real arguments;                                                          \
  }

HOPCODEC_LOCK(pthread_mutex_lock, (pthread_mutex_t * m), (m))
HOPCODEC_LOCK(pthread_mutex_trylock, (pthread_mutex_t * m), (m))
HOPCODEC_LOCK(pthread_rwlock_rdlock, (pthread_rwlock_t * l), (l))
HOPCODEC_LOCK(pthread_rwlock_wrlock, (pthread_rwlock_t * l), (l))
HOPCODEC_LOCK(pthread_spin_lock, (pthread_spinlock_t * l), (l))
HOPCODEC_LOCK(sem_wait, (sem_t * s), (s))

#endif
