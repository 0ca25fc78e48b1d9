#include "core/formats/inner_model.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace headroom {

std::optional<JsonValue> find_inner_model(const JsonValue& root) {
  // PaliGemma is not here: it reads its prompt from both sides. Qwen-VL is not: its rotary positions have three axes.
  constexpr std::array<std::string_view, 7> kOuter{"llava",    "llava_next",  "llava_next_video", "llava_onevision",
                                                   "vipllava", "video_llava", "mistral3"};
  const JsonValue* type = root.find_set("model_type");
  const JsonValue* text = root.find_set(kInnerModel);
  if (type == nullptr || !type->is(JsonValue::Type::kString) || std::ranges::find(kOuter, type->string) == kOuter.end()) return {};
  if (text == nullptr || !text->is(JsonValue::Type::kObject)) return {};
  JsonValue inner = *text;
  constexpr const char* kTied = "tie_word_embeddings";
  if (const JsonValue* tied = root.find_set(kTied); tied != nullptr && inner.find(kTied) == nullptr)
    inner.members.emplace_back(kTied, *tied);
  return inner;
}

}  // namespace headroom
