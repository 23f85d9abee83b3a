#include "graph/cuda/constants.hpp"

#include "kernels/cuda/pack.hpp"

namespace hopcodec::graph::cuda {

namespace gpu = kernels::cuda;

namespace {

// The parts of one origin. Weights and bias are stored separately for each precision, because each
// precision pads them differently.
enum Part { kFloats, kWeight, kBias = kWeight + 3 };

using Sources = std::vector<std::shared_ptr<const layers::Packed>>;

std::vector<gpu::HostMatrix> unpacked(const Sources& sources) {
  std::vector<gpu::HostMatrix> hosts;
  for (const auto& source : sources) {
    hosts.push_back({{}, {}, source->depth(), source->columns()});
    source->unpack(hosts.back().weight, hosts.back().bias);
  }
  return hosts;
}

Origin origin(const Sources& sources, int part) {
  return {sources.front(), sources.size() > 1 ? sources[1] : nullptr, part};
}

}  // namespace

gpu::Matrix Constants::float32(const Sources& sources, const std::vector<int>& order) {
  gpu::PackedMatrix packed{};
  const auto pack = [&]() -> const gpu::PackedMatrix& {
    return packed.weight.empty() ? packed = gpu::pack(unpacked(sources), order) : packed;
  };
  gpu::Matrix matrix{};
  matrix.columns = sources.front()->columns();
  for (const auto& source : sources) matrix.groups += gpu::groups_of(source->depth());
  const auto padded = static_cast<std::size_t>(gpu::ceil_div(matrix.columns, gpu::kPanelColumns) *
                                               gpu::kPanelColumns);
  matrix.weight = uploads_->get<float>(device_, origin(sources, kWeight), stream_,
                                       [&]() -> const auto& { return pack().weight; });
  matrix.bias = uploads_->get<float>(device_, origin(sources, kBias), stream_,
                                     [&]() -> const auto& { return pack().bias; });
  bytes_ += padded * (static_cast<std::size_t>(matrix.groups) * 4 + 1) * sizeof(float);
  return matrix;
}

template <class Weight>
gpu::Matrix Constants::slices(const Sources& sources, const std::vector<int>& order) {
  gpu::PackedSlices<Weight> packed{};
  const auto pack = [&]() -> const gpu::PackedSlices<Weight>& {
    return packed.weight.empty() ? packed = gpu::pack_slices<Weight>(unpacked(sources), order)
                                 : packed;
  };
  const int kind = static_cast<int>(precision_);
  gpu::Matrix matrix{};
  matrix.columns = sources.front()->columns();
  matrix.precision = precision_;
  for (const auto& source : sources) matrix.slices += gpu::slices_of(source->depth());
  matrix.panels = uploads_->get<Weight>(device_, origin(sources, kWeight + kind), stream_,
                                        [&]() -> const auto& { return pack().weight; });
  matrix.bias = uploads_->get<float>(device_, origin(sources, kBias + kind), stream_,
                                     [&]() -> const auto& { return pack().bias; });
  const auto padded = static_cast<std::size_t>(gpu::ceil_div(matrix.columns, gpu::kSliceColumns) *
                                               gpu::kSliceColumns);
  bytes_ += padded * (static_cast<std::size_t>(matrix.slices) * gpu::kSlice * sizeof(Weight) +
                      sizeof(float));
  return matrix;
}

gpu::Matrix Constants::product(const Sources& sources, const std::vector<int>& order) {
  const layers::Packed& first = *sources.front();
  if (precision_ == gpu::Precision::kFloat32 ||
      !gpu::suits_tensor_core(first.depth(), first.columns())) {
    return float32(sources, order);
  }
  return precision_ == gpu::Precision::kTf32 ? slices<std::uint32_t>(sources, order)
                                             : slices<std::uint16_t>(sources, order);
}

gpu::Matrix Constants::matrix(const std::shared_ptr<const layers::Packed>& packed) {
  return float32({packed}, {});
}

gpu::Matrix Constants::layer(const std::shared_ptr<const layers::Packed>& packed) {
  return product({packed}, {});
}

gpu::Matrix Constants::gates(const std::shared_ptr<const layers::Packed>& input,
                             const std::shared_ptr<const layers::Packed>& recurrent) {
  return product({input, recurrent}, gpu::gate_order(input->columns() / 4));
}

const float* Constants::floats(const std::shared_ptr<const float[]>& host, std::size_t count) {
  bytes_ += count * sizeof(float);
  return uploads_->get<float>(device_, {host, nullptr, kFloats}, stream_,
                              [&] { return std::vector<float>(host.get(), host.get() + count); });
}

gpu::Activation Constants::activation(const layers::Activation& a, int channels) {
  gpu::Activation result{gpu::Pointwise::kNone, nullptr, nullptr};
  const auto count = static_cast<std::size_t>(channels);
  switch (a.kind()) {
    case layers::Nonlinearity::kNone:
      break;
    case layers::Nonlinearity::kElu:
      result.kind = gpu::Pointwise::kElu;
      break;
    case layers::Nonlinearity::kTanh:
      result.kind = gpu::Pointwise::kTanh;
      break;
    case layers::Nonlinearity::kSnake:
      result = {gpu::Pointwise::kSnake, floats(a.alpha(), count), floats(a.inverse_alpha(), count)};
      break;
  }
  return result;
}

}  // namespace hopcodec::graph::cuda
