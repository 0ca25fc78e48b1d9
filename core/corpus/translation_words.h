#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/corpus/sentence.h"
#include "core/corpus/translation.h"
#include "core/corpus/translation_file.h"

namespace headroom {

/// What a word agrees with.
struct Agreement {
  std::size_t gender = 0;  ///< index into TranslationFile::genders
  GrammaticalNumber number = GrammaticalNumber::kSingular;
  Tense tense = Tense::kPresent;  ///< of verbs
  bool operator==(const Agreement&) const = default;
};

/// The joint vocabulary of English and an invented language: <pad> <bos> <eos> <unk>, the roots that all words of a kind share, then each
/// English word in the grammar's order, followed by what it is called when it is a base form. A new word of the grammar comes last, so its
/// translation does too.
class TranslationWords {
 public:
  static constexpr std::int32_t kPad = 0, kBos = 1, kEos = 2, kUnknown = 3;

  /// Shapes  english: the grammar's vocabulary by id, "" for its special tokens.
  /// Errors  Error when two words would be spelled alike or there are too few roots.
  TranslationWords(TranslationFile file, std::span<const std::string> english, std::span<const LexiconEntry> lexicon);

  const TranslationFile& file() const { return file_; }
  /// By joint id.
  const std::vector<std::string>& vocabulary() const { return vocabulary_; }
  /// The joint id of a word of the grammar.
  std::int32_t english(std::int32_t id) const { return english_[static_cast<std::size_t>(id)]; }
  /// The joint id of the translation of an English base form; -1 when it is not said. A word without a translation stays English.
  std::int32_t translated(TargetKind kind, std::int32_t lemma, const Agreement& agreement) const;
  /// The gender of a noun by its base form.
  std::size_t gender_of_noun(std::int32_t lemma) const;

 private:
  /// All forms of a root, in the order of form_index.
  std::vector<std::string> forms_of(TargetKind kind, const std::string& root, std::size_t gender) const;
  std::size_t form_index(TargetKind kind, const Agreement& agreement) const;
  void add_translation(const LexiconEntry& entry, const std::string& word);
  /// The first form's id, or -1 when one of them is spelled like another word.
  std::int32_t claim(const std::vector<std::string>& forms);

  TranslationFile file_;
  std::vector<std::string> vocabulary_;
  std::set<std::string> spelled_;
  std::vector<std::int32_t> english_;                                                        ///< by the grammar's id
  std::array<std::int32_t, kTargetKindCount> shared_{};                                      ///< first form's id, or -1
  std::array<std::unordered_map<std::int32_t, std::int32_t>, kTargetKindCount> first_form_;  ///< by lemma; -1: not said
  std::array<std::unordered_map<std::string, std::int32_t>, kTargetKindCount> given_;        ///< by a root that the file gives
  std::unordered_map<std::int32_t, std::size_t> noun_gender_;
};

/// The words of a sentence in an invented language's order: indices into tree.words, each once.
std::vector<std::int32_t> translated_order(const SentenceTree& tree, const TranslationFile& file);

/// A sentence and its translation, joint ids on both sides.
ParallelRow translate(const SentenceTree& tree, const TranslationWords& words);

}  // namespace headroom
