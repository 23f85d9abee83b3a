// HOPCODEC_REALTIME marks a function that never allocates, locks, logs, throws or makes a system
// call. Clang >= 20 checks this at compile time (-Wfunction-effects), through every call down to
// functions that carry the mark themselves. For other compilers it is documentation.
//
// Between HOPCODEC_VOUCHED_BEGIN and HOPCODEC_VOUCHED_END the check is off. These marks enclose the
// few calls that the compiler cannot see into; each use states its reason.
#pragma once

#if defined(__clang__) && __clang_major__ >= 20
#define HOPCODEC_REALTIME __attribute__((nonblocking))
#define HOPCODEC_VOUCHED_BEGIN \
  _Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wfunction-effects\"")
#define HOPCODEC_VOUCHED_END _Pragma("clang diagnostic pop")
#else
#define HOPCODEC_REALTIME
#define HOPCODEC_VOUCHED_BEGIN
#define HOPCODEC_VOUCHED_END
#endif
