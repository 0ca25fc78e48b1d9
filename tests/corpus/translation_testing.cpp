#include "tests/corpus/translation_testing.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <stdexcept>

#include "core/corpus/grammar_file.h"
#include "core/formats/tokenizer.h"

namespace headroom::testing_translation {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets" / "grammar";

const std::map<std::string, Phrase> kPhrases{{"sentence", Phrase::kSentence},      {"clause", Phrase::kClause},
                                             {"subject", Phrase::kSubject},        {"object", Phrase::kObject},
                                             {"noun_phrase", Phrase::kNounPhrase}, {"preposition", Phrase::kPreposition},
                                             {"relative", Phrase::kRelative},      {"predicate", Phrase::kPredicate}};
const std::map<std::string, WordKind> kKinds{{"determiner", WordKind::kDeterminer},
                                             {"adjective", WordKind::kAdjective},
                                             {"noun", WordKind::kNoun},
                                             {"first_name", WordKind::kFirstName},
                                             {"surname", WordKind::kSurname},
                                             {"pronoun", WordKind::kPronoun},
                                             {"possessive", WordKind::kPossessive},
                                             {"relative", WordKind::kRelative},
                                             {"copula", WordKind::kCopula},
                                             {"intransitive", WordKind::kIntransitive},
                                             {"transitive", WordKind::kTransitive},
                                             {"have", WordKind::kHave},
                                             {"adverb", WordKind::kAdverb},
                                             {"degree", WordKind::kDegree},
                                             {"preposition", WordKind::kPreposition},
                                             {"conjunction", WordKind::kConjunction},
                                             {"mood", WordKind::kMood},
                                             {"sign", WordKind::kSign}};

}  // namespace

Language::Language() : source(open_sentences(kFolder)), corpus(open_translation(kFolder)) {
  const auto grammar = source->corpus();
  for (std::int32_t id = 0; id < grammar->vocab_size(); ++id) {
    const std::string_view text = grammar->tokenizer()->token_text(id);
    english.emplace_back(text.starts_with('<') ? std::string_view() : text);
  }
  words = std::make_unique<TranslationWords>(load_translation_file(kFolder / "translation.txt"), english, source->lexicon());
}

SentenceTree Language::tree(std::string_view text) const {
  SentenceTree tree;
  std::vector<std::int32_t> open;
  for (const std::string& piece : split_words(text)) {
    if (piece.front() == '(') {
      tree.constituents.push_back(
          {kPhrases.at(piece.substr(1)), static_cast<std::int32_t>(tree.words.size()), 0, open.empty() ? -1 : open.back()});
      open.push_back(static_cast<std::int32_t>(tree.constituents.size()) - 1);
      continue;
    }
    const std::size_t close = piece.find(')');
    const std::vector<std::string> facts = split_parts(piece.substr(0, close), '/');
    SentenceWord word;
    const auto found = std::find(english.begin(), english.end(), facts.at(0));
    if (found == english.end()) throw std::runtime_error("the grammar has no word " + facts[0]);
    word.id = word.lemma = static_cast<std::int32_t>(found - english.begin());
    word.kind = kKinds.at(facts.at(1));
    for (const LexiconEntry& entry : source->lexicon())
      if (std::find(entry.forms.begin(), entry.forms.end(), word.id) != entry.forms.end()) word.lemma = entry.lemma;
    if (facts.size() > 2) word.entity = std::stoi(facts[2]);
    for (std::size_t i = 3; i < facts.size(); ++i) {
      if (facts[i] == "plural") word.number = GrammaticalNumber::kPlural;
      if (facts[i] == "past") word.tense = Tense::kPast;
    }
    if (word.kind == WordKind::kNoun && word.number == GrammaticalNumber::kNone) word.number = GrammaticalNumber::kSingular;
    tree.words.push_back(word);
    for (std::size_t i = close; i < piece.size(); ++i) {
      tree.constituents[static_cast<std::size_t>(open.back())].end = static_cast<std::int32_t>(tree.words.size());
      open.pop_back();
    }
  }
  if (!open.empty()) throw std::runtime_error("a bracket is missing");
  return tree;
}

std::string Language::spelled(const std::vector<std::int32_t>& joint_ids) const {
  std::string text;
  for (const std::int32_t id : joint_ids)
    text += (text.empty() ? "" : " ") + words->vocabulary()[static_cast<std::size_t>(id)];
  return text;
}

const Language& language() {
  static const Language value;
  return value;
}

}  // namespace headroom::testing_translation
