#include "core/formats/capture_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

namespace headroom {
namespace {

constexpr std::size_t kMaxDigits = 5;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// "blocks.4.attn.hook_q" as "blocks.#.attn.hook_q" and 4; "attn_3" as "attn.#" and 3. The first number that stands by itself is the layer.
struct Split {
  std::string pattern;
  std::optional<std::int64_t> layer;
};
Split split_name(std::string_view name) {
  const auto is_bound = [](char c) { return c == '.' || c == '_' || c == '/' || c == '-'; };
  for (std::size_t at = 0; at < name.size(); ++at) {
    if (!is_digit(name[at]) || (at > 0 && !is_bound(name[at - 1]))) continue;
    std::size_t end = at;
    while (end < name.size() && is_digit(name[end]))
      ++end;
    if (end - at > kMaxDigits || (end < name.size() && !is_bound(name[end]))) return {std::string(name), {}};
    std::int64_t layer = 0;
    std::from_chars(name.data() + at, name.data() + end, layer);
    std::string pattern(name.substr(0, at));
    if (!pattern.empty()) pattern.back() = '.';
    pattern += '#';
    pattern += name.substr(end);
    return {std::move(pattern), layer};
  }
  return {std::string(name), {}};
}

struct Known {
  std::string_view pattern;
  CaptureRole role;
  AttentionStack stack = AttentionStack::kSelf;
};
using Role = CaptureRole;
using Stack = AttentionStack;

/// Names of attention, with or without a layer's number after them.
constexpr auto kBases = std::to_array<Known>({
    {"attn", Role::kProbs},
    {"attention", Role::kProbs},
    {"attentions", Role::kProbs},
    {"attn_weights", Role::kProbs},
    {"attention_weights", Role::kProbs},
    {"self_attentions", Role::kProbs},
    {"probs", Role::kProbs},
    {"attention_probs", Role::kProbs},
    {"pattern", Role::kProbs},
    {"decoder", Role::kProbs},
    {"decoder_attn", Role::kProbs},
    {"decoder_attentions", Role::kProbs},
    {"encoder", Role::kProbs, Stack::kEncoder},
    {"encoder_attn", Role::kProbs, Stack::kEncoder},
    {"encoder_attentions", Role::kProbs, Stack::kEncoder},
    {"cross", Role::kProbs, Stack::kCross},
    {"cross_attn", Role::kProbs, Stack::kCross},
    {"cross_attentions", Role::kProbs, Stack::kCross},
    {"scores", Role::kScores},
    {"attn_scores", Role::kScores},
    {"decoder_scores", Role::kScores},
    {"encoder_scores", Role::kScores, Stack::kEncoder},
    {"cross_scores", Role::kScores, Stack::kCross},
    {"position_bias", Role::kPositionBias},
    {"encoder_position_bias", Role::kPositionBias, Stack::kEncoder},
});

/// Names that need a layer's number.
constexpr auto kLayers = std::to_array<Known>({
    {"arr.#", Role::kProbs},  // np.savez without names
    {"layer.#", Role::kProbs},
    {"layers.#", Role::kProbs},
    {"layer.#.attn", Role::kProbs},
    {"layers.#.attn", Role::kProbs},
    {"layers.#.attention", Role::kProbs},
    {"layers.#.attentions", Role::kProbs},
    {"layers.#.self_attn", Role::kProbs},
    {"layers.#.probs", Role::kProbs},
    {"layers.#.scores", Role::kScores},
    {"q.#", Role::kQ},
    {"k.#", Role::kK},
    {"v.#", Role::kV},
    {"logsumexp.#", Role::kLogSumExp},
    {"encoder_q.#", Role::kQ, Stack::kEncoder},
    {"encoder_k.#", Role::kK, Stack::kEncoder},
    {"encoder_v.#", Role::kV, Stack::kEncoder},
    {"encoder_logsumexp.#", Role::kLogSumExp, Stack::kEncoder},
    {"cross_q.#", Role::kQ, Stack::kCross},
    {"cross_k.#", Role::kK, Stack::kCross},
    {"cross_v.#", Role::kV, Stack::kCross},
    {"cross_logsumexp.#", Role::kLogSumExp, Stack::kCross},
    {"layers.#.q", Role::kQ},
    {"layers.#.k", Role::kK},
    {"layers.#.v", Role::kV},
    {"layers.#.logsumexp", Role::kLogSumExp},
});

/// Behind the name of a block in TransformerLens.
constexpr auto kHooks = std::to_array<Known>({
    {"hook_pattern", Role::kProbs},
    {"hook_attn_scores", Role::kScores},
    {"hook_rot_q", Role::kQ},
    {"hook_rot_k", Role::kK},
    {"hook_q", Role::kQ},
    {"hook_k", Role::kK},
    {"hook_v", Role::kV},
});
constexpr auto kBlocks = std::to_array<Known>({
    {"blocks.#.attn.", Role::kProbs, Stack::kSelf},
    {"decoder.#.attn.", Role::kProbs, Stack::kSelf},
    {"encoder.#.attn.", Role::kProbs, Stack::kEncoder},
    {"decoder.#.cross_attn.", Role::kProbs, Stack::kCross},
});

template <typename List>
const Known* find(const List& list, std::string_view pattern) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Known& known) { return known.pattern == pattern; });
  return found == list.end() ? nullptr : &*found;
}

}  // namespace

std::optional<CaptureName> read_capture_name(std::string_view name) {
  const Split split = split_name(name);
  const std::string_view pattern = split.pattern;
  CaptureName found;
  found.layer = split.layer;
  for (const Known& block : kBlocks) {
    if (!pattern.starts_with(block.pattern)) continue;
    const Known* hook = find(kHooks, pattern.substr(block.pattern.size()));
    if (hook == nullptr) return std::nullopt;
    found.role = hook->role;
    found.stack = block.stack;
    const bool is_plain = hook->pattern == "hook_q" || hook->pattern == "hook_k";
    if (is_plain) found.turned = CaptureName::Turned::kBefore;
    return found;
  }
  const Known* known = find(kLayers, pattern);
  if (known == nullptr) known = find(kBases, pattern.ends_with(".#") ? pattern.substr(0, pattern.size() - 2) : pattern);
  if (known == nullptr) return std::nullopt;
  found.role = known->role;
  found.stack = known->stack;
  const bool is_of_tokens = known->role == Role::kQ || known->role == Role::kK || known->role == Role::kV;
  if (is_of_tokens && pattern.starts_with("layers.")) found.axes = CaptureName::Axes::kHeadsFirst;
  return found;
}

}  // namespace headroom
