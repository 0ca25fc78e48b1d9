#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/corpus/sentence.h"
#include "core/corpus/translation.h"
#include "core/corpus/translation_words.h"

namespace headroom::testing_translation {

/// The grammar of assets and the words of its invented language.
struct Language {
  Language();
  std::shared_ptr<const SentenceSource> source;
  std::vector<std::string> english;  ///< by the grammar's id
  std::unique_ptr<TranslationWords> words;
  std::shared_ptr<const ParallelCorpus> corpus;

  /// A sentence written with brackets: "(sentence (clause (subject (noun_phrase the/determiner/0 cats/noun/0/plural)) (predicate
  /// sat/intransitive/0/past)) ./sign)". A word is spelling/kind/entity/number/tense; what is left out is none.
  SentenceTree tree(std::string_view text) const;
  std::string spelled(const std::vector<std::int32_t>& joint_ids) const;
};
const Language& language();

}  // namespace headroom::testing_translation
