#include <algorithm>
#include <chrono>

#include "core/cost/work.h"
#include "core/model/forward_steps.h"
#include "core/session/devices.h"
#include "core/tensor/error.h"
#include "core/tensor/machine.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

using Clock = std::chrono::steady_clock;

/// A slice is timed as often as fits, so that one interruption does not decide.
constexpr double kSliceSeconds = 0.02;
/// Tokens of the text that a GPU's slice takes: enough to fill it.
constexpr std::int64_t kGpuSliceTokens = 4096;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// The fastest of as many runs as fit, at least two: the first one also touches memory.
template <typename Run>
double fastest_seconds(const Run& run, const std::stop_token& stop) {
  double fastest = 0;
  const auto start = Clock::now();
  for (int n = 0; n < 2 || seconds_since(start) < kSliceSeconds; ++n) {
    if (stop.stop_requested()) throw Cancelled();
    const auto begin = Clock::now();
    run();
    const double seconds = seconds_since(begin);
    fastest = n == 0 ? seconds : std::min(fastest, seconds);
  }
  return std::max(fastest, 1e-9);
}

/// Flops of one attention layer, by stage.
double layer_flops(const PassRequest& request, std::int64_t seq, std::initializer_list<const char*> stages) {
  const LayerParams& layer = request.params.layers.front();
  PassShape shape{.model = request.params.config, .n_heads = {}, .n_kv_heads = {}, .seq = seq, .mask = request.mask};
  shape.n_heads = {std::ssize(layer.heads)};
  shape.n_kv_heads = {std::ssize(layer.kv_heads)};
  double flops = 0;
  for (const StageWork& stage : pass_work(shape)) {
    if (std::find(stages.begin(), stages.end(), stage.stage) != stages.end()) flops += stage.flops;
  }
  return flops;
}

/// How many queries and keys a slice has: plain double loops take hundreds of times as long.
struct SliceSize {
  std::int64_t queries, keys;
};
SliceSize slice_size(BackendChoice choice, std::int64_t seq) {
  if (choice == BackendChoice::kReference) return {2, std::min<std::int64_t>(seq, 1024)};
  return {std::min<std::int64_t>(seq, 128), std::min<std::int64_t>(seq, 8192)};
}

/// The last queries of a stretch of keys, with k for v: only the time matters.
double attention_seconds(AttentionBackend& backend, const LayerTrace& layer, const AttentionConfig& config,
                         const std::stop_token& stop) {
  const std::int64_t first = config.mask.query_offset;
  Tensor out({config.seq_q, config.n_heads * config.d_head}), sums({config.n_heads, config.seq_q});
  const Tensor &q = layer.attention.q, &k = layer.attention.k;
  const auto queries = ConstHeadsView::interleaved(q.row(first).data(), 1, config.n_heads, config.seq_q, config.d_head);
  const auto keys = ConstHeadsView::interleaved(k.data(), 1, config.n_kv_heads, config.seq_k, config.d_head);
  const auto to = HeadsView::interleaved(out.data(), 1, config.n_heads, config.seq_q, config.d_head);
  return fastest_seconds([&] { backend.run(config, {queries, keys, keys}, {to, sums.span(), {}}, stop); }, stop);
}

}  // namespace

PassResult Devices::run_first_layer(const PassRequest& request, const LongPassOptions& options) {
  ++counters_.passes;
  const auto start = Clock::now();
  PassResult result;
  result.trace = std::make_shared<const ForwardTrace>(first_layer_pass(request.params, request.ids, pool_, options));
  result.cpu = {std::string("CPU · q and k of the first layer · ") + simd_name() + " · " + std::to_string(pool_.n_threads()) +
                    (pool_.n_threads() == 1 ? " thread" : " threads"),
                result.trace->times, 1000 * seconds_since(start)};
  result.reason = "The first layer of a long text is the CPU's: q and k of each token, and rows of scores as they are looked at.";
  return result;
}

void Devices::measure_cpu(const PassRequest& request, const ForwardTrace& first_layer, LongPlan& plan, std::stop_token stop) {
  const ModelShape& shape = request.params.config.shape;
  const LayerParams& params = request.params.layers.front();
  const std::int64_t seq = std::ssize(request.ids);
  // A product as a stretch of rows makes it: the MLP's, or the words' where there is none.
  const std::int64_t rows = std::min<std::int64_t>(seq, 256);
  const Tensor& weight = params.w_up.empty() ? request.params.embedding : params.w_up;
  Tensor x({rows, shape.d_model}), out({rows, weight.dim(0)});
  embed(pool_, request.params.embedding, std::span(request.ids).first(static_cast<std::size_t>(rows)), x.matrix());
  const double product = fastest_seconds([&] { linear(pool_, x.matrix(), weight.weights(), {}, out.matrix()); }, stop);
  plan.dense_flops = plan.projection_flops =
      2 * static_cast<double>(rows) * static_cast<double>(shape.d_model) * static_cast<double>(weight.dim(0)) / product;
  if (params.heads.empty()) return;
  const SliceSize size = slice_size(plan.cpu, seq);
  AttentionConfig config = StackScores(decoder_of(request.params), request.mask).config(0, size.keys);
  config.seq_q = size.queries;
  config.mask.query_offset = size.keys - size.queries;
  const auto pairs = static_cast<double>(count_visible(config.mask, 0, config.seq_q, config.seq_k) * config.n_heads);
  plan.attention_flops = 4 * static_cast<double>(shape.d_head) * std::max(1.0, pairs) /
                         attention_seconds(*cpu_slot(plan.cpu).backend, first_layer.layers.front(), config, stop);
}

Devices::GpuRate Devices::measure_gpu(const PassRequest& request, const LongPlan& plan, std::stop_token stop) {
  const ModelShape& shape = request.params.config.shape;
  const LayerParams& params = request.params.layers.front();
  const std::int64_t rows = std::min(std::ssize(request.ids), kGpuSliceTokens);
  Tensor x({rows, shape.d_model});
  embed_tokens(pool_, decoder_of(request.params), {std::span(request.ids).first(static_cast<std::size_t>(rows))}, x.matrix());
  Tensor normed({rows, shape.d_model});
  attention_input(pool_, request.params.config, params, x.matrix(), normed.matrix());
  const AttentionConfig config = StackScores(decoder_of(request.params), request.mask).config(0, rows);
  double seconds = 0;
  on_gpu(request, [&](AttentionLayer& layer) {
    const std::optional<Rotary> rotary = rotary_of(request.params.config, rows);
    seconds = fastest_seconds(
        [&] { layer.run(config, params.attention(request.params.config.rms_norm_eps), rotary, normed.matrix(), stop); }, stop);
  });
  const double attention = layer_flops(request, rows, {"attention"});
  const double projections = layer_flops(request, rows, {"q k v", "rotary", "W_O"});
  const double cpu_seconds = attention / plan.attention_flops + projections / plan.projection_flops;
  return {.flops = (attention + projections) / seconds, .cpu_flops = (attention + projections) / cpu_seconds};
}

LongPlan Devices::plan_long(const PassRequest& request, const ForwardTrace& first_layer, BackendChoice choice,
                            std::stop_token stop) {
  LongPlan plan;
  if (choice == BackendChoice::kReference || choice == BackendChoice::kNaive) plan.cpu = choice;
  measure_cpu(request, first_layer, plan, stop);
  plan.reason = cpu_text(plan.cpu) + " computes all layers.";
  if (request.params.layers.front().heads.empty()) return plan;
  const auto on_gpu_at = [&](double flops, const std::string& reason) {
    plan.is_on_gpu = true;
    plan.attention_flops = plan.projection_flops = flops;
    plan.reason = reason;
  };
  try {
    if (choice == BackendChoice::kGl) {
      on_gpu_at(measure_gpu(request, plan, stop).flops, "gl was chosen; the MLPs run on the CPU.");
    } else if (choice == BackendChoice::kAuto && gpu_facts().is_available && !gpu_facts().is_software) {
      const GpuRate rate = measure_gpu(request, plan, stop);
      if (rate.flops > rate.cpu_flops)
        on_gpu_at(rate.flops, "auto: " + gpu_facts().name + " measured faster; the MLPs run on the CPU.");
    }
  } catch (const Cancelled&) {
    throw;
  } catch (const Error& error) {
    plan.reason = std::string("The CPU computes all layers, because the GPU cannot: ") + error.what();
  }
  return plan;
}

PassResult Devices::run_long(const PassRequest& request, const LongPlan& plan, const LongPassOptions& options) {
  ++counters_.passes;
  const auto start = Clock::now();
  PassResult result;
  result.reason = plan.reason;
  if (plan.is_on_gpu) {
    try {
      on_gpu(request, [&](AttentionLayer& layer) {
        result.trace = std::make_shared<const ForwardTrace>(long_forward(request.params, request.ids, layer, pool_, options));
        result.gpu = PassTiming{gpu_text(), result.trace->times, 1000 * seconds_since(start)};
        result.ran_on_gpu = true;
      });
      return result;
    } catch (const Cancelled&) {
      throw;
    } catch (const Error& error) {
      result = {};
      result.reason = std::string("The CPU computed all layers, because the GPU failed: ") + error.what();
    }
  }
  const auto begin = Clock::now();
  result.trace =
      std::make_shared<const ForwardTrace>(long_forward(request.params, request.ids, *cpu_slot(plan.cpu).backend, pool_, options));
  result.cpu = {cpu_text(plan.cpu), result.trace->times, 1000 * seconds_since(begin)};
  return result;
}

}  // namespace headroom
