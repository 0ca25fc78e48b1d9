#include "core/formats/generation_ids.h"

#include <algorithm>

#include "core/formats/json_value.h"

namespace headroom {
namespace {

constexpr std::uint64_t kMostBytes = 16u << 20;

/// The ids of a member: one, or a list of them.
std::vector<std::int32_t> ids_of(const JsonValue* value, std::int64_t vocab_size) {
  std::vector<std::int32_t> ids;
  const auto add = [&](const JsonValue& id) {
    if (id.is(JsonValue::Type::kUnsigned) &&
        id.unsigned_value < static_cast<std::uint64_t>(std::max<std::int64_t>(0, vocab_size)) && id.unsigned_value <= INT32_MAX)
      ids.push_back(static_cast<std::int32_t>(id.unsigned_value));
  };
  if (value == nullptr) return ids;
  if (!value->is(JsonValue::Type::kArray)) {
    add(*value);
    return ids;
  }
  for (const JsonValue& id : value->items)
    add(id);
  return ids;
}

}  // namespace

GenerationIds read_generation_ids(const std::filesystem::path& folder, std::int64_t vocab_size) {
  std::vector<JsonDocument> files;  // the one that is asked first comes first
  for (const char* name : {"generation_config.json", "config.json"}) {
    std::error_code ignored;
    if (std::filesystem::exists(folder / name, ignored)) files.push_back(read_json_file(folder / name, kMostBytes));
  }
  const auto ids = [&](const char* name) {
    for (const JsonDocument& file : files)
      if (const JsonValue* value = file.root.find_set(name)) return ids_of(value, vocab_size);
    return std::vector<std::int32_t>();
  };
  const auto one = [&](const char* name) {
    const std::vector<std::int32_t> all = ids(name);
    return all.empty() ? std::nullopt : std::optional(all.front());
  };
  GenerationIds found{
      .decoder_start = one("decoder_start_token_id"), .forced_first = one("forced_bos_token_id"), .ends = ids("eos_token_id")};
  for (const char* name : {"bos_token_id", "pad_token_id"})
    if (!found.decoder_start) found.decoder_start = one(name);
  return found;
}

}  // namespace headroom
