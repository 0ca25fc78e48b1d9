#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/session/decode_requests.h"

namespace headroom {

/// What a made-up run looks like: 2 layers of 4 heads over 2 K/V heads, 6 tokens read, 10 written.
struct RunSpec {
  KvCacheOptions cache;
  std::int64_t prompt = 6, steps = 10;
  bool has_times = true;
};

/// The positions that a cache with a window or without one holds after so many tokens, in the order of its slots.
inline std::vector<std::int32_t> made_up_positions(const KvCacheOptions& cache, std::int64_t n) {
  const std::int64_t budget = std::min(n, token_budget(cache).value_or(n));
  std::vector<std::int32_t> slots(static_cast<std::size_t>(budget));
  for (std::int64_t position = 0; position < n; ++position) {
    // The first ones keep their slots, the newest take turns in the others.
    const std::int64_t first = cache.eviction == Eviction::kStreaming ? cache.n_first : 0;
    const std::int64_t slot = position < budget ? position : first + (position - first) % (budget - first);
    slots[static_cast<std::size_t>(slot)] = static_cast<std::int32_t>(position);
  }
  return slots;
}

inline std::shared_ptr<const DecodeStep> made_up_step(const RunSpec& spec, std::int64_t index) {
  auto step = std::make_shared<DecodeStep>();
  step->position = spec.prompt + index;
  step->id = step->full_id = static_cast<std::int32_t>(100 + index);
  step->probability = 0.25 + 0.05 * static_cast<double>(index);
  step->full_probability = step->probability;
  if (index == 4) {
    step->full_id = 7;
    step->full_probability = 0.125;
    step->kl = 0.031;
  }
  const double n = static_cast<double>(step->position), rows = index == 0 ? n : 1;
  const double ms = spec.has_times ? 1 : 0;
  const int runs = spec.has_times ? 3 : 0;
  step->cached = {.n_rows = static_cast<std::int64_t>(rows),
                  .ms = ms * (0.30 + 0.001 * n),
                  .attention_ms = ms * (0.02 + 0.001 * n),
                  .n_runs = runs,
                  .flops = 1.2e6 * rows + 1e3 * n,
                  .attention_flops = 1e3 * n,
                  .bytes = 3.1e6,
                  .attention_bytes = 512 * n};
  step->whole = StepCost{.n_rows = step->position,
                         .ms = ms * (0.2 * n),
                         .attention_ms = ms * 0.002 * n * n,
                         .n_runs = runs,
                         .flops = 1.2e6 * n + 1e3 * n * n,
                         .attention_flops = 1e3 * n * n,
                         .bytes = 3.4e6,
                         .attention_bytes = 512 * n * n};
  const std::vector<std::int32_t> positions = made_up_positions(spec.cache, step->position);
  const auto held = static_cast<std::int64_t>(positions.size());
  constexpr std::int64_t kRowBytes = 2 * 8 * 4;  // keys and values of 8 float32
  for (int l = 0; l < 2; ++l) {
    LayerStep layer;
    layer.n_slots = held;
    layer.positions = positions;
    layer.bytes = {held * kRowBytes, held * kRowBytes};
    const bool gives_up = held < step->position;
    const std::int64_t first = spec.cache.eviction == Eviction::kStreaming ? spec.cache.n_first : 0;
    layer.gave_up.assign(2, gives_up ? static_cast<std::int32_t>(step->position - held - 1 + first) : -1);
    for (int h = 0; h < 4; ++h) {
      for (std::int64_t slot = 0; slot < held; ++slot)
        layer.probs.push_back(static_cast<float>((h + 1.0) * static_cast<double>(slot + 1)) /
                              static_cast<float>((h + 1.0) * static_cast<double>(held * (held + 1)) / 2));
    }
    step->layers.push_back(std::move(layer));
  }
  step->n_held = held;
  step->bytes_held = held * kRowBytes * 4;
  step->bytes_full = step->position * kRowBytes * 4;
  if (spec.cache.layout == CacheLayout::kPaged) {
    const std::int64_t rows_a_page = spec.cache.page_rows;
    for (std::int64_t first = 0; first < held; first += rows_a_page)
      step->pages.push_back({.page = 10 + first / rows_a_page,
                             .rows = rows_a_page,
                             .rows_used = std::min(rows_a_page, held - first),
                             .n_sharers = 1});
    step->bytes_reserved = std::ssize(step->pages) * rows_a_page * kRowBytes * 4;
  } else {
    const std::int64_t room = held <= 8 ? 8 : 16;
    step->pages = {{.page = 0, .rows = room, .rows_used = held, .n_sharers = 1}};
    step->bytes_reserved = room * kRowBytes * 4;
  }
  return step;
}

inline std::shared_ptr<const Decoded> made_up_decoded(const Session& session, const RunSpec& spec) {
  auto run = std::make_shared<DecodeRun>();
  run->cache = spec.cache;
  run->d_head = 8;
  run->heads.assign(2, {0, 1, 2, 3});
  run->kv_heads.assign(2, {0, 1});
  run->kv_head_of.assign(2, {0, 0, 1, 1});
  run->threads = spec.has_times ? 2 : 0;
  run->kernel = std::string(spec.has_times ? "cache kernel, AVX2" : "");
  run->is_finished = true;
  auto decoded = std::make_shared<Decoded>();
  decoded->request = decode_request(session);
  for (std::int64_t i = 0; i < spec.prompt + spec.steps; ++i) {
    Token token;
    token.id = static_cast<std::int32_t>(i);
    token.text = std::string(1, 't').append(std::to_string(i));
    decoded->tokens.push_back(token);
  }
  for (std::int64_t i = 0; i < spec.prompt; ++i)
    run->prompt.push_back(static_cast<std::int32_t>(i));
  for (std::int64_t i = 0; i < spec.steps; ++i)
    run->steps.push_back(made_up_step(spec, i));
  if (spec.has_times) {
    run->cached_time = PowerFit{.exponent = 0.12, .factor = 0.2, .n_points = 9};
    run->whole_time = PowerFit{.exponent = 1.04, .factor = 0.2, .n_points = 9};
    run->cached_attention_time = PowerFit{.exponent = 0.81, .factor = 0.01, .n_points = 9};
    run->whole_attention_time = PowerFit{.exponent = 1.97, .factor = 0.002, .n_points = 9};
  }
  decoded->run = std::move(run);
  return decoded;
}

inline std::shared_ptr<const DecodedGrowth> made_up_decode_growth(const Session& session) {
  auto growth = std::make_shared<DecodeGrowth>();
  for (std::int64_t n = 64; n <= 8192; n *= 2) {
    const auto x = static_cast<double>(n);
    growth->cached.points.push_back({.n = n, .ms = 0.3 + 2e-4 * x, .attention_ms = 2e-4 * x});
    if (n <= 2048) growth->whole.points.push_back({.n = n, .ms = 0.2 * x + 1e-4 * x * x, .attention_ms = 1e-4 * x * x});
  }
  growth->cached.time = PowerFit{.exponent = 0.83, .factor = 1e-3, .n_points = 3};
  growth->cached.attention_time = PowerFit{.exponent = 1.0, .factor = 2e-4, .n_points = 3};
  growth->whole.time = PowerFit{.exponent = 1.46, .factor = 1e-2, .n_points = 3};
  growth->whole.attention_time = PowerFit{.exponent = 2.0, .factor = 1e-4, .n_points = 3};
  growth->whole.note = "Without a cache 4,096 tokens would take longer than 1 s.";
  growth->known_positions = 512;
  growth->threads = 2;
  growth->is_finished = true;
  auto measured = std::make_shared<DecodedGrowth>();
  measured->request = decode_growth_request(session);
  measured->growth = std::move(growth);
  return measured;
}

}  // namespace headroom
