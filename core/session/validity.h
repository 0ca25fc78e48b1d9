#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/session/session.h"

namespace headroom {

// Limits of what a Session can hold. Values outside are brought to the nearest end.
inline constexpr double kLeastDecodeSpeed = 0.25, kMostDecodeSpeed = 60;  ///< steps a second
inline constexpr std::int64_t kMaxWrittenTokens = 1024;  ///< by the model, after a text
inline constexpr std::size_t kMaxSearchBytes = 200;
inline constexpr std::size_t kMaxCardBytes = 4096;
inline constexpr std::size_t kMaxTextBytes = 4u << 20;
inline constexpr std::int64_t kMaxWindow = 4096;  ///< also of stride
inline constexpr std::int64_t kMaxGlobal = 64;
inline constexpr std::int64_t kMaxBlock = 256;
inline constexpr std::int64_t kMaxSessionBlocksPerRow = 16;
inline constexpr double kMaxHeadsZoom = 16;
/// Of a head's picture, for the longest text; a shorter one is shown at the largest zoom that it has (head_window.h).
inline constexpr double kMaxZoom = 131072.0 / 8;
inline constexpr std::int64_t kMaxKvContext = 10000000;
inline constexpr std::int64_t kMaxSpeedTokens = 131072;
inline constexpr double kLeastSpeedSeconds = 0.001, kMostSpeedSeconds = 10;

/// One sentence on the first number that no model can have, or nothing.
std::optional<std::string> shape_problem(const TrainedShape& shape);

/// The nearest h, and the nearest kv_heads for the present h, that this Session's parameters (trained or lab) can have.
Snapped nearest_heads(const Compute& compute, std::int64_t asked);
Snapped nearest_kv_heads(const Compute& compute, std::int64_t asked);

/// Whether layer and head exist under the Session's present shape.
bool has_head(const Compute& compute, const HeadRef& head);

/// kv_heads after a change of h: as many as h when there were as many as h before, otherwise the nearest valid.
void resnap_kv_heads(Compute& compute, bool was_mha);

/// Brings every value into its range. Returns one sentence for each change that a person would not expect.
/// Edge  A session that is valid already is left as it is, with no sentence.
std::vector<std::string> make_valid(Session& session);

/// Pattern parameters clamped to their limits; hashed buckets become dense.
std::vector<std::string> make_valid(MaskPattern& pattern);

/// Cuts to so many bytes without splitting a UTF-8 sequence. The sentence that says so, or "".
std::string limit_text(SharedText& text, std::size_t max_bytes = kMaxTextBytes);

}  // namespace headroom
