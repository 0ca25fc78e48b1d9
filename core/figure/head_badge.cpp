#include "core/figure/head_badge.h"

#include <algorithm>
#include <string>

#include "core/figure/number_text.h"
#include "core/figure/tile_items.h"

namespace headroom {
namespace {

const char* short_name(HeadPattern pattern) {
  switch (pattern) {
    case HeadPattern::kPreviousToken:
      return "previous";
    case HeadPattern::kFirstToken:
      return "first";
    case HeadPattern::kSelf:
      return "self";
    case HeadPattern::kBroadcast:
      return "broadcast";
  }
  return "";
}

/// For tiles that are narrower than the word.
const char* shortest_name(HeadPattern pattern) {
  switch (pattern) {
    case HeadPattern::kPreviousToken:
      return "prev";
    case HeadPattern::kBroadcast:
      return "bcast";
    case HeadPattern::kFirstToken:
    case HeadPattern::kSelf:
      break;
  }
  return short_name(pattern);
}

/// At least so far apart are a name and its number; they differ in shade as well.
constexpr double kApart = 4;

}  // namespace

void draw_badge(Canvas& canvas, const HeadPlace& place, const HeadMetrics& m) {
  const View& view = canvas.input().session.view;
  const double y = place.tile.y + place.tile.h + kBadgeHeight / 2, x = place.tile.x, right = x + place.tile.w;
  if (m.is_pruned) {
    const bool is_captured = canvas.input().snapshot != nullptr && canvas.input().snapshot->capture;
    canvas.text({x, y}, is_captured ? "not captured" : "pruned", canvas.faint(), place.tile.w);
    return;
  }
  TextStyle name = canvas.small(), value = canvas.small();
  value.anchor = Anchor::kRight;
  name.color = canvas.theme().text;
  const std::optional<HeadPattern> sorted = pattern_of(view.sort);
  std::string word = "–", number = "entropy " + fixed(m.relative_entropy, 2);
  if (view.sort == HeadSort::kEntropy) {
    number = fixed(m.entropy, 2) + " nats";
    if (m.has_pattern) word = short_name(m.strongest);
  } else if (sorted) {
    number = fixed(score_of(m, *sorted), 2);
    // The number belongs to the pattern that is sorted by; another pattern's name beside it would claim it.
    word = m.has_pattern && m.strongest == *sorted ? short_name(*sorted) : "";
  } else if (m.has_pattern) {
    word = std::string(pattern_name(m.strongest));
    number = fixed(score_of(m, m.strongest), 2);
    if (canvas.width(word, name) + canvas.width(number, value) + kApart > place.tile.w) word = short_name(m.strongest);
  }
  const double used = canvas.width(word, name), needed = canvas.width(number, value);
  if (used + needed + kApart <= place.tile.w) {
    canvas.text({right, y}, number, value);
    canvas.text({x, y}, word, name);
  } else if (needed <= place.tile.w && !m.has_pattern) {
    canvas.text({right, y}, number, value);
  } else {
    const bool is_named = m.has_pattern && !word.empty();
    if (used > place.tile.w && is_named) word = shortest_name(sorted.value_or(m.strongest));
    canvas.text({x, y}, word, name, place.tile.w);
  }
}

void draw_entropy_line(Canvas& canvas, const HeadPlace& place, const HeadMetrics& m) {
  const Rect track{place.tile.x, place.tile.y + place.tile.h + 1, place.tile.w, 2};
  canvas.fill(track, canvas.theme().border);
  canvas.fill({track.x, track.y, track.w * std::clamp(m.relative_entropy, 0.0, 1.0), track.h}, canvas.theme().text_dim);
}

std::string head_tooltip(const Snapshot& snapshot, const HeadRef& head, const HeadMetrics& m) {
  std::string text = "Layer " + std::to_string(head.layer) + ", head " + std::to_string(head.head);
  if (m.is_pruned) return text + "\n" + why_absent(snapshot) + (snapshot.capture ? "" : "\nclick opens it, Ctrl-click restores it");
  text += "\nentropy " + fixed(m.entropy, 2) + " nats, " + fixed(m.relative_entropy, 2) + " of the largest possible";
  for (const HeadPattern pattern : kHeadPatterns)
    text += "\n" + std::string(pattern_name(pattern)) + " " + fixed(score_of(m, pattern), 2);
  return text + (snapshot.capture ? "\nclick opens it" : "\nclick opens it, Ctrl-click prunes it");
}

}  // namespace headroom
