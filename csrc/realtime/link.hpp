// The parameters of a running link, and the latency that follows from them.
#pragma once

#include <cstdint>

namespace hopcodec::realtime {

struct LinkSettings {
  int input_rate_hz = 24000;
  int output_rate_hz = 24000;
  int input_period = 320;  // most frames that come at once
  int output_period = 320;
  // Frames of a callback where several come at once, one period in all; 0 for one per period.
  int block = 0;
  bool one_clock = true;
  // Output frames between capture and play; -1 for least_queue_frames().
  std::int64_t queue_frames = -1;
  std::int64_t extra_frames = 0;  // added to least_queue_frames()
};

// The constant number of output frames between capture and play, which is the queue's part of the
// latency. It is the smallest number that never runs short if each hop is ready within one period
// of its last sample.
//
// One clock, period P and hop H in the same samples: when callback n plays, n periods have been
// captured, so floor(nP / H) hops have been coded; it needs (n + 1)P - L samples of them. The worst
// n leaves nP mod H = H - gcd(P, H) samples waiting for their hop, so
//     L = P + H - gcd(P, H).
// That is one period when P is a multiple of H. A period shorter than the hop leaves the worker
// little more than that period; the gcd on top of L, P + H in all, gives it that much more. Two
// clocks: any alignment of the two can occur, so L = P_in + H + P_out. Callbacks of B samples that
// come several at once, P in all: any multiple of B may have been captured, so gcd(B, H) counts.
std::int64_t least_queue_frames(const LinkSettings& link, int codec_rate_hz, int hop_samples);

// Output frames to add to least_queue_frames(), at most a hop, for a hop that takes `compute_s`:
// its time beyond the period within which that number expects it.
std::int64_t compute_frames(const LinkSettings& link, double hop_s, double compute_s);

// Samples that wait for the end of their hop, beyond those that wait for the end of their period.
std::int64_t framing_samples(const LinkSettings& link, int codec_rate_hz, int hop_samples);

// Throws std::invalid_argument that names the value out of bounds.
void check(const LinkSettings& link);

}  // namespace hopcodec::realtime
