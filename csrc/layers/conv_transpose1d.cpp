#include "layers/conv_transpose1d.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "layers/expect.hpp"

namespace hopcodec::layers {
namespace {

constexpr const char* kConvTranspose1d = "conv_transpose1d";

}  // namespace

void ConvTranspose1dShape::check() const {
  expect(in_channels >= 1 && in_channels <= kMostSize, kConvTranspose1d, "1 <= in_channels <= 2^20",
         in_channels);
  expect(out_channels >= 1 && out_channels <= kMostSize, kConvTranspose1d,
         "1 <= out_channels <= 2^20", out_channels);
  expect(stride >= 1 && std::int64_t{stride} * out_channels <= kMostSize, kConvTranspose1d,
         "stride >= 1 and stride * out_channels <= 2^20", stride);
  expect(kernel >= stride && kernel <= kMostSize, kConvTranspose1d, "stride <= kernel <= 2^20",
         kernel);
  expect(trim_left >= 0 && trim_left <= kernel - stride, kConvTranspose1d,
         "0 <= trim_left <= kernel - stride", trim_left);
  // At the end, only the rows that the last input alone contributes to can still be trimmed.
  expect(trim_right >= 0 && trim_right <= kernel - stride, kConvTranspose1d,
         "0 <= trim_right <= kernel - stride", trim_right);
}

std::shared_ptr<const Packed> pack_conv_transpose1d(const ConvTranspose1dShape& shape,
                                                    const float* weight, const float* bias,
                                                    Storage storage) {
  const auto in = static_cast<std::size_t>(shape.in_channels);
  const auto out = static_cast<std::size_t>(shape.out_channels);
  const auto kernel = static_cast<std::size_t>(shape.kernel);
  const auto stride = static_cast<std::size_t>(shape.stride);
  const auto taps = static_cast<std::size_t>(shape.taps());
  const std::size_t columns = stride * out;
  std::vector<float> matrix(taps * in * columns);
  for (std::size_t tap = 0; tap < taps; ++tap) {
    // Row `tap` of a window is the input from taps - 1 - tap steps ago. It is multiplied by kernel
    // index phase + (taps - 1 - tap) * stride.
    const std::size_t offset = (taps - 1 - tap) * stride;
    for (std::size_t c = 0; c < in; ++c) {
      float* row = matrix.data() + (tap * in + c) * columns;
      for (std::size_t phase = 0; phase < stride && phase + offset < kernel; ++phase) {
        for (std::size_t n = 0; n < out; ++n) {
          row[phase * out + n] = weight[(c * out + n) * kernel + phase + offset];
        }
      }
    }
  }
  std::vector<float> biases(columns);
  for (std::size_t phase = 0; phase < stride; ++phase) {
    std::copy_n(bias, out, biases.data() + phase * out);
  }
  return std::make_shared<Packed>(matrix.data(), biases.data(), taps * in, columns, storage);
}

ConvTranspose1d::ConvTranspose1d(const ConvTranspose1dWeights& weights, Plan& plan)
    : shape_(weights.shape), input_(weights.input), matrix_(weights.matrix) {
  shape_.check();
  expect_channels(kConvTranspose1d, plan.channels, shape_.in_channels);
  history_ = shape_.taps() - 1;
  const auto c = static_cast<std::size_t>(shape_.in_channels);
  header_at_ = plan.state.take(floats_of<Header>());
  held_at_ = plan.state.take(static_cast<std::size_t>(history_) * c);
  // The history in front, and as many zero rows behind to flush the tail.
  const int capacity =
      expect_rows(kConvTranspose1d, std::int64_t{2} * history_ + plan.max_rows, shape_.in_channels);
  buffer_at_ = plan.scratch.take(static_cast<std::size_t>(capacity) * c);
  plan.row_samples /= shape_.stride;
  plan.lookahead_samples += shape_.trim_left * plan.row_samples;
  plan.max_rows =
      expect_rows(kConvTranspose1d, (std::int64_t{plan.max_rows} + history_) * shape_.stride,
                  shape_.out_channels);
  plan.channels = shape_.out_channels;
}

void ConvTranspose1d::reset(float*) const noexcept {}  // all zero: no history, no rows counted

bool ConvTranspose1d::valid(const float* state) const noexcept {
  const Header& h = state_as<Header>(state, header_at_);
  return h.total >= 0 && h.total < kLongest && h.emitted >= 0 && h.emitted < kLongest;
}

void ConvTranspose1d::open(const Tile& tile, float** inlet) const noexcept {
  const auto floats = static_cast<std::size_t>(history_ * shape_.in_channels);
  for (int i = 0; i < tile.streams; ++i) {
    float* buffer = tile.scratch[i] + buffer_at_;
    std::memcpy(buffer, tile.state[i] + held_at_, floats * sizeof(float));
    inlet[i] = buffer + floats;
  }
}

void ConvTranspose1d::run(const Tile& tile, int* rows, float* const* outlet) const noexcept {
  const int c = shape_.in_channels;
  RowBlock blocks[kTile];
  for (int i = 0; i < tile.streams; ++i) {
    Header& header = state_as<Header>(tile.state[i], header_at_);
    float* buffer = tile.scratch[i] + buffer_at_;
    input_.apply(tile.compute, buffer + history_ * c, static_cast<std::size_t>(rows[i]),
                 static_cast<std::size_t>(c));
    header.total += rows[i];
    int windows = rows[i];
    if (tile.last && header.total > 0) {
      std::fill_n(buffer + (history_ + rows[i]) * c, history_ * c, 0.0F);
      windows += history_;
    }
    blocks[i] = {.a = buffer,
                 .a_step = c,
                 .c = outlet[i],
                 .c_step = std::ptrdiff_t{shape_.stride} * shape_.out_channels,
                 .rows = windows};
  }
  matrix_->multiply(tile.compute, {1, shape_.taps() * c, 0}, blocks, tile.streams);
  for (int i = 0; i < tile.streams; ++i) {
    Header& header = state_as<Header>(tile.state[i], header_at_);
    const std::int64_t whole = (header.total - 1) * shape_.stride + shape_.kernel;
    const std::int64_t end = whole - shape_.trim_left - shape_.trim_right;
    // Rows of the untrimmed output that this call made final, less those that the left trim
    // removes.
    const std::int64_t made = std::int64_t{blocks[i].rows} * shape_.stride;
    const std::int64_t before = (header.total - rows[i]) * shape_.stride;
    const std::int64_t skip = std::clamp<std::int64_t>(shape_.trim_left - before, 0, made);
    std::int64_t count = made - skip;
    if (tile.last) count = std::min(count, end - header.emitted);
    count = std::max<std::int64_t>(count, 0);
    if (skip > 0) {
      std::memmove(outlet[i], outlet[i] + skip * shape_.out_channels,
                   static_cast<std::size_t>(count * shape_.out_channels) * sizeof(float));
    }
    const float* buffer = tile.scratch[i] + buffer_at_;
    std::memcpy(tile.state[i] + held_at_, buffer + rows[i] * c,
                static_cast<std::size_t>(history_ * c) * sizeof(float));
    header.emitted += count;
    rows[i] = static_cast<int>(count);
  }
}

}  // namespace hopcodec::layers
