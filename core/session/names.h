#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/session/session.h"

namespace headroom {

/// One value of an enumeration as files and the command line spell it: "local_window", "viridis".
template <typename E>
struct EnumName {
  E value;
  const char* name;
};

/// All values of an enumeration of the Session, in order. Instantiated in names.cpp for ModelSource, ParameterSource, BackendChoice,
/// Depth, Direction, PatternKind (without hashed buckets, which no one sets by hand), StageView, Quantity, Pooling, ColorScale, FirstToken,
/// ColorMapName, HeadSort, HeadDrawing, BottomPanel, SpeedSection, DecodeSection, CostBeside, CacheLayout, Eviction, KvType, ModelKind, PositionKind, AttentionStack and TrainHeads.
template <typename E>
std::span<const EnumName<E>> enum_names();

/// "" for a value that has no name.
template <typename E>
const char* enum_name(E value) {
  for (const auto& entry : enum_names<E>()) {
    if (entry.value == value) return entry.name;
  }
  return "";
}

template <typename E>
std::optional<E> enum_from_name(std::string_view name) {
  for (const auto& entry : enum_names<E>()) {
    if (name == entry.name) return entry.value;
  }
  return std::nullopt;
}

/// "causal, bidirectional"
template <typename E>
std::string enum_choices() {
  std::string text;
  for (const auto& entry : enum_names<E>()) {
    if (!text.empty()) text += ", ";
    text += entry.name;
  }
  return text;
}

/// "L2 H3", as every view writes it.
std::string head_text(const HeadRef& head);
/// "2.3": layer and head as files and the command line write them.
std::string head_key(const HeadRef& head);
/// The reverse of head_key; nothing when the text is something else.
std::optional<HeadRef> head_from_key(std::string_view text);

}  // namespace headroom
