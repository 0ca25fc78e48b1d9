#pragma once

#include <array>
#include <cstdint>

#include "core/corpus/lexicon.h"
#include "core/corpus/rules.h"

namespace headroom {

inline constexpr std::size_t kMaxEntities = 24;  ///< of one document
inline constexpr std::size_t kMaxDepth = 24;     ///< of rules in rules
inline constexpr std::size_t kMaxListWords = 24;
inline constexpr std::size_t kMaxRemembered = 32;
inline constexpr std::size_t kMaxNouns = 500;

/// Someone or something that a document speaks of. What is -1 was not drawn yet: the machine draws nothing before a word needs it, so that
/// what follows is as open as it is to a reader.
struct Entity {
  enum class Source : std::uint8_t { kMix, kObject, kPlace, kThing, kPerson } source{};
  std::int8_t number = -1;         ///< 0 singular, 1 plural
  Gender gender = Gender::kNone;   ///< known with the noun or the first name
  bool is_kept = false;            ///< can come again
  bool is_pronoun = false;         ///< its last mention was a pronoun
  std::uint8_t n_mentions = 0;     ///< by noun or name
  std::int16_t source_value = -1;  ///< mix, verb, preposition
  std::int16_t source_owner = -1;  ///< whose favourite: a noun, or a first name for kThing; -1 nobody's
  std::int16_t noun = -1;          ///< index of the noun, for people with names of the first name
  std::int16_t surname = -1;
  WordId adjective = -1;
};

/// All that the next words of a document depend on. A plain value: copies are branches.
struct MachineState {
  std::array<std::uint16_t, kMaxDepth> stack{};  ///< the next item of each rule that is under way
  std::int16_t begin_rule = -1;                  ///< a rule that starts with the next word, or -1
  std::uint8_t depth = 0;
  std::uint8_t n_entities = 0;
  std::uint8_t n_people = 0;
  std::int8_t tense = -1;                    ///< 0 present, 1 past
  std::int8_t topic = -1;                    ///< entity that a pronoun can stand for at the next sentence's begin
  std::int16_t verb = -1, preposition = -1;  ///< the last ones
  std::array<std::int8_t, kMaxRegisters> registers{};
  std::array<Entity, kMaxEntities> entities{};
  // Lists: groups of `length` words.
  std::int8_t pool = -1;
  std::uint8_t length = 1, n_words = 0, word_step = 0;
  bool has_commas = false, is_saying = false, is_comma_said = false;
  std::uint8_t group = 0, in_group = 0;
  std::uint32_t unsaid = 0;  ///< bits of groups
  std::array<WordId, kMaxListWords> words{};
  // Quotes.
  bool is_remembering = false;
  std::uint8_t n_remembered = 0, n_repeated = 0;
  std::array<WordId, kMaxRemembered> remembered{};

  /// A fresh document that begins with `rule`.
  void begin(std::int16_t rule);
};

/// What next_word gives beside words.
inline constexpr WordId kNoWord = -1;     ///< this branch is dead: it cannot give the word that was read
inline constexpr WordId kEndOfRule = -2;  ///< the rule that was begun has ended
/// A word as it is said.
struct SaidWord {
  WordId word = 0;
  WordKind kind = WordKind::kOther;
  std::int8_t entity = -1;
};

/// Lexicon and rules together: what the machine runs.
struct Grammar {
  Lexicon lexicon;
  Rules rules;
  /// Throws Error "…/rules.txt, line 12: what is wrong".
  [[noreturn]] void fail(int line, const std::string& problem) const;
};

/// vocabulary.txt, nouns.txt … and rules.txt of a folder; some documents are tried, so that rules that run into a wall are found at once.
/// Errors  Error, one sentence with file and line.
Grammar load_grammar(const std::filesystem::path& folder, const GrammarOptions& options);

}  // namespace headroom
