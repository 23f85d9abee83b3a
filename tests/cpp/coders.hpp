// Coders of small random codecs, which own their sessions.
#pragma once

#include <memory>

#include "codecs.hpp"
#include "realtime/coder.hpp"

namespace hopcodec::test {

struct Sessions {
  Sessions(const CodecSpec& codec, const graph::SessionOptions& options)
      : encoder(weights_of(codec.encoder), codec.quantizer, codec.channels, codec.hop, options),
        decoder(weights_of(codec.decoder), codec.quantizer, codec.channels, codec.hop, options) {}

  graph::Encoder encoder;
  graph::Decoder decoder;
};

inline std::unique_ptr<realtime::Coder> coder_of(const CodecSpec& codec, int rate_hz,
                                                 bool zero_start) {
  graph::SessionOptions options;
  options.zero_start = zero_start;
  const auto sessions = std::make_shared<Sessions>(codec, options);
  return std::make_unique<realtime::Coder>(&sessions->encoder, &sessions->decoder, sessions,
                                           codec.channels, rate_hz, codec.hop);
}

inline std::unique_ptr<realtime::Coder> pass_through(int channels, int rate_hz, int hop) {
  return std::make_unique<realtime::Coder>(nullptr, nullptr, nullptr, channels, rate_hz, hop);
}

}  // namespace hopcodec::test
