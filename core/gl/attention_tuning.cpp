// How AttentionKernels choose a shape: by name, by rule, or by checking and timing the candidates.
#include <epoxy/gl.h>

#include <algorithm>
#include <cmath>

#include "core/gl/attention_kernels.h"
#include "core/gl/gl_error.h"
#include "core/gl/packed_heads.h"
#include "core/gl/stage_timer.h"
#include "core/tensor/dtype.h"
#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

// A sample's length that a clock can judge, and the floating-point operations at which samples begin.
constexpr double kSampleMs = 4;
constexpr double kFirstSampleFlops = 2e7;

std::string problem_of(const AttentionConfig& config) {
  const char* rows = config.batch * config.n_heads * config.seq_q < 8192 ? "few queries" : "many queries";
  const char* direction = config.mask.direction == Direction::kCausal ? "causal" : "bidirectional";
  return std::string("attention, d_head ") + std::to_string(4 * vec4s(config.d_head)) + ", " + direction + ", pattern " +
         std::to_string(static_cast<int>(config.mask.pattern.kind)) + ", " + kv_storage_name(config.kv_storage) + ", " + rows;
}

/// A small problem that the same compilation serves, with edges in both directions.
AttentionConfig small_problem(const AttentionConfig& config) {
  AttentionConfig small = config;
  small.batch = 1;
  small.n_heads = 2;
  small.n_kv_heads = 1;
  small.pruned.clear();
  small.kv_head_of.clear();
  small.scale.reset();
  small.seq_q = std::min<std::int64_t>(config.seq_q, 75);
  small.seq_k = std::min<std::int64_t>(config.seq_k, 83);
  small.mask.key_lengths.clear();
  small.mask.query_offset = std::min<std::int64_t>(config.mask.query_offset, 8);
  auto& pattern = small.mask.pattern;
  if (!pattern.query_bucket.empty()) pattern.query_bucket.resize(static_cast<std::size_t>(small.seq_q));
  if (!pattern.key_bucket.empty()) pattern.key_bucket.resize(static_cast<std::size_t>(small.seq_k));
  return small;
}

/// Values between -1 and 1 that any order of summing gives to about 1e-6.
std::vector<float> test_values(std::int64_t n, double step) {
  std::vector<float> values(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(std::sin(step * static_cast<double>(i + 1)));
  return values;
}

/// The small problem's tensors on both sides.
struct Trial {
  explicit Trial(const AttentionConfig& small)
      : config(small),
        q(test_values(small.n_heads * small.seq_q * small.d_head, 0.7391)),
        k(test_values(small.n_kv_heads * small.seq_k * small.d_head, 1.1317)),
        v(test_values(small.n_kv_heads * small.seq_k * small.d_head, 0.3719)) {
    inputs.q = ConstHeadsView::head_major(q.data(), 1, small.n_heads, small.seq_q, small.d_head);
    inputs.k = ConstHeadsView::head_major(k.data(), 1, small.n_kv_heads, small.seq_k, small.d_head);
    inputs.v = ConstHeadsView::head_major(v.data(), 1, small.n_kv_heads, small.seq_k, small.d_head);
    if (small.kv_storage == KvStorage::kFloat32) return;
    k16.resize(k.size());
    v16.resize(v.size());
    const bool is_half = small.kv_storage == KvStorage::kFloat16;
    is_half ? to_float16(k, k16) : to_bfloat16(k, k16);
    is_half ? to_float16(v, v16) : to_bfloat16(v, v16);
    inputs.k16 = ConstHeads16View::head_major(k16.data(), 1, small.n_kv_heads, small.seq_k, small.d_head);
    inputs.v16 = ConstHeads16View::head_major(v16.data(), 1, small.n_kv_heads, small.seq_k, small.d_head);
  }
  AttentionConfig config;
  std::vector<float> q, k, v;
  std::vector<std::uint16_t> k16, v16;
  AttentionInputs inputs;
};

bool agrees(const std::vector<float>& actual, const std::vector<float>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::isinf(expected[i]) ? actual[i] != expected[i] : !(std::abs(actual[i] - expected[i]) <= 1e-4F)) return false;
  }
  return true;
}

}  // namespace

FusedShape AttentionKernels::choose_shape(const AttentionConfig& config, const DeviceAttention& tensors,
                                          const std::stop_token& stop) {
  if (!options_.attention_shape.empty()) {
    for (const FusedShape& shape : all_fused_shapes(facts_, config)) {
      if (shape.name() == options_.attention_shape) return shape;
    }
    throw Error("This OpenGL cannot run the kernel shape \"" + options_.attention_shape + "\"");
  }
  const std::vector<FusedShape> shapes = fused_shapes(facts_, config);
  std::vector<std::string> names;
  for (const FusedShape& shape : shapes)
    names.push_back(shape.name());
  const bool is_empty = config.batch == 0 || config.seq_q == 0 || config.seq_k == 0 || config.n_heads == 0;
  if (is_empty) return shapes.front();
  return shapes[tuner_.choose(problem_of(config), names,
                              [&](std::size_t i) { return time_shape(shapes[i], config, tensors, stop); })];
}

/// Whether the shape gives the reference's answer to the small problem.
bool AttentionKernels::is_right(const FusedShape& shape, const AttentionConfig& config, const std::stop_token& stop) {
  const Trial trial(small_problem(config));
  const auto n_out = static_cast<std::size_t>(trial.config.n_heads * trial.config.seq_q * trial.config.d_head);
  const auto n_rows = static_cast<std::size_t>(trial.config.n_heads * trial.config.seq_q);
  std::vector<float> expected(n_out), expected_sums(n_rows), actual(n_out), actual_sums(n_rows);
  const auto view = [&](std::vector<float>& out) {
    return HeadsView::head_major(out.data(), 1, trial.config.n_heads, trial.config.seq_q, trial.config.d_head);
  };
  make_reference_backend()->run(trial.config, trial.inputs, {view(expected), expected_sums}, stop);
  PackedHeads packed;
  const DeviceAttention tensors = packed.upload(trial.config, trial.inputs);
  shape_ = shape;
  set_params(trial.config, tensors);
  run_fused(trial.config, tensors, stop);
  packed.read_out(trial.config, view(actual));
  packed.logsumexp.read(0, std::span<float>(actual_sums));
  return agrees(actual, expected) && agrees(actual_sums, expected_sums);
}

/// Milliseconds for each query of the call's last ones, whose keys are the most; nothing when the shape fails.
std::optional<double> AttentionKernels::time_shape(const FusedShape& shape, const AttentionConfig& config,
                                                   const DeviceAttention& tensors, const std::stop_token& stop) {
  try {
    if (!is_right(shape, config, stop)) return std::nullopt;
    check_gl("trying a kernel shape");
  } catch (const Cancelled&) {
    throw;
  } catch (const Error&) {
    drop_gl_errors();
    return std::nullopt;  // it does not compile here
  }
  set_params(config, tensors);
  const auto n_active = static_cast<std::int64_t>(active_heads_.size());
  if (n_active == 0) return 0.0;
  SliceWalk walk(config, active_heads_, tensors.out_place, params_.d4, limits(config));
  Slice sample{0, 1, 0, n_active, 0, 1};
  if (walk.out_span({0, 1, 0, n_active, 0, config.seq_q}).size() > limits(config).out4) sample.n_active = 1;
  const std::int64_t most =
      sample.n_active == 1 ? std::min(config.seq_q, limits(config).out4 / (2 * tensors.out_place.row)) : config.seq_q;
  const double query_flops = 4.0 * static_cast<double>(sample.n_active * config.seq_k * config.d_head);
  sample.n_queries = std::clamp<std::int64_t>(static_cast<std::int64_t>(kFirstSampleFlops / query_flops), 1, most);
  for (bool is_warm = false;; is_warm = true) {
    if (stop.stop_requested()) throw Cancelled();
    // Whole work groups: a part of one costs as much.
    sample.n_queries = std::min(ceil_div(sample.n_queries, 128) * 128, most);
    sample.first_query = config.seq_q - sample.n_queries;
    StageTimer timer;
    timer.begin("sample");
    dispatch_fused(config, tensors, sample, walk.out_span(sample));
    const double ms = timer.finish().front().ms;
    // The first one holds what the driver compiles late.
    if (is_warm && (ms >= kSampleMs || sample.n_queries == most)) return ms / static_cast<double>(sample.n_queries);
    if (is_warm) sample.n_queries = std::min(sample.n_queries * 4, most);
  }
}

}  // namespace headroom::gl
