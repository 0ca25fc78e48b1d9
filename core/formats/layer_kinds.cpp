#include "core/formats/layer_kinds.h"

#include <algorithm>

namespace headroom {
namespace {

using Type = JsonValue::Type;

constexpr const char* kFull = "full_attention";
constexpr const char* kSliding = "sliding_attention";

std::int64_t read_window(const ConfigReader& reader, std::int64_t absent) {
  if (reader.is_null("sliding_window")) return 0;
  return reader.integer("sliding_window", {1, INT32_MAX}, absent);
}

bool has_window_by_rule(const ConfigReader& reader, WindowRule rule, std::int64_t layer) {
  switch (rule) {
    case WindowRule::kNone:
      return false;
    case WindowRule::kAll:
      return true;
    case WindowRule::kLate:
      return layer >= reader.integer("max_window_layers", {0, INT32_MAX}, 28);
    case WindowRule::kEveryOther:
      return layer % 2 == 0;
  }
  return false;
}

}  // namespace

std::vector<std::string> read_layer_types(const ConfigReader& reader, std::int64_t n_layers) {
  const JsonValue* types = reader.set("layer_types");
  if (types == nullptr) return {};
  if (!types->is(Type::kArray)) reader.fail("layer_types is " + describe(*types) + ", where a list is needed");
  if (std::ssize(types->items) != n_layers)
    reader.fail("layer_types has " + std::to_string(types->items.size()) + " entries for " + std::to_string(n_layers) + " layers");
  std::vector<std::string> names;
  for (const JsonValue& type : types->items) {
    if (!type.is(Type::kString) || (type.string != kFull && type.string != kSliding))
      reader.fail("layer_types holds " + describe(type) + ", but only \"full_attention\" and \"sliding_attention\" are supported");
    names.push_back(type.string);
  }
  return names;
}

std::vector<std::int64_t> read_windows(const ConfigReader& reader, const WindowDialect& dialect, std::int64_t n_layers) {
  const std::vector<std::string> types = read_layer_types(reader, n_layers);
  const bool is_off = dialect.rule == WindowRule::kLate && !reader.flag("use_sliding_window", false);
  const std::int64_t window = dialect.rule == WindowRule::kNone || is_off ? 0 : read_window(reader, dialect.absent);
  const bool reads_types = dialect.rule == WindowRule::kLate || dialect.rule == WindowRule::kEveryOther;
  std::vector<std::int64_t> windows(static_cast<std::size_t>(n_layers));
  for (std::int64_t layer = 0; layer < n_layers; ++layer) {
    const auto at = static_cast<std::size_t>(layer);
    const bool by_rule = has_window_by_rule(reader, dialect.rule, layer);
    const bool by_type = types.empty() ? by_rule : types[at] == kSliding;
    if (by_type && !types.empty() && window == 0)
      reader.fail("layer_types holds \"sliding_attention\", but there is no sliding window" +
                  std::string(is_off ? ": use_sliding_window is not true" : ""));
    if (!reads_types && window > 0 && by_type != by_rule)
      reader.fail("layer_types holds \"full_attention\", but in this family sliding_window is of all layers");
    if (by_type) windows[at] = window;
  }
  if (std::ranges::all_of(windows, [](std::int64_t w) { return w == 0; })) windows.clear();
  return windows;
}

}  // namespace headroom
