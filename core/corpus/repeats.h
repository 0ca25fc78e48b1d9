#pragma once

#include <memory>

#include "core/corpus/corpus.h"

namespace headroom {

/// Rows of random words said again and again, mixed among a corpus's own rows along a curriculum: few words and hardly anything else at first,
/// then all words and a smaller share. Induction heads form while the words are few, and carry over to the others.
struct RepeatCurriculum {
  double first_share = 0, last_share = 0;  ///< of the rows, before and after the change
  std::int64_t first_words = 26;           ///< different words in use before the change; after it all of them
  std::int64_t from_row = 0, to_row = 0;   ///< between these rows both change evenly
  int min_period = 6, max_period = 22;     ///< words of the repeated segment
  bool operator==(const RepeatCurriculum&) const = default;
};

/// Which held-out rows are searched for words with a meaning.
struct SearchedRows {
  std::uint64_t seed = 0;
  std::int64_t length = 64;
};
/// Nouns and names: what such rows are made of. Ascending ids of the words that bear a determiner or are names in the first rows of the corpus;
/// empty where its rows do not say.
std::vector<std::int32_t> content_words(const Corpus& corpus, const SearchedRows& rows = {});

/// The corpus with such rows among those of its training stream; the held-out stream stays as it is. Rows that repeat carry their surprisals
/// (exact given which words are in use), copies as links, and no choices.
/// Errors  Error when the corpus has too few nouns and names, a share is outside [0, 1], or the periods are not 2 <= min <= max <= first_words.
std::shared_ptr<const Corpus> with_repeats(std::shared_ptr<const Corpus> corpus, const RepeatCurriculum& curriculum);

}  // namespace headroom
