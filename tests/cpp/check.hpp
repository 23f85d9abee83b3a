// If the condition is false, CHECK(condition, note...) prints it and its position, and main() then
// fails through finish(). A `note` is anything that to_string or string accepts.
#pragma once

#include <cstdio>
#include <string>

namespace hopcodec::test {

inline int failures = 0;
inline long checks = 0;

inline std::string text(const std::string& s) { return s; }
template <class T>
  requires requires(T x) { std::to_string(x); }
std::string text(T x) {
  return std::to_string(x);
}

template <class... Notes>
bool check(bool ok, const char* condition, const char* file, int line, const Notes&... notes) {
  ++checks;
  if (ok) return true;
  ++failures;
  std::string note;
  ((note.append(1, ' ').append(text(notes))), ...);
  std::fprintf(stderr, "%s:%d: expected %s;%s\n", file, line, condition, note.c_str());
  return false;
}

// Returns the exit status. A test that checked nothing fails.
inline int finish() {
  std::printf("%ld checks, %d failures\n", checks, failures);
  return failures == 0 && checks > 0 ? 0 : 1;
}

}  // namespace hopcodec::test

#define CHECK(condition, ...)                                               \
  hopcodec::test::check(static_cast<bool>(condition), #condition, __FILE__, \
                        __LINE__ __VA_OPT__(, ) __VA_ARGS__)
