#include "core/figure/heads_order.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/formats/ascii_case.h"
#include "core/formats/file.h"
#include "core/formats/utf8.h"

namespace headroom {
namespace {

/// The whole of `text` as a number.
template <typename Number>
bool read_whole(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// "3" or "3-5".
bool read_range(std::string_view text, std::int64_t& low, std::int64_t& high) {
  const std::size_t dash = text.find('-');
  if (!read_whole(text.substr(0, dash), low)) return false;
  high = low;
  return dash == std::string_view::npos || read_whole(text.substr(dash + 1), high);
}

/// A pattern by its name or the name's beginning: "prev".
bool read_pattern(std::string_view word, HeadPattern& pattern) {
  if (word.size() < 2) return false;
  for (const HeadPattern candidate : kHeadPatterns) {
    if (!pattern_name(candidate).starts_with(word)) continue;
    pattern = candidate;
    return true;
  }
  return false;
}

bool passes(const View& view, const HeadMetrics& metrics) {
  switch (view.named) {
    case View::Named::kNamed:
      return metrics.has_pattern;
    case View::Named::kPattern:
      return metrics.has_pattern && metrics.strongest == view.pattern;
    case View::Named::kAny:
      break;
  }
  return true;
}

/// Sharpest first by entropy, strongest first by pattern; removed heads last.
void sort_heads(const View& view, const HeadsMetrics& heads, std::vector<HeadRef>& order) {
  if (view.sort == HeadSort::kLayer) return;
  const std::optional<HeadPattern> pattern = pattern_of(view.sort);
  const auto key = [&](const HeadRef& head) {
    const HeadMetrics& m = heads[static_cast<std::size_t>(head.layer)][static_cast<std::size_t>(head.head)];
    return m.is_pruned ? 1e9 : pattern ? -score_of(m, *pattern) : m.entropy;
  };
  std::stable_sort(order.begin(), order.end(), [&](const HeadRef& a, const HeadRef& b) { return key(a) < key(b); });
}

}  // namespace

double score_of(const HeadMetrics& metrics, HeadPattern pattern) { return metrics.scores[static_cast<std::size_t>(pattern)]; }

std::optional<HeadPattern> pattern_of(HeadSort sort) {
  switch (sort) {
    case HeadSort::kPreviousToken:
      return HeadPattern::kPreviousToken;
    case HeadSort::kFirstToken:
      return HeadPattern::kFirstToken;
    case HeadSort::kSelf:
      return HeadPattern::kSelf;
    case HeadSort::kBroadcast:
      return HeadPattern::kBroadcast;
    case HeadSort::kLayer:
    case HeadSort::kEntropy:
      return std::nullopt;
  }
  return std::nullopt;
}

HeadSearch::HeadSearch(std::string_view text) {
  const std::string words = lower_ascii(text);
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t begin = words.find_first_not_of(" ,\t", at);
    if (begin == std::string::npos) break;
    const std::size_t end = std::min(words.find_first_of(" ,\t", begin), words.size());
    const std::string_view word(words.data() + begin, end - begin);
    Term term;
    if (read(word, term)) {
      terms_.push_back(term);
    } else if (problem_.empty()) {
      problem_ = "\"" + escape_for_display(word, 40) +
                 "\" names no heads: write L3, H5, L3-5, 3.5, previous, first, self, broadcast, unnamed, pruned, previous>0.4 or "
                 "entropy<0.2.";
    }
    at = end;
  }
}

bool HeadSearch::read(std::string_view word, Term& term) {
  using Kind = Term::Kind;
  if (const std::size_t sign = word.find_first_of("<>"); sign != std::string_view::npos) {
    term.is_above = word[sign] == '>';
    std::string_view number = word.substr(sign + 1);
    if (number.starts_with('=')) number.remove_prefix(1);
    if (!read_whole(number, term.limit)) return false;
    const std::string_view what = word.substr(0, sign);
    term.kind = Kind::kEntropy;
    if (what.size() >= 2 && std::string_view("entropy").starts_with(what)) return true;
    term.kind = Kind::kScore;
    return read_pattern(what, term.pattern);
  }
  if (word.size() > 1 && (word.front() == 'l' || word.front() == 'h') && word[1] >= '0' && word[1] <= '9') {
    term.kind = word.front() == 'l' ? Kind::kLayer : Kind::kHead;
    return read_range(word.substr(1), term.low, term.high);
  }
  if (const std::size_t dot = word.find('.'); dot != std::string_view::npos) {
    term.kind = Kind::kBoth;
    return read_whole(word.substr(0, dot), term.low) && read_whole(word.substr(dot + 1), term.high);
  }
  term.kind = Kind::kPattern;
  if (read_pattern(word, term.pattern)) return true;
  term.kind = Kind::kUnnamed;
  if (word.size() >= 2 && std::string_view("unnamed").starts_with(word)) return true;
  term.kind = Kind::kPruned;
  return word.size() >= 2 && std::string_view("pruned").starts_with(word);
}

bool HeadSearch::fits(const Term& term, const HeadRef& head, const HeadMetrics& metrics) {
  using Kind = Term::Kind;
  const auto compare = [&](double value) {
    return !metrics.is_pruned && (term.is_above ? value > term.limit : value < term.limit);
  };
  switch (term.kind) {
    case Kind::kLayer:
      return head.layer >= term.low && head.layer <= term.high;
    case Kind::kHead:
      return head.head >= term.low && head.head <= term.high;
    case Kind::kBoth:
      return head.layer == term.low && head.head == term.high;
    case Kind::kPattern:
      return metrics.has_pattern && metrics.strongest == term.pattern;
    case Kind::kUnnamed:
      return !metrics.has_pattern && !metrics.is_pruned;
    case Kind::kPruned:
      return metrics.is_pruned;
    case Kind::kScore:
      return compare(score_of(metrics, term.pattern));
    case Kind::kEntropy:
      return compare(metrics.relative_entropy);
  }
  return true;
}

bool HeadSearch::fits(const HeadRef& head, const HeadMetrics& metrics) const {
  return std::ranges::all_of(terms_, [&](const Term& term) { return fits(term, head, metrics); });
}

std::vector<HeadRef> HeadsOrder::heads() const {
  std::vector<HeadRef> all;
  for (const HeadsGroup& group : groups)
    all.insert(all.end(), group.heads.begin(), group.heads.end());
  return all;
}

HeadsOrder order_heads(const View& view, const HeadsMetrics& heads) {
  HeadsOrder order;
  const HeadSearch search(view.head_search);
  order.problem = search.problem();
  std::vector<HeadRef> shown;
  for (std::size_t l = 0; l < heads.size(); ++l) {
    for (std::size_t h = 0; h < heads[l].size(); ++h) {
      const HeadRef head{static_cast<std::int64_t>(l), static_cast<std::int64_t>(h)};
      ++order.n_all;
      if (passes(view, heads[l][h]) && search.fits(head, heads[l][h])) shown.push_back(head);
    }
  }
  order.n_shown = shown.size();
  order.is_grid = view.sort == HeadSort::kLayer && view.group == HeadGroup::kLayers && shown.size() == order.n_all;
  sort_heads(view, heads, shown);
  if (view.group == HeadGroup::kLayers) {
    if (!shown.empty()) order.groups.push_back({"", std::move(shown)});
    return order;
  }
  const auto metrics = [&](const HeadRef& head) -> const HeadMetrics& {
    return heads[static_cast<std::size_t>(head.layer)][static_cast<std::size_t>(head.head)];
  };
  const auto add = [&](std::string name, const auto& is_member) {
    HeadsGroup group;
    std::ranges::copy_if(shown, std::back_inserter(group.heads), is_member);
    if (group.heads.empty()) return;
    group.title = std::move(name) + " · " + counted(group.heads.size(), "head");
    order.groups.push_back(std::move(group));
  };
  for (const HeadPattern pattern : kHeadPatterns) {
    add(std::string(pattern_name(pattern)),
        [&](const HeadRef& head) { return metrics(head).has_pattern && metrics(head).strongest == pattern; });
  }
  add("no pattern", [&](const HeadRef& head) { return !metrics(head).has_pattern && !metrics(head).is_pruned; });
  add("pruned", [&](const HeadRef& head) { return metrics(head).is_pruned; });
  return order;
}

}  // namespace headroom
