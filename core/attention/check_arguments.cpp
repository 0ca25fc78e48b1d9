#include <array>

#include "core/attention/backend.h"
#include "core/tensor/error.h"
#include "core/tensor/tensor.h"

namespace headroom {
namespace {

template <typename T>
void check_view(const char* name, const BasicHeadsView<T>& view, const std::array<std::int64_t, 4>& shape) {
  const std::array<std::int64_t, 4> actual{view.batch, view.n_heads, view.seq, view.d_head};
  if (actual != shape)
    throw ShapeError(std::string(name) + " has the shape " + shape_text(actual) + " instead of " + shape_text(shape));
  if (view.data == nullptr) throw ShapeError(std::string(name) + " points to nothing");
  if (view.batch_stride < 0 || view.head_stride < 0 || view.row_stride < 0)
    throw ShapeError(std::string(name) + " has a negative stride");
}

void check_span(const char* name, std::span<float> values, const std::vector<std::int64_t>& shape) {
  std::size_t wanted = 1;
  for (const std::int64_t dim : shape) {
    wanted *= static_cast<std::size_t>(dim);
  }
  if (values.size() != wanted) {
    throw ShapeError(std::string(name) + " has " + std::to_string(values.size()) + " elements instead of " + shape_text(shape));
  }
}

}  // namespace

void check_arguments(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs) {
  if (const auto wrong = validate(config)) throw ShapeError("attention cannot run: " + *wrong);
  check_view("q", inputs.q, {config.batch, config.n_heads, config.seq_q, config.d_head});
  const std::array<std::int64_t, 4> kv_shape{config.batch, config.n_kv_heads, config.seq_k, config.d_head};
  if (config.kv_storage == KvStorage::kFloat32) {
    check_view("k", inputs.k, kv_shape);
    check_view("v", inputs.v, kv_shape);
  } else {
    check_view("k16", inputs.k16, kv_shape);
    check_view("v16", inputs.v16, kv_shape);
  }
  check_view<float>("out", outputs.out, {config.batch, config.n_heads, config.seq_q, config.d_head});
  check_span("logsumexp", outputs.logsumexp, {config.batch, config.n_heads, config.seq_q});
  if (!outputs.probs.empty()) check_span("probs", outputs.probs, {config.batch, config.n_heads, config.seq_q, config.seq_k});
}

}  // namespace headroom
