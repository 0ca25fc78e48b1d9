#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/corpus/sentence.h"

namespace headroom {

/// Kinds of words as an invented language knows them; what has none of its own stays as it is in English.
enum class TargetKind : std::uint8_t {
  kNoun,
  kVerb,  ///< the copula and "has" too
  kAdjective,
  kAdverb,
  kPreposition,
  kConjunction,
  kDegree,
  kDeterminer,
  kPronoun,
  kPossessive,
  kRelative,
};
inline constexpr std::size_t kTargetKindCount = 11;

/// Nothing for names, signs and words of no kind.
std::optional<TargetKind> target_kind(WordKind kind);

/// A part of a phrase: a word by its kind, or a phrase in it.
enum class Slot : std::uint8_t {
  kVerb,
  kSubject,
  kObject,
  kAdjective,
  kDegree,
  kPreposition,  ///< the phrase, and the word in it
  kAdverb,
  kConjunction,
  kClause,
  kNounPhrase,
  kPronoun,
  kRelative,  ///< the clause, and the word in it
  kNoun,
  kSurname,
  kFirstName,
  kDeterminer,
  kPossessive,
};
inline constexpr std::size_t kSlotCount = 17;

/// assets/grammar/translation.txt as it says.
struct TranslationFile {
  struct Gender {
    std::string name;
    std::array<bool, 4> classes{};  ///< by NounClass
    bool has_names = false;
    std::array<std::string, 2> marks;  ///< singular, plural
  };
  std::string language;
  std::vector<Gender> genders;
  std::array<std::string, 2> tenses;  ///< present, past
  std::string consonants, vowels;
  std::array<std::string, kTargetKindCount> patterns;  ///< "" where there is none
  std::array<std::string, kTargetKindCount> shared;    ///< the root that all words of a kind share, or ""
  std::unordered_map<std::string, std::string> roots;  ///< of English words; "-" for silent ones
  std::array<std::array<std::uint8_t, kSlotCount>, 8>
      ranks{};  ///< by Phrase: the place of each slot; kSlotCount where it is not named

  /// Index into genders of a class of nouns; of people's names.
  std::size_t gender_of(NounClass noun_class) const;
  std::size_t gender_of_names() const;
};

/// Errors  Error, one sentence with file and line.
TranslationFile load_translation_file(const std::filesystem::path& translation_txt);

}  // namespace headroom
