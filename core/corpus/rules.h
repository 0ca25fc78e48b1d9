#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/corpus/lexicon.h"

namespace headroom {

inline constexpr std::size_t kMaxRegisters = 12;

/// What an item of a rule does; rules.txt explains each by its name in small letters.
enum class Op : std::uint8_t {
  kEnd,  ///< of an alternative
  kCall,
  kWord,
  // Who is spoken of.
  kNew,
  kObject,
  kPlace,
  kThing,
  kKeep,
  kOld,
  kNewPerson,
  kOldPerson,
  kTopic,
  kNoTopic,
  kLink,
  // Words.
  kDeterminer,
  kAttribute,
  kNoun,
  kFirstName,
  kSurname,
  kRelative,
  kPronoun,
  kPossessive,
  kCopula,
  kHave,
  kIs,
  kMood,
  kDoes,
  kActs,
  kActsOn,
  kPreposition,
  kVerbPreposition,
  // Lists and quotes.
  kPool,
  kLength,
  kCommas,
  kWords,
  kComma,
  kSaySame,
  kSayShuffled,
  kRemember,
  kRemembered,
  kRepeat,
};

/// ">subject:S": the word has a reason to look at a register's last word or at a mark.
struct RuleLink {
  Relation relation{};
  std::int8_t key = 0;  ///< index of a register or of a mark
  bool is_mark = false;
};

struct RuleItem {
  Op op = Op::kEnd;
  std::int8_t a = -1;      ///< first register
  std::int8_t b = -1;      ///< second register
  std::int8_t mark = -1;   ///< where the word's place is remembered
  std::int16_t value = 0;  ///< word, rule, mixture, verb list, pool, length, on or off, subject or object
  std::uint16_t first_link = 0;
  std::uint8_t n_links = 0;
  std::uint8_t phrase = 0;  ///< kEnd: 1 when a phrase ends here
  std::int32_t line = 0;
};

struct Guard {
  enum class Kind : std::uint8_t { kClass, kTopic, kOld, kPeople } kind{};
  bool is_negated = false;
  std::int8_t reg = -1;
  std::uint8_t value = 0;  ///< bits of classes, or the number of people
};

struct Alternative {
  float weight = 0;
  std::uint16_t first_item = 0;
  std::uint16_t first_guard = 0;
  std::uint8_t n_guards = 0;
};

struct Rule {
  std::string name;
  std::uint16_t first_alternative = 0;
  std::uint8_t n_alternatives = 0;
  bool has_guards = false;
  std::int8_t phrase = -1;  ///< Phrase, or -1
  float total = 0;          ///< of the weights
  std::int32_t line = 0;
};

/// rules.txt, ready to run: parameters are replaced (one rule for each set of registers), names are indices.
struct Rules {
  std::string path;  ///< for sentences about a line
  std::vector<Rule> rules;
  std::vector<Alternative> alternatives;
  std::vector<RuleItem> items;
  std::vector<RuleLink> links;
  std::vector<Guard> guards;
  std::int16_t start = 0;                   ///< rule "document"
  std::int16_t sentence = 0;                ///< rule "sentence"
  std::vector<std::array<float, 4>> mixes;  ///< by NounClass
  std::vector<std::vector<std::int16_t>> verb_lists;
  std::vector<std::int16_t> transitive;                        ///< all transitive verbs
  std::array<std::vector<std::int16_t>, 4> transitive_taking;  ///< those that take a class as their object
  std::vector<std::vector<std::int16_t>> preposition_lists;
  std::vector<std::vector<WordId>> pools;
  float past = 0, plural = 0, favourite_place = 0, favourite_object = 0, favourite_thing = 0;  ///< shares, 0 to 1
  std::vector<float> is, does, prepositions, moods;                                            ///< falling weights
};

/// Errors  Error, one sentence with file and line; also when `options` name a rule or an alternative that is not there.
Rules load_rules(const std::filesystem::path& rules_txt, const Lexicon& lexicon, const GrammarOptions& options);

}  // namespace headroom
