// The numbers of a running link, and the latency they add up to.
#pragma once

#include <cstdint>

namespace hopcodec::realtime {

struct LinkSettings {
  int input_rate_hz = 24000;
  int output_rate_hz = 24000;
  int input_period = 320;  // frames of a callback
  int output_period = 320;
  bool one_clock = true;
  std::int64_t queue_frames = -1;  // between capture and play, output frames; -1: as computed below
  std::int64_t extra_frames = 0;   // added to what is computed
};

// The constant number of output frames between capture and play, the queue's own share of the
// latency: the least that is never short when each hop is ready within one period of its last
// sample.
//
// One clock, period P and hop H in the same samples: when callback n plays, n periods have been
// captured, so floor(nP / H) hops have been coded; it needs (n + 1)P - L samples of them. The
// worst n leaves nP mod H = H - gcd(P, H) samples waiting for their hop, so
//     L = P + H - gcd(P, H).
// That is one period when P is a multiple of H. A period shorter than the hop leaves the worker
// little more than that period; the gcd on top of L, P + H in all, gives it that much more.
// Two clocks: any alignment of the two can occur, so L = P_in + H + P_out.
std::int64_t least_queue_frames(const LinkSettings& link, int codec_rate_hz, int hop_samples);

// Samples of the hop that wait for its end, beyond what waits for the end of its period anyhow.
std::int64_t framing_samples(const LinkSettings& link, int codec_rate_hz, int hop_samples);

// Throws std::invalid_argument, naming what is out of bounds.
void check(const LinkSettings& link);

}  // namespace hopcodec::realtime
