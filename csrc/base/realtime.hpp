// HOPCODEC_REALTIME marks a function that never allocates, locks, logs, throws or enters the
// kernel. Clang >= 20 checks it as it compiles (-Wfunction-effects): through every call, up to a
// function that is marked itself. Elsewhere it is documentation.
//
// Between HOPCODEC_VOUCHED_BEGIN and HOPCODEC_VOUCHED_END the compiler takes our word: for the few
// calls that it cannot see into, each with its reason.
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
