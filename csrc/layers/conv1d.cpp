#include "layers/conv1d.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "layers/expect.hpp"

namespace hopcodec::layers {
namespace {

constexpr const char* kConv1d = "conv1d";

void copy_rows(float* to, const float* from, std::size_t rows, int row_floats) noexcept {
  std::memcpy(to, from, rows * static_cast<std::size_t>(row_floats) * sizeof(float));
}

}  // namespace

void Conv1dShape::check() const {
  expect(in_channels >= 1 && in_channels <= kMostSize, kConv1d, "1 <= in_channels <= 2^20",
         in_channels);
  expect(out_channels >= 1 && out_channels <= kMostSize, kConv1d, "1 <= out_channels <= 2^20",
         out_channels);
  expect(kernel >= 1 && kernel <= kMostSize, kConv1d, "1 <= kernel <= 2^20", kernel);
  expect(dilation >= 1 && std::int64_t{kernel - 1} * dilation < kMostSize, kConv1d,
         "1 <= dilation and (kernel - 1) * dilation < 2^20", dilation);
  expect(stride >= 1 && stride <= reach(), kConv1d, "1 <= stride <= (kernel - 1) * dilation + 1",
         stride);
  expect(left >= 0 && left <= reach() - stride, kConv1d, "0 <= left padding <= window - stride",
         left);
  expect(right >= 0 && left + right <= reach() - 1, kConv1d,
         "0 <= right padding < window - left padding", right);
  if (full_window) {
    expect(left + right == reach() - stride, kConv1d, "padding = window - stride for full_window",
           left + right);
  }
}

int Conv1dShape::most_out(int rows, int most_held) const {
  // All rows that waited for the reflection can come at once.
  if (reflect) return (most_held + rows + most_right()) / stride + 1;
  // Less than a window is held between calls, and the end adds its padding. The queue of a residual
  // is sized by how many more rows can come out than went in, so rows of look-ahead count too.
  const int ahead = std::max(most_right(), reach() - stride - left);
  return (rows + ahead - 1) / stride + 1;
}

std::shared_ptr<const Packed> pack_conv1d(const Conv1dShape& shape, const float* weight,
                                          const float* bias, Storage storage) {
  const auto in = static_cast<std::size_t>(shape.in_channels);
  const auto out = static_cast<std::size_t>(shape.out_channels);
  const auto taps = static_cast<std::size_t>(shape.kernel);
  std::vector<float> matrix(taps * in * out);
  for (std::size_t n = 0; n < out; ++n) {
    for (std::size_t c = 0; c < in; ++c) {
      for (std::size_t k = 0; k < taps; ++k) {
        matrix[(k * in + c) * out + n] = weight[(n * in + c) * taps + k];
      }
    }
  }
  return std::make_shared<Packed>(matrix.data(), bias, taps * in, out, storage, in);
}

Conv1d::Conv1d(const Conv1dWeights& weights, Plan& plan)
    : shape_(weights.shape),
      input_(weights.input),
      output_(weights.output),
      matrix_(weights.matrix) {
  shape_.check();
  expect_channels(kConv1d, plan.channels, shape_.in_channels);
  if (plan.zero_start) shape_.reflect = false;
  const int c = shape_.in_channels;
  const int reach = shape_.reach();
  const int max_right = shape_.most_right();
  // The reflection at the end reads the last max_right + 1 rows.
  back_ = shape_.reflect ? std::max(0, max_right + 1 - (reach - shape_.stride)) : 0;
  max_held_ = std::max(shape_.left, back_ + reach - 1);
  header_at_ = plan.state.take(floats_of<Header>());
  held_at_ = plan.state.take(static_cast<std::size_t>(max_held_) * static_cast<std::size_t>(c));
  // Before the start, the buffer has `left` free rows in front of the rows that wait.
  const int capacity =
      expect_rows(kConv1d, std::int64_t{shape_.left} + max_held_ + plan.max_rows + max_right, c);
  // Taps that are contiguous in memory form one run.
  window_ = shape_.dilation == 1
                ? kernels::Window{1, shape_.kernel * c, 0}
                : kernels::Window{shape_.kernel, c, std::ptrdiff_t{shape_.dilation} * c};
  buffer_at_ = plan.scratch.take(static_cast<std::size_t>(capacity) * static_cast<std::size_t>(c));

  plan.lookahead_samples += std::max(0, reach - shape_.stride - shape_.left) * plan.row_samples;
  plan.row_samples *= shape_.stride;
  plan.max_rows =
      expect_rows(kConv1d, shape_.most_out(plan.max_rows, max_held_), shape_.out_channels);
  plan.channels = shape_.out_channels;
}

void Conv1d::reset(float* state) const noexcept {
  Header& header = state_as<Header>(state, header_at_);
  // Zero padding needs no input: the zero-filled history already is the left padding.
  header.started = shape_.reflect && shape_.left > 0 ? 0 : 1;
  header.held = header.started != 0 ? shape_.left : 0;
}

bool Conv1d::valid(const float* state) const noexcept {
  const Header& h = state_as<Header>(state, header_at_);
  if (h.total < 0 || h.total >= kLongest || h.held < 0 || h.begin < 0) return false;
  // While rows wait for the reflection, no row has been dropped.
  if (h.started == 0) return h.begin == 0 && h.held == h.total && h.held <= shape_.left;
  // The reflection at the end reads at least this many rows.
  const std::int64_t least =
      shape_.reflect ? std::min<std::int64_t>(h.total, shape_.most_right() + 1) : 0;
  return h.started == 1 && h.held >= least && h.held <= max_held_ && h.begin <= back_ &&
         h.begin <= h.held;
}

void Conv1d::open(const Tile& tile, float** inlet) const noexcept {
  for (int i = 0; i < tile.streams; ++i) {
    const Header& header = state_as<Header>(tile.state[i], header_at_);
    float* buffer = tile.scratch[i] + buffer_at_;
    float* held = buffer + (header.started != 0 ? 0 : shape_.left * row_floats());
    copy_rows(held, tile.state[i] + held_at_, static_cast<std::size_t>(header.held), row_floats());
    inlet[i] = held + header.held * row_floats();
  }
}

// buffer[j] = x[left - j] for j < left. Rows beyond the stream's end are zero (pad1d's rule for
// short inputs).
void Conv1d::pad_left(float* buffer, std::int64_t total) const noexcept {
  const int c = row_floats();
  const float* x = buffer + shape_.left * c;
  for (int j = 0; j < shape_.left; ++j) {
    const int source = shape_.left - j;
    if (source < total) {
      copy_rows(buffer + j * c, x + source * c, 1, c);
    } else {
      std::fill_n(buffer + j * c, c, 0.0F);
    }
  }
}

// Appends the right padding behind `count` rows, the last of which is x[total - 1]. Returns the
// number of padding rows.
int Conv1d::pad_right(float* buffer, int count, std::int64_t total) const noexcept {
  const int c = row_floats();
  const std::int64_t stride = shape_.stride;
  const auto extra = static_cast<int>(shape_.full_window ? (stride - total % stride) % stride : 0);
  const int right = shape_.right + extra;
  if (!shape_.reflect) {
    std::fill_n(buffer + count * c, right * c, 0.0F);
    return right;
  }
  // pad1d's rule for short inputs: a signal that is too short is first extended with zeros to
  // `extended` rows, reflected about *that* end, and cut back to its own length plus the padding.
  const std::int64_t widest = std::max(shape_.left, right);
  const std::int64_t extended = total <= widest ? widest + 1 : total;
  for (int i = 0; i < right; ++i) {
    const std::int64_t position = total + i;
    const std::int64_t source = position < extended ? position : 2 * (extended - 1) - position;
    float* to = buffer + (count + i) * c;
    if (source >= 0 && source < total) {
      copy_rows(to, buffer + (count - (total - source)) * c, 1, c);
    } else {
      std::fill_n(to, c, 0.0F);
    }
  }
  return right;
}

void Conv1d::run(const Tile& tile, int* rows, float* const* outlet) const noexcept {
  const int c = row_floats();
  RowBlock blocks[kTile];
  int counts[kTile];
  for (int i = 0; i < tile.streams; ++i) {
    Header& header = state_as<Header>(tile.state[i], header_at_);
    float* buffer = tile.scratch[i] + buffer_at_;
    const int behind = header.held + (header.started != 0 ? 0 : shape_.left);
    input_.apply(tile.compute, buffer + behind * c, static_cast<std::size_t>(rows[i]),
                 static_cast<std::size_t>(c));
    header.total += rows[i];
    int count = behind + rows[i];
    if (header.started == 0 && (header.total > shape_.left || tile.last)) {
      pad_left(buffer, header.total);
      header.started = 1;
    }
    int windows = 0;
    if (header.started != 0) {
      if (tile.last && header.total > 0) count += pad_right(buffer, count, header.total);
      const int room = count - header.begin - shape_.reach();
      windows = room < 0 || header.total == 0 ? 0 : room / shape_.stride + 1;
    }
    counts[i] = count;
    blocks[i] = {.a = buffer + header.begin * c,
                 .a_step = std::ptrdiff_t{shape_.stride} * c,
                 .c = outlet[i],
                 .c_step = shape_.out_channels,
                 .rows = windows};
    rows[i] = windows;
  }
  matrix_->multiply(tile.compute, window_, blocks, tile.streams);
  for (int i = 0; i < tile.streams; ++i) {
    output_.apply(tile.compute, outlet[i], static_cast<std::size_t>(rows[i]),
                  static_cast<std::size_t>(shape_.out_channels));
    if (tile.last) continue;  // the stream has ended: only reset() may follow
    Header& header = state_as<Header>(tile.state[i], header_at_);
    const float* buffer = tile.scratch[i] + buffer_at_;
    // While rows wait for the reflection, the free rows in front of them are not part of the state.
    const int next = header.started != 0 ? header.begin + rows[i] * shape_.stride : shape_.left;
    const int keep = header.started != 0 ? std::max(0, next - back_) : next;
    header.held = counts[i] - keep;
    header.begin = next - keep;
    if (header.started == 0) header.begin = 0;
    copy_rows(tile.state[i] + held_at_, buffer + keep * c, static_cast<std::size_t>(header.held),
              c);
  }
}

}  // namespace hopcodec::layers
