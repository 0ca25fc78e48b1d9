#include "core/kv_cache/options.h"

#include <array>
#include <utility>

namespace headroom {
namespace {

std::string tokens_text(std::int64_t n) {
  std::string text = std::to_string(n);
  text += n == 1 ? " token" : " tokens";
  return text;
}

}  // namespace

std::optional<std::int64_t> token_budget(const KvCacheOptions& options) {
  switch (options.eviction) {
    case Eviction::kNone:
      return std::nullopt;
    case Eviction::kWindow:
      return options.window;
    case Eviction::kStreaming:
      return options.n_first + options.window;
    case Eviction::kHeavyHitters:
      return options.n_heavy + options.window;
  }
  return std::nullopt;
}

std::optional<std::string> validate(const KvCacheOptions& options) {
  struct Limit {
    const char* name;
    std::int64_t value, least, most;
  };
  const std::array limits{Limit{"a page", options.page_rows, 1, kMaxPageRows}, Limit{"the window", options.window, 1, kMaxKept},
                          Limit{"the first tokens kept", options.n_first, 0, kMaxKept},
                          Limit{"the heavy hitters kept", options.n_heavy, 0, kMaxKept}};
  for (const Limit& limit : limits) {
    if (limit.value >= limit.least && limit.value <= limit.most) continue;
    std::string text = limit.name;
    text +=
        ": " + tokens_text(limit.value) + ", which should be " + std::to_string(limit.least) + " to " + std::to_string(limit.most);
    return text;
  }
  return std::nullopt;
}

std::string cache_text(const KvCacheOptions& options) {
  std::string text = options.layout == CacheLayout::kContiguous ? "contiguous" : "pages of " + tokens_text(options.page_rows);
  text += ", ";
  text += kv_type_name(options.type);
  switch (options.eviction) {
    case Eviction::kNone:
      break;
    case Eviction::kWindow:
      text += ", last " + tokens_text(options.window);
      break;
    case Eviction::kStreaming:
      text += ", first " + std::to_string(options.n_first) + " and last " + tokens_text(options.window);
      break;
    case Eviction::kHeavyHitters:
      text += ", heaviest " + std::to_string(options.n_heavy) + " and last " + tokens_text(options.window);
      break;
  }
  return text;
}

}  // namespace headroom
