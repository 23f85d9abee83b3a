// Gives up the GIL while the core computes.
#pragma once

#include <unistd.h>

#include <pybind11/pybind11.h>

namespace hopcodec::bindings {

// Gives up the GIL, and takes it back at its end. Python ends a daemon thread when that thread asks
// for the GIL while the interpreter shuts down: until 3.13 by pthread_exit, which unwinds the stack
// and would end the process where a destructor must not throw. Here such a thread sleeps until the
// process is gone, as Python 3.14 lets it.
class ReleasedGil {
 public:
  ReleasedGil() : thread_(PyEval_SaveThread()) {}
  ~ReleasedGil() noexcept(false) {
    SleepsWhenUnwound guard;
    PyEval_RestoreThread(thread_);
    guard.returned = true;
  }
  ReleasedGil(const ReleasedGil&) = delete;
  ReleasedGil& operator=(const ReleasedGil&) = delete;

 private:
  struct SleepsWhenUnwound {
    bool returned = false;
    ~SleepsWhenUnwound() {
      while (!returned) pause();
    }
  };

  PyThreadState* thread_;
};

}  // namespace hopcodec::bindings
