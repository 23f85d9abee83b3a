// HOPCODEC_REALTIME marks a function that never allocates, locks, logs, throws or enters the
// kernel. Clang >= 20 checks it (RealtimeSanitizer); elsewhere it is documentation.
#pragma once

#if defined(__clang__) && __clang_major__ >= 20
#define HOPCODEC_REALTIME [[clang::nonblocking]]
#else
#define HOPCODEC_REALTIME
#endif
