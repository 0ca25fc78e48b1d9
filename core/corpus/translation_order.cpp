#include <algorithm>

#include "core/corpus/translation_words.h"

namespace headroom {
namespace {

/// A part of a phrase: a word, or a phrase in it.
struct Part {
  std::uint8_t rank = kSlotCount;
  std::int32_t word = -1;    ///< index, or -1
  std::int32_t phrase = -1;  ///< index of a constituent, or -1
};

std::optional<Slot> slot_of(WordKind kind) {
  switch (kind) {
    case WordKind::kNoun:
      return Slot::kNoun;
    case WordKind::kFirstName:
      return Slot::kFirstName;
    case WordKind::kSurname:
      return Slot::kSurname;
    case WordKind::kSign:
    case WordKind::kOther:
      return std::nullopt;
    default:
      break;
  }
  switch (*target_kind(kind)) {
    case TargetKind::kNoun:
      return Slot::kNoun;
    case TargetKind::kVerb:
      return Slot::kVerb;
    case TargetKind::kAdjective:
      return Slot::kAdjective;
    case TargetKind::kAdverb:
      return Slot::kAdverb;
    case TargetKind::kPreposition:
      return Slot::kPreposition;
    case TargetKind::kConjunction:
      return Slot::kConjunction;
    case TargetKind::kDegree:
      return Slot::kDegree;
    case TargetKind::kDeterminer:
      return Slot::kDeterminer;
    case TargetKind::kPronoun:
      return Slot::kPronoun;
    case TargetKind::kPossessive:
      return Slot::kPossessive;
    case TargetKind::kRelative:
      return Slot::kRelative;
  }
  return std::nullopt;
}

std::optional<Slot> slot_of(Phrase phrase) {
  switch (phrase) {
    case Phrase::kClause:
      return Slot::kClause;
    case Phrase::kSubject:
      return Slot::kSubject;
    case Phrase::kObject:
      return Slot::kObject;
    case Phrase::kNounPhrase:
      return Slot::kNounPhrase;
    case Phrase::kPreposition:
      return Slot::kPreposition;
    case Phrase::kRelative:
      return Slot::kRelative;
    case Phrase::kSentence:
    case Phrase::kPredicate:
      break;
  }
  return std::nullopt;
}

class Reordering {
 public:
  Reordering(const SentenceTree& tree, const TranslationFile& file)
      : tree_(tree), file_(file), children_(tree.constituents.size()) {
    for (std::size_t i = 1; i < tree.constituents.size(); ++i)
      if (tree.constituents[i].begin < tree.constituents[i].end)
        children_[static_cast<std::size_t>(tree.constituents[i].parent)].push_back(static_cast<std::int32_t>(i));
    for (auto& children : children_)
      std::stable_sort(children.begin(), children.end(), [&](std::int32_t a, std::int32_t b) { return at(a).begin < at(b).begin; });
  }

  std::vector<std::int32_t> run() {
    say(0);
    return std::move(order_);
  }

 private:
  const Constituent& at(std::int32_t constituent) const { return tree_.constituents[static_cast<std::size_t>(constituent)]; }

  /// The parts of a constituent in the English order, with their places in the phrase that they are ordered in.
  void gather(std::int32_t constituent, Phrase ordered, std::vector<Part>& parts) const {
    const auto& ranks = file_.ranks[static_cast<std::size_t>(ordered)];
    const auto rank = [&](std::optional<Slot> slot) {
      return slot ? ranks[static_cast<std::size_t>(*slot)] : static_cast<std::uint8_t>(kSlotCount);
    };
    std::int32_t word = at(constituent).begin;
    const auto words_until = [&](std::int32_t end) {
      for (; word < end; ++word)
        parts.push_back({.rank = rank(slot_of(tree_.words[static_cast<std::size_t>(word)].kind)), .word = word});
    };
    for (const std::int32_t child : children_[static_cast<std::size_t>(constituent)]) {
      words_until(at(child).begin);
      if (at(child).phrase == Phrase::kPredicate) {
        gather(child, ordered, parts);
      } else {
        parts.push_back({.rank = rank(slot_of(at(child).phrase)), .phrase = child});
      }
      word = at(child).end;
    }
    words_until(at(constituent).end);
  }

  void say(std::int32_t constituent) {
    std::vector<Part> parts;
    gather(constituent, at(constituent).phrase, parts);
    std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.rank < b.rank; });
    for (const Part& part : parts) {
      if (part.word >= 0) {
        order_.push_back(part.word);
      } else {
        say(part.phrase);
      }
    }
  }

  const SentenceTree& tree_;
  const TranslationFile& file_;
  std::vector<std::vector<std::int32_t>> children_;
  std::vector<std::int32_t> order_;
};

}  // namespace

std::vector<std::int32_t> translated_order(const SentenceTree& tree, const TranslationFile& file) {
  return Reordering(tree, file).run();
}

}  // namespace headroom
