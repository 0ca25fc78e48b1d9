#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/corpus/sentence.h"

namespace headroom {

using WordId = std::int16_t;
inline constexpr std::size_t kMaxGrammarWords = 30000;

struct Noun {
  std::array<WordId, 2> forms{};  ///< singular, plural
  NounClass noun_class{};
  Gender gender = Gender::kNeuter;             ///< kNone: either, never "she" or "he"
  std::vector<std::int16_t> does;              ///< indices of verbs
  std::vector<WordId> is;                      ///< adjectives
  std::vector<std::int16_t> favourite_place;   ///< [prepositions] index of a noun or -1
  std::vector<std::int16_t> favourite_object;  ///< [verbs] index of a noun or -1
};

struct Verb {
  WordId base = 0, with_s = 0, past = 0;
  bool is_transitive = false;
  std::vector<std::int16_t> prepositions;  ///< of intransitive verbs: indices
  std::vector<std::int16_t> objects;       ///< of transitive verbs: indices of the nouns of the classes that it takes
  std::array<bool, 4> takes{};             ///< by NounClass
};

struct Preposition {
  WordId word = 0;
  std::vector<std::int16_t> places;  ///< indices of nouns
};

struct FirstName {
  WordId word = 0;
  Gender gender = Gender::kFeminine;
  std::vector<WordId> moods;
  std::int16_t thing = -1;  ///< index of the favourite noun
};

/// A word and how often it is chosen among its kind.
struct WeightedWord {
  WordId word = 0;
  double weight = 1;
};

/// The words of a grammar folder with their ids and what is known of each.
struct Lexicon {
  std::vector<std::string> words;  ///< by id
  std::unordered_map<std::string, WordId> ids;
  WordId bos = 0, unknown = 0, mask = 0, comma = 0;

  std::vector<Noun> nouns;
  std::array<std::vector<std::int16_t>, 4> nouns_of_class;  ///< by NounClass: indices
  std::vector<Verb> verbs;
  std::vector<Preposition> prepositions;
  std::vector<FirstName> first_names;
  std::array<std::vector<std::int16_t>, 2> names_of_gender;  ///< feminine, masculine: indices
  std::vector<WordId> surnames;

  std::array<std::vector<WeightedWord>, 2> determiners;  ///< singular, plural
  WordId determiner_again = 0;
  std::array<std::array<WordId, 3>, 4> pronouns{};  ///< feminine, masculine, neuter, plural: subject, object, possessive or -1
  std::array<std::array<WordId, 2>, 2> copula{}, have{};  ///< present, past: singular, plural
  std::array<WordId, 2> relative{};                       ///< after people, after others
  std::unordered_map<WordId, WordKind> small_words;       ///< adverbs, conjunctions, degrees, moods

  /// -1 when it is not there.
  WordId id(std::string_view word) const;
  std::int16_t verb(std::string_view base) const;      ///< index or -1
  std::int16_t noun(std::string_view singular) const;  ///< index or -1
  std::vector<LexiconEntry> entries() const;
};

/// vocabulary.txt, nouns.txt, verbs.txt, names.txt, small_words.txt.
/// Errors  Error, one sentence with file and line.
Lexicon load_lexicon(const std::filesystem::path& folder);

}  // namespace headroom
