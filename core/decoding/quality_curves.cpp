#include <algorithm>

#include "core/decoding/cache_quality.h"

namespace headroom {
namespace {

constexpr std::int64_t kFirstKept = 4;

QualityChoice with_eviction(QualityCurve curve, Eviction eviction, std::int64_t window) {
  QualityChoice choice{.curve = curve, .cache = {}};
  choice.cache.eviction = eviction;
  choice.cache.window = window;
  return choice;
}

bool is_unpruned(const ModelParams& params) {
  return std::ranges::all_of(params.layers, [&](const LayerParams& layer) {
    return std::ssize(layer.heads) == params.config.shape.n_heads && std::ssize(layer.kv_heads) == params.config.shape.n_kv_heads;
  });
}

}  // namespace

const char* quality_curve_name(QualityCurve curve) {
  switch (curve) {
    case QualityCurve::kBits:
      return "bits";
    case QualityCurve::kWindow:
      return "window";
    case QualityCurve::kStreaming:
      return "first tokens + window";
    case QualityCurve::kHeavyHitters:
      return "heavy hitters";
    case QualityCurve::kKvHeads:
      return "K/V heads";
    case QualityCurve::kOther:
      return "chosen";
  }
  return "";
}

std::string quality_choice_text(const QualityChoice& choice) {
  std::string text;
  const auto add = [&](const std::string& part) {
    if (!text.empty()) text += ", ";
    text += part;
  };
  const KvCacheOptions& cache = choice.cache;
  if (choice.n_kv_heads > 0) add(std::to_string(choice.n_kv_heads) + (choice.n_kv_heads == 1 ? " K/V head" : " K/V heads"));
  const std::string newest = "last " + std::to_string(cache.window) + (cache.window == 1 ? " token" : " tokens");
  if (cache.eviction == Eviction::kWindow) add(newest);
  if (cache.eviction == Eviction::kStreaming) add("first " + std::to_string(cache.n_first) + " and " + newest);
  if (cache.eviction == Eviction::kHeavyHitters) add(std::to_string(cache.n_heavy) + " heavy and " + newest);
  if (cache.type != KvType::kFloat32 || text.empty()) add(kv_type_name(cache.type));
  return text;
}

std::vector<QualityChoice> quality_curves(const ModelParams& params) {
  std::vector<QualityChoice> choices;
  for (const KvType type : {KvType::kFloat32, KvType::kFloat16, KvType::kBFloat16, KvType::kInt8, KvType::kInt4}) {
    QualityChoice& choice = choices.emplace_back();
    choice.curve = QualityCurve::kBits;
    choice.cache.type = type;
  }
  constexpr std::int64_t kLeast = 4, kMost = 64;
  for (std::int64_t budget = kLeast; budget <= kMost; budget *= 2)
    choices.push_back(with_eviction(QualityCurve::kWindow, Eviction::kWindow, budget));
  for (std::int64_t budget = 2 * kFirstKept; budget <= kMost; budget *= 2) {
    choices.push_back(with_eviction(QualityCurve::kStreaming, Eviction::kStreaming, budget - kFirstKept));
    choices.back().cache.n_first = kFirstKept;
  }
  for (std::int64_t budget = kLeast; budget <= kMost; budget *= 2) {
    choices.push_back(with_eviction(QualityCurve::kHeavyHitters, Eviction::kHeavyHitters, budget / 2));
    choices.back().cache.n_heavy = budget / 2;
  }
  if (!is_unpruned(params)) return choices;
  for (std::int64_t n = params.config.shape.n_kv_heads; n >= 1; --n) {
    if (params.config.shape.n_kv_heads % n != 0) continue;
    QualityChoice& choice = choices.emplace_back();
    choice.curve = QualityCurve::kKvHeads;
    choice.n_kv_heads = n;
  }
  return choices;
}

}  // namespace headroom
