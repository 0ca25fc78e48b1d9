#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "core/kv_cache/kv_cache_state.h"
#include "core/tensor/error.h"
#include "core/tensor/tensor.h"

namespace headroom {
namespace {

template <typename T>
void check_heads(const char* name, const BasicHeadsView<T>& view, const std::array<std::int64_t, 4>& shape) {
  const std::array<std::int64_t, 4> actual{view.batch, view.n_heads, view.seq, view.d_head};
  if (actual != shape)
    throw ShapeError(std::string(name) + " has the shape " + shape_text(actual) + " instead of " + shape_text(shape));
  if (view.data == nullptr) throw ShapeError(std::string(name) + " points to nothing");
}

}  // namespace

using kv_detail::rows_between;

void KvCache::State::check_rows(std::int64_t layer, const ConstHeadsView& k, const ConstHeadsView& v) const {
  constexpr std::int64_t kMostTokens = std::numeric_limits<std::int32_t>::max();
  const SlotTable& slots = layer_at(layer);
  const std::array<std::int64_t, 4> rows{1, slots.n_kv_heads(), k.seq, shape.d_head};
  if (k.seq < 1 || slots.n_kv_heads() == 0) {
    throw ShapeError("a cache is given " + std::to_string(k.seq) + " rows for the " + std::to_string(slots.n_kv_heads()) +
                     " K/V heads of layer " + std::to_string(layer) + "; it takes 1 row of 1 head at least");
  }
  check_heads("k", k, rows);
  check_heads("v", v, rows);
  if (k.seq > kMostTokens - slots.n_seen()) {
    throw Error("a cache counts " + std::to_string(kMostTokens) + " tokens at most; " + std::to_string(slots.n_seen()) +
                " and then " + std::to_string(k.seq) + " are more");
  }
}

/// Rows that may be kept together.
void KvCache::State::keep_rows(std::int64_t layer, const ConstHeadsView& k, const ConstHeadsView& v) {
  SlotTable& slots = layers[static_cast<std::size_t>(layer)];
  const std::int64_t begin = slots.n_held(), end = slots.n_held_after(k.seq);
  if (begin < end) memory->prepare(begin, end);
  for (std::int64_t row = 0; row < k.seq; ++row) {
    const std::span<const std::int64_t> to = slots.next_slots();
    for (const std::int64_t slot : to) {
      if (slot < begin) memory->prepare(slot, slot + 1);
    }
    const PageLayout& layout = memory->layout(layer);
    for (std::int64_t head = 0; head < slots.n_kv_heads(); ++head) {
      const std::int64_t slot = to[static_cast<std::size_t>(head)];
      write_cached_row(layout, {memory->part(layer, slot / layout.page_rows), head, slot % layout.page_rows}, k.row(0, head, row),
                       v.row(0, head, row));
    }
    slots.keep();
  }
}

/// Of `config` all is set. Errors  ShapeError unless the rows can be asked.
void KvCache::State::check_call(std::int64_t layer, const AttentionConfig& config, const CacheCall& call) const {
  const SlotTable& slots = layer_at(layer);
  const auto refuse = [](const std::string& why) { throw ShapeError("a cache cannot be asked: " + why); };
  if (config.n_kv_heads != slots.n_kv_heads() || config.d_head != shape.d_head) {
    refuse("it holds " + std::to_string(slots.n_kv_heads()) + " K/V heads of " + std::to_string(shape.d_head) +
           " numbers, and attention reads " + std::to_string(config.n_kv_heads) + " of " + std::to_string(config.d_head));
  }
  if (config.batch != 1) refuse("it holds one sequence, and batch is " + std::to_string(config.batch));
  if (config.dropout) refuse("it drops nothing, and a dropout is set");
  if (config.mask.direction != Direction::kCausal) refuse("the mask is bidirectional, but later tokens are not there yet");
  if (config.mask.pattern.kind == PatternKind::kHashedBuckets) refuse("buckets are not kept with the keys");
  if (const auto wrong = validate(config)) refuse(*wrong);
  const std::int64_t n_rows = call.k.seq, n_held = slots.n_held_after(n_rows);
  const std::array<std::int64_t, 4> rows{1, config.n_heads, n_rows, config.d_head};
  check_heads("q", call.q, rows);
  check_heads("out", call.outputs.out, rows);
  if (std::ssize(call.outputs.logsumexp) != config.n_heads * n_rows) {
    refuse("logsumexp has " + std::to_string(call.outputs.logsumexp.size()) + " elements instead of " +
           std::to_string(config.n_heads * n_rows));
  }
  if (!call.outputs.probs.empty() && std::ssize(call.outputs.probs) != config.n_heads * n_held) {
    refuse("probs has " + std::to_string(call.outputs.probs.size()) + " elements instead of " +
           std::to_string(config.n_heads * n_held) + ", those of its last row");
  }
}

/// The rows are the newest tokens of the layer.
void KvCache::State::ask(std::int64_t layer, AttentionConfig& config, const CacheCall& rows, const std::stop_token& stop) {
  SlotTable& slots = layers[static_cast<std::size_t>(layer)];
  config.seq_q = rows.q.seq;
  config.seq_k = slots.n_seen();
  config.mask.query_offset = slots.n_seen() - rows.q.seq;
  if (is_one_stretch_of_floats() && rows.outputs.probs.empty()) return ask_flash(layer, config, rows, stop);
  std::span<float> given = rows.outputs.probs;
  if (given.empty() && slots.counts()) {
    probs.resize(static_cast<std::size_t>(config.n_heads * slots.n_held()));
    given = probs;
  }
  kernels->cached.run(config, rows.q, {memory->layout(layer), slots.n_held(), memory->parts(layer), slots.positions()},
                      {rows.outputs.out, rows.outputs.logsumexp, given, rows.outputs.work}, stop);
  if (slots.counts()) slots.count(config, given);
}

/// All tokens lie in one stretch as floats: heads that a backend can be given.
void KvCache::State::ask_flash(std::int64_t layer, AttentionConfig& config, const CacheCall& rows, const std::stop_token& stop) {
  const PageLayout& layout = memory->layout(layer);
  const std::byte* const part = memory->parts(layer).front();
  const auto heads = [&]<typename T>(std::int64_t at, const T*) {
    const std::int64_t d_head = shape.d_head, stride = layout.page_rows * d_head;
    return BasicHeadsView<const T>{reinterpret_cast<const T*>(part + at),
                                   1,
                                   config.n_kv_heads,
                                   config.seq_k,
                                   d_head,
                                   config.n_kv_heads * stride,
                                   stride,
                                   d_head};
  };
  AttentionInputs inputs{rows.q, {}, {}};
  config.kv_storage = KvStorage::kFloat32;
  if (options.type == KvType::kFloat32) {
    inputs.k = heads(0, static_cast<const float*>(nullptr));
    inputs.v = heads(layout.v_values, static_cast<const float*>(nullptr));
  } else {
    config.kv_storage = options.type == KvType::kFloat16 ? KvStorage::kFloat16 : KvStorage::kBFloat16;
    inputs.k16 = heads(0, static_cast<const std::uint16_t*>(nullptr));
    inputs.v16 = heads(layout.v_values, static_cast<const std::uint16_t*>(nullptr));
  }
  kernels->flash->run(config, inputs, rows.outputs, stop);
}

AttentionWork KvCache::State::attend_rows(const Rows& rows, AttentionConfig& config, const CacheCall& call,
                                          const std::stop_token& stop) {
  const std::int64_t n = rows.end - rows.begin, n_all = call.k.seq;
  AttentionWork work;
  CacheCall part{rows_between(call.q, rows.begin, rows.end), rows_between(call.k, rows.begin, rows.end),
                 rows_between(call.v, rows.begin, rows.end), call.outputs};
  part.outputs.out = rows_between(call.outputs.out, rows.begin, rows.end);
  part.outputs.work = &work;
  if (rows.end < n_all) part.outputs.probs = {};
  if (n < n_all) {
    logsumexp.resize(static_cast<std::size_t>(config.n_heads * n));
    part.outputs.logsumexp = logsumexp;
  }
  keep_rows(rows.layer, part.k, part.v);
  ask(rows.layer, config, part, stop);
  for (std::int64_t head = 0; n < n_all && head < config.n_heads; ++head)
    std::copy_n(logsumexp.begin() + head * n, n, call.outputs.logsumexp.begin() + head * n_all + rows.begin);
  return work;
}

void KvCache::append(std::int64_t layer, ConstHeadsView k, ConstHeadsView v) {
  state_->check_rows(layer, k, v);
  const SlotTable& slots = state_->layer_at(layer);
  for (std::int64_t begin = 0; begin < k.seq;) {
    const std::int64_t end = begin + slots.n_together(k.seq - begin);
    state_->keep_rows(layer, rows_between(k, begin, end), rows_between(v, begin, end));
    begin = end;
  }
}

void KvCache::attend(std::int64_t layer, const AttentionConfig& asked, const CacheCall& call, std::stop_token stop) {
  State& state = *state_;
  state.check_rows(layer, call.k, call.v);
  AttentionConfig config = asked;
  config.seq_q = call.k.seq;
  config.seq_k = state.layer_at(layer).n_seen() + call.k.seq;
  config.mask.query_offset = state.layer_at(layer).n_seen();
  config.mask.key_lengths.clear();
  state.check_call(layer, config, call);
  if (stop.stop_requested()) throw Cancelled();
  const SlotTable& slots = state.layer_at(layer);
  const std::int64_t n_rows = call.k.seq;
  AttentionWork sum;
  for (std::int64_t begin = 0; begin < n_rows;) {
    std::int64_t end = begin + slots.n_together(n_rows - begin);
    // One stretch of floats tells its probabilities through another kernel, which is made for few rows.
    if (state.is_one_stretch_of_floats() && !call.outputs.probs.empty() && end == n_rows && end - begin > 1) --end;
    const AttentionWork work = state.attend_rows({layer, begin, end}, config, call, stop);
    sum.flops += work.flops;
    sum.bytes_moved += work.bytes_moved;
    sum.bytes_allocated = std::max(sum.bytes_allocated, work.bytes_allocated);
    begin = end;
  }
  if (call.outputs.work != nullptr) *call.outputs.work = sum;
}

}  // namespace headroom
