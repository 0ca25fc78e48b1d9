#pragma once

#include <string>
#include <vector>

#include "core/kv_cache/options.h"
#include "core/model/surgery.h"
#include "tests/model/families.h"
#include "tests/model/models.h"

namespace headroom::test {

/// A small causal model of random parameters.
struct DecodingModel {
  std::string name;
  ModelParams params;

  /// Tokens that it can read: eight where nine positions are learned.
  std::vector<std::int32_t> ids() const {
    return some_ids(params.config.positions == PositionKind::kLearned ? 8 : 23, params.config.shape.vocab_size);
  }
};

/// Grouped heads under rotary positions; learned positions; relative ones; soft-capped scores, windows of their own and scales by layer;
/// heads gone, of one layer all.
inline std::vector<DecodingModel> decoding_models() {
  std::vector<DecodingModel> models;
  models.push_back({"grouped", stirred_params(family_config("qwen2"), 4)});
  models.push_back({"learned", stirred_params(family_config("gpt2"), 4)});
  ModelConfig config = relative_config();
  config.kind = ModelKind::kCausal;
  models.push_back({"relative", stirred_params(config, 4)});
  config = family_config("qwen2");
  config.score_cap = 0.4F;
  config.windows = {5, 0};
  config.divides_scale_by_layer = true;
  models.push_back({"capped", stirred_params(config, 4)});
  const std::vector<HeadRef> gone = {{0, 1}, {0, 2}, {0, 3}, {1, 0}, {1, 1}, {1, 2}, {1, 3}};
  models.push_back({"pruned", prune_heads(stirred_params(family_config("qwen2"), 4), gone)});
  return models;
}

inline KvCacheOptions paged(std::int64_t page_rows, KvType type = KvType::kFloat32) {
  return {.layout = CacheLayout::kPaged, .type = type, .page_rows = page_rows};
}

inline KvCacheOptions evicting(Eviction eviction, std::int64_t window, std::int64_t more = 0) {
  KvCacheOptions options{.eviction = eviction, .window = window};
  options.n_first = options.n_heavy = more;
  return options;
}

}  // namespace headroom::test
