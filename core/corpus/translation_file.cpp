#include "core/corpus/translation_file.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "core/corpus/grammar_file.h"
#include "core/formats/file.h"

namespace headroom {
namespace {

template <typename Value>
using Named = std::pair<std::string_view, Value>;

constexpr std::array<Named<TargetKind>, kTargetKindCount> kKinds{{{"noun", TargetKind::kNoun},
                                                                  {"verb", TargetKind::kVerb},
                                                                  {"adjective", TargetKind::kAdjective},
                                                                  {"adverb", TargetKind::kAdverb},
                                                                  {"preposition", TargetKind::kPreposition},
                                                                  {"conjunction", TargetKind::kConjunction},
                                                                  {"degree", TargetKind::kDegree},
                                                                  {"determiner", TargetKind::kDeterminer},
                                                                  {"pronoun", TargetKind::kPronoun},
                                                                  {"possessive", TargetKind::kPossessive},
                                                                  {"relative", TargetKind::kRelative}}};
constexpr std::array<Named<Slot>, kSlotCount> kSlots{{{"verb", Slot::kVerb},
                                                      {"subject", Slot::kSubject},
                                                      {"object", Slot::kObject},
                                                      {"adjective", Slot::kAdjective},
                                                      {"degree", Slot::kDegree},
                                                      {"preposition", Slot::kPreposition},
                                                      {"adverb", Slot::kAdverb},
                                                      {"conjunction", Slot::kConjunction},
                                                      {"clause", Slot::kClause},
                                                      {"noun_phrase", Slot::kNounPhrase},
                                                      {"pronoun", Slot::kPronoun},
                                                      {"relative", Slot::kRelative},
                                                      {"noun", Slot::kNoun},
                                                      {"surname", Slot::kSurname},
                                                      {"first_name", Slot::kFirstName},
                                                      {"determiner", Slot::kDeterminer},
                                                      {"possessive", Slot::kPossessive}}};
/// A predicate is no phrase of its own here: its parts are its clause's.
constexpr std::array<Named<Phrase>, 7> kPhrases{{{"sentence", Phrase::kSentence},
                                                 {"clause", Phrase::kClause},
                                                 {"subject", Phrase::kSubject},
                                                 {"object", Phrase::kObject},
                                                 {"noun_phrase", Phrase::kNounPhrase},
                                                 {"preposition", Phrase::kPreposition},
                                                 {"relative", Phrase::kRelative}}};
constexpr std::array<Named<NounClass>, 4> kClasses{
    {{"animal", NounClass::kAnimal}, {"person", NounClass::kPerson}, {"thing", NounClass::kThing}, {"place", NounClass::kPlace}}};
constexpr std::array<Named<std::size_t>, 2> kTenses{{{"present", 0}, {"past", 1}}};

/// One line on its way into the file's value.
class LineReader {
 public:
  LineReader(const GrammarFile& file, const GrammarLine& line, TranslationFile& result)
      : file_(file), number_(line.number), columns_(line.columns()), result_(result) {}

  void read() {
    struct Directive {
      std::string_view name;
      std::size_t n_columns;
      void (LineReader::*read)();
    };
    static constexpr Directive kDirectives[] = {
        {"language", 2, &LineReader::language},  {"gender", 5, &LineReader::gender},  {"tense", 3, &LineReader::tense},
        {"consonants", 2, &LineReader::letters}, {"vowels", 2, &LineReader::letters}, {"root", 3, &LineReader::root},
        {"kind", 3, &LineReader::kind},          {"word", 3, &LineReader::word},      {"order", 3, &LineReader::order}};
    for (const Directive& directive : kDirectives) {
      if (directive.name != columns_[0]) continue;
      if (columns_.size() != directive.n_columns)
        fail(std::string(directive.name) + " needs " + std::to_string(directive.n_columns) + " columns, but there are " +
             std::to_string(columns_.size()));
      (this->*directive.read)();
      return;
    }
    fail(in_quotes(columns_[0], 60) + " is none of language, gender, tense, consonants, vowels, root, kind, word, order");
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const { file_.fail(number_, problem); }

  template <typename Table>
  auto named(const Table& table, std::string_view name, const char* what) const {
    for (const auto& [known, value] : table)
      if (known == name) return value;
    std::string all;
    for (const auto& entry : table)
      all += (all.empty() ? "" : ", ") + std::string(entry.first);
    fail(in_quotes(name, 60) + " is no " + what + " (" + all + " are)");
  }
  /// "" for "-"; only small letters otherwise.
  std::string spelled(std::string_view text) const {
    if (text == "-") return "";
    if (text.empty() || text.find_first_not_of("abcdefghijklmnopqrstuvwxyz") != std::string_view::npos)
      fail(in_quotes(text, 60) + " must be small letters from a to z, or -");
    return std::string(text);
  }

  void language() { result_.language = columns_[1]; }
  void gender() {
    TranslationFile::Gender gender{.name = columns_[1], .marks = {spelled(columns_[3]), spelled(columns_[4])}};
    for (const std::string& name : split_words(columns_[2])) {
      if (name == "names") {
        gender.has_names = true;
      } else {
        gender.classes[static_cast<std::size_t>(named(kClasses, name, "class of nouns"))] = true;
      }
    }
    result_.genders.push_back(std::move(gender));
  }
  void tense() { result_.tenses[named(kTenses, columns_[1], "tense")] = spelled(columns_[2]); }
  void letters() {
    std::string& letters = columns_[0] == "vowels" ? result_.vowels : result_.consonants;
    for (const std::string& letter : split_words(columns_[1])) {
      if (spelled(letter).size() != 1) fail(in_quotes(letter, 60) + " is more than one letter");
      letters += letter;
    }
  }
  void root() {
    const auto kind = static_cast<std::size_t>(named(kKinds, columns_[1], "kind of words"));
    const std::string& pattern = columns_[2];
    if (pattern.empty() || pattern.find_first_not_of("CVabcdefghijklmnopqrstuvwxyz") != std::string::npos)
      fail("the pattern " + in_quotes(pattern, 60) + " must be made of C, V and small letters");
    result_.patterns[kind] = pattern;
  }
  void kind() { result_.shared[static_cast<std::size_t>(named(kKinds, columns_[1], "kind of words"))] = spelled(columns_[2]); }
  void word() {
    spelled(columns_[2]);
    for (const std::string& word : split_words(columns_[1]))
      if (!result_.roots.try_emplace(word, columns_[2]).second) fail(in_quotes(word, 60) + " has a root already");
  }
  void order() {
    auto& ranks = result_.ranks[static_cast<std::size_t>(named(kPhrases, columns_[1], "phrase"))];
    ranks.fill(kSlotCount);
    std::uint8_t rank = 0;
    for (const std::string& name : split_words(columns_[2])) {
      std::uint8_t& place = ranks[static_cast<std::size_t>(named(kSlots, name, "part of a phrase"))];
      if (place != kSlotCount) fail(in_quotes(name, 60) + " is named twice");
      place = rank++;
    }
  }

  const GrammarFile& file_;
  int number_;
  std::vector<std::string> columns_;
  TranslationFile& result_;
};

/// Every class of nouns and people's names have one gender, and marks differ.
void check_genders(const GrammarFile& file, const TranslationFile& result) {
  std::set<std::string> marks;
  for (const TranslationFile::Gender& gender : result.genders)
    for (const std::string& mark : gender.marks)
      if (!marks.insert(mark).second) file.fail("two genders or numbers have the same mark " + in_quotes(mark, 60));
  const auto check = [&](std::string_view what, const auto& has) {
    const auto n = std::count_if(result.genders.begin(), result.genders.end(), has);
    if (n != 1) file.fail("needs one gender for " + std::string(what) + ", but it has " + std::to_string(n));
  };
  for (const auto& [name, noun_class] : kClasses)
    check(name, [at = static_cast<std::size_t>(noun_class)](const TranslationFile::Gender& gender) { return gender.classes[at]; });
  check("names", [](const TranslationFile::Gender& gender) { return gender.has_names; });
}

}  // namespace

std::optional<TargetKind> target_kind(WordKind kind) {
  switch (kind) {
    case WordKind::kNoun:
      return TargetKind::kNoun;
    case WordKind::kCopula:
    case WordKind::kHave:
    case WordKind::kIntransitive:
    case WordKind::kTransitive:
      return TargetKind::kVerb;
    case WordKind::kAdjective:
    case WordKind::kMood:
      return TargetKind::kAdjective;
    case WordKind::kAdverb:
      return TargetKind::kAdverb;
    case WordKind::kPreposition:
      return TargetKind::kPreposition;
    case WordKind::kConjunction:
      return TargetKind::kConjunction;
    case WordKind::kDegree:
      return TargetKind::kDegree;
    case WordKind::kDeterminer:
      return TargetKind::kDeterminer;
    case WordKind::kPronoun:
      return TargetKind::kPronoun;
    case WordKind::kPossessive:
      return TargetKind::kPossessive;
    case WordKind::kRelative:
      return TargetKind::kRelative;
    case WordKind::kFirstName:
    case WordKind::kSurname:
    case WordKind::kSign:
    case WordKind::kOther:
      break;
  }
  return std::nullopt;
}

std::size_t TranslationFile::gender_of(NounClass noun_class) const {
  std::size_t i = 0;
  while (!genders[i].classes[static_cast<std::size_t>(noun_class)])
    ++i;
  return i;
}

std::size_t TranslationFile::gender_of_names() const {
  std::size_t i = 0;
  while (!genders[i].has_names)
    ++i;
  return i;
}

TranslationFile load_translation_file(const std::filesystem::path& translation_txt) {
  const GrammarFile file(translation_txt);
  TranslationFile result;
  for (auto& ranks : result.ranks)
    ranks.fill(kSlotCount);
  for (const GrammarLine& line : file.lines())
    LineReader(file, line, result).read();
  if (result.language.empty()) file.fail("has no language");
  if (result.consonants.empty() || result.vowels.empty()) file.fail("needs consonants and vowels");
  check_genders(file, result);
  for (const auto& [name, kind] : kKinds)
    if (const auto i = static_cast<std::size_t>(kind); result.patterns[i].empty() && result.shared[i].empty())
      file.fail("says of the kind " + std::string(name) + " neither a root's pattern nor a shared root");
  return result;
}

}  // namespace headroom
