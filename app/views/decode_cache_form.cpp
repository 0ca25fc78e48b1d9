#include <imgui.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "app/views/decode.h"
#include "app/widgets/controls.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr std::array<MenuChoice, 2> kLayouts{{
    {"decode/layout/contiguous", "one stretch",
     "Contiguous: all tokens of a sequence follow each other in memory, which doubles "
     "as it fills: up to half of it stands empty."},
    {"decode/layout/paged", "pages",
     "Pages of a few tokens each and a table that finds them (Kwon et al. 2023): less than one "
     "page stands empty, and sequences can share pages."},
}};
constexpr std::array<KvType, 5> kTypes{KvType::kFloat32, KvType::kFloat16, KvType::kBFloat16, KvType::kInt8, KvType::kInt4};
constexpr std::array<MenuChoice, 5> kTypeChoices{{
    {"decode/type/float32", "float32", "4 bytes a number: as the model computes, nothing is lost."},
    {"decode/type/float16", "float16", "2 bytes a number: 11 bits of precision, up to 65,504."},
    {"decode/type/bfloat16", "bfloat16", "2 bytes a number: 8 bits of precision, the range of float32."},
    {"decode/type/int8", "int8", "1 byte a number and one scale of 4 bytes for each row of each head: 255 steps."},
    {"decode/type/int4", "int4", "Half a byte a number and one scale of 4 bytes for each row of each head: 15 steps."},
}};
constexpr std::array<MenuChoice, 4> kEvictions{{
    {"decode/keep/all", "all tokens", "Nothing is given up: memory grows with the text, every answer is exact."},
    {"decode/keep/window", "newest",
     "A sliding window: only the newest tokens are kept. Memory stays the same however long the text; "
     "what is older is forgotten."},
    {"decode/keep/streaming", "first and newest",
     "Most heads rest on the first tokens when they find nothing: they are kept beside the window, or the model falls apart (Xiao "
     "et "
     "al. 2023)."},
    {"decode/keep/heavy", "heavy hitters and newest",
     "Beside the newest tokens each K/V head keeps those that were given most probability so far (Zhang et al. 2023)."},
}};
constexpr std::array<std::int64_t, 10> kPageRows{1, 2, 4, 8, 16, 32, 64, 128, 256, 1024};
constexpr std::array<std::int64_t, 15> kWindows{1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 1024, 4096};
constexpr std::array<std::int64_t, 8> kFirst{0, 1, 2, 4, 8, 16, 32, 64};
constexpr std::array<std::int64_t, 12> kHeavy{0, 1, 2, 4, 8, 12, 16, 24, 32, 64, 128, 256};

const KvCacheOptions& cache_of(const Frame& frame) { return frame.session.decode.cache; }

void set(const Frame& frame, const KvCacheOptions& cache, const char* group) {
  DecodePlan plan = frame.session.decode;
  plan.cache = cache;
  frame.send(DecodePlanSet{plan}, group);
}

struct CacheNumber {
  const char* name;
  const char* label;
  const char* tooltip;
  std::span<const std::int64_t> values;
  std::int64_t KvCacheOptions::*value;
};
void number(const Frame& frame, const CacheNumber& what) {
  gap(frame.look, 4);
  const std::int64_t now = cache_of(frame).*what.value;
  const auto value = value_slider(frame.look, {.name = what.name,
                                               .label = what.label,
                                               .tooltip = what.tooltip,
                                               .values = what.values,
                                               .value = now,
                                               .unit = now == 1 ? "token" : "tokens",
                                               .label_width = 74,
                                               .value_width = 78});
  if (!value) return;
  KvCacheOptions cache = cache_of(frame);
  cache.*what.value = *value;
  set(frame, cache, what.name);
}

}  // namespace

void decode_page_rows(const Frame& frame) {
  number(frame,
         {"decode/page_rows", "page",
          "Tokens of a page\nSmall pages leave less memory empty; large ones need a shorter table. The last page of a text is "
          "the only one that is not full.",
          kPageRows, &KvCacheOptions::page_rows});
}

void decode_type_form(const Frame& frame) {
  const Look& look = frame.look;
  const KvCacheOptions& cache = cache_of(frame);
  gap(look, 6);
  const int type = static_cast<int>(std::find(kTypes.begin(), kTypes.end(), cache.type) - kTypes.begin());
  if (const auto chosen = dropdown(look, {.name = "decode/type",
                                          .tooltip = "How each number of K and V is kept\nThe kernel reads it as it lies: fewer "
                                                     "bytes are fewer bytes to read for each token.",
                                          .value = kTypeChoices[static_cast<std::size_t>(type)].label,
                                          .choices = kTypeChoices,
                                          .selected = type,
                                          .width = ImGui::GetContentRegionAvail().x})) {
    KvCacheOptions wanted = cache;
    wanted.type = kTypes[static_cast<std::size_t>(*chosen)];
    set(frame, wanted, "decode type");
  }
}

void decode_cache_form(const Frame& frame) {
  const Look& look = frame.look;
  const KvCacheOptions& cache = cache_of(frame);
  const float width = ImGui::GetContentRegionAvail().x;
  heading(look, "CACHE");
  if (const auto layout = segmented(look, kLayouts, static_cast<int>(cache.layout), width)) {
    KvCacheOptions wanted = cache;
    wanted.layout = static_cast<CacheLayout>(*layout);
    set(frame, wanted, "decode layout");
  }
  if (cache.layout == CacheLayout::kPaged) decode_page_rows(frame);
  decode_type_form(frame);
}

void decode_eviction_form(const Frame& frame) {
  const Look& look = frame.look;
  const KvCacheOptions& cache = cache_of(frame);
  gap(look, 10);
  heading(look, "KEEPS");
  if (const auto chosen = dropdown(look, {.name = "decode/keep",
                                          .tooltip = "Which tokens the cache holds\nWhat it gives up, no later token can look at.",
                                          .value = kEvictions[static_cast<std::size_t>(cache.eviction)].label,
                                          .choices = kEvictions,
                                          .selected = static_cast<int>(cache.eviction),
                                          .width = ImGui::GetContentRegionAvail().x})) {
    KvCacheOptions wanted = cache;
    wanted.eviction = static_cast<Eviction>(*chosen);
    set(frame, wanted, "decode keep");
  }
  if (cache.eviction == Eviction::kNone) return;
  if (cache.eviction == Eviction::kStreaming)
    number(frame,
           {"decode/n_first", "first", "First tokens kept\nHeads that find nothing to look at rest on them: attention sinks.",
            kFirst, &KvCacheOptions::n_first});
  if (cache.eviction == Eviction::kHeavyHitters)
    number(frame, {"decode/n_heavy", "heavy",
                   "Heavy hitters kept\nFor each K/V head those of the older tokens that were given most "
                   "probability so far; each head has its own.",
                   kHeavy, &KvCacheOptions::n_heavy});
  number(frame,
         {"decode/window", "newest", "Newest tokens kept\nThe token that asks is among them.", kWindows, &KvCacheOptions::window});
}

}  // namespace headroom
