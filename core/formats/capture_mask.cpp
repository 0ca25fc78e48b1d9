#include <charconv>
#include <cmath>

#include "core/formats/capture_text.h"
#include "core/formats/json_value.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

struct PatternName {
  PatternKind kind;
  std::string_view name;
};
constexpr PatternName kPatterns[] = {{PatternKind::kDense, "dense"},
                                     {PatternKind::kLocalWindow, "local_window"},
                                     {PatternKind::kStrided, "strided"},
                                     {PatternKind::kGlobalLocal, "global_local"},
                                     {PatternKind::kRandomBlocks, "random_blocks"}};

constexpr std::int64_t kMaxMeasure = std::int64_t{1} << 30;

/// The numbers of a pattern, by name.
struct Measure {
  std::string_view name;
  std::int64_t MaskPattern::*member;
};
constexpr Measure kMeasures[] = {{"window", &MaskPattern::window},
                                 {"stride", &MaskPattern::stride},
                                 {"n_global", &MaskPattern::n_global},
                                 {"block", &MaskPattern::block},
                                 {"blocks_per_row", &MaskPattern::blocks_per_row}};

/// Errors  Error when it is none.
MaskPattern pattern_from_json(const std::string& json, const std::string& where) {
  const JsonDocument document = parse_json(json, where);
  MaskPattern pattern;
  const JsonValue* kind = document.root.find_set("kind");
  bool is_known = false;
  for (const PatternName& known : kPatterns) {
    if (kind == nullptr || kind->string != known.name) continue;
    pattern.kind = known.kind;
    is_known = true;
  }
  if (!is_known) throw Error(where + " names no pattern that is known");
  for (const Measure& measure : kMeasures) {
    const JsonValue* value = document.root.find_set(measure.name);
    if (value == nullptr) continue;
    const bool fits = value->is(JsonValue::Type::kUnsigned) && value->unsigned_value <= static_cast<std::uint64_t>(kMaxMeasure);
    if (!fits) throw Error(where + " has " + describe(*value) + " as its " + std::string(measure.name));
    pattern.*measure.member = static_cast<std::int64_t>(value->unsigned_value);
  }
  if (const JsonValue* seed = document.root.find_set("seed"); seed != nullptr && seed->is(JsonValue::Type::kUnsigned))
    pattern.seed = seed->unsigned_value;
  const bool is_whole =
      pattern.window >= 1 && pattern.stride >= 1 && pattern.block >= 1 && pattern.blocks_per_row <= kMaxBlocksPerRow;
  if (!is_whole) throw Error(where + " has numbers that no pattern can have");
  return pattern;
}

std::string json_of(const MaskPattern& pattern) {
  std::string json = "{\"kind\":\"";
  for (const PatternName& known : kPatterns)
    if (known.kind == pattern.kind) json += known.name;
  json += '"';
  for (const Measure& measure : kMeasures)
    json += ",\"" + std::string(measure.name) + "\":" + std::to_string(pattern.*measure.member);
  return json + ",\"seed\":" + std::to_string(pattern.seed) + "}";
}

void tell(std::vector<std::string>& notices, const std::string& key, const std::string& value) {
  const std::string sentence = "The metadata's " + key + " is " + in_quotes(value, 60) + ", which is not understood and left out.";
  for (const std::string& known : notices)
    if (known == sentence) return;
  notices.push_back(sentence);
}

const std::string* find_text(const CaptureFile& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() || found->second.empty() ? nullptr : &found->second;
}

}  // namespace

std::optional<double> metadata_number(const CaptureFile& file, const std::string& key, std::vector<std::string>& notices) {
  const std::string* text = find_text(file, key);
  if (text == nullptr) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error == std::errc() && end == text->data() + text->size() && std::isfinite(value)) return value;
  tell(notices, key, *text);
  return std::nullopt;
}

std::optional<std::vector<std::int64_t>> metadata_numbers(const CaptureFile& file, const std::string& key,
                                                          std::vector<std::string>& notices) {
  const std::string* text = find_text(file, key);
  if (text == nullptr) return std::nullopt;
  try {
    std::vector<std::int64_t> numbers;
    const JsonDocument document = parse_json(*text, key);
    for (const JsonValue& item : document.root.items) {
      if (!item.is(JsonValue::Type::kUnsigned) || item.unsigned_value > static_cast<std::uint64_t>(kMaxMeasure))
        throw Error("no number");
      numbers.push_back(static_cast<std::int64_t>(item.unsigned_value));
    }
    return numbers;
  } catch (const Error&) {
    tell(notices, key, *text);
    return std::nullopt;
  }
}

MaskClaim read_mask_claim(const CaptureFile& file, std::int64_t layer, std::vector<std::string>& notices) {
  MaskClaim claim;
  if (const std::string* causal = find_text(file, "causal")) {
    if (*causal == "true" || *causal == "True") claim.direction = Direction::kCausal;
    if (*causal == "false" || *causal == "False") claim.direction = Direction::kBidirectional;
    if (!claim.direction) tell(notices, "causal", *causal);
  }
  if (const auto start = metadata_number(file, "query_start", notices)) {
    const bool fits = *start >= 0 && *start <= static_cast<double>(kMaxMeasure) && *start == std::floor(*start);
    if (fits) claim.query_start = static_cast<std::int64_t>(*start);
    if (!fits) tell(notices, "query_start", *find_text(file, "query_start"));
  }
  const auto in_layer = [&](const char* stem) {
    const std::string own = layer_key(stem, layer);
    return find_text(file, own) != nullptr ? own : std::string(stem);
  };
  const std::string window = in_layer("window"), pattern = in_layer("pattern");
  if (const std::string* json = find_text(file, pattern)) {
    try {
      claim.pattern = pattern_from_json(*json, pattern);
    } catch (const Error&) {
      tell(notices, pattern, *json);
    }
  } else if (find_text(file, window) != nullptr && *find_text(file, window) != "null" && *find_text(file, window) != "None") {
    const auto width = metadata_number(file, window, notices);
    if (width && *width >= 1 && *width <= static_cast<double>(kMaxMeasure) && *width == std::floor(*width)) {
      claim.pattern.kind = PatternKind::kLocalWindow;
      claim.pattern.window = static_cast<std::int64_t>(*width);
    } else if (width && *width != 0) {  // 0: none
      tell(notices, window, *find_text(file, window));
    }
  }
  return claim;
}

std::vector<std::pair<std::string, std::string>> layer_mask_metadata(const Mask& mask, std::int64_t layer) {
  if (mask.pattern.kind == PatternKind::kLocalWindow) return {{layer_key("window", layer), std::to_string(mask.pattern.window)}};
  return {{layer_key("pattern", layer), json_of(mask.pattern)}};
}

std::vector<std::pair<std::string, std::string>> mask_metadata(const Mask& mask) {
  std::vector<std::pair<std::string, std::string>> entries{{"causal", mask.direction == Direction::kCausal ? "true" : "false"},
                                                           {"query_start", std::to_string(mask.query_offset)}};
  if (mask.pattern.kind == PatternKind::kLocalWindow) entries.emplace_back("window", std::to_string(mask.pattern.window));
  const bool is_other = mask.pattern.kind != PatternKind::kDense && mask.pattern.kind != PatternKind::kLocalWindow;
  if (is_other) entries.emplace_back("pattern", json_of(mask.pattern));
  return entries;
}

}  // namespace headroom
