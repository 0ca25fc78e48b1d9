#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/corpus/corpus.h"

namespace headroom {

/// What a word is in its sentence.
enum class WordKind : std::uint8_t {
  kDeterminer,    ///< the, a, two …
  kAdjective,     ///< fluffy; before a noun or after is, was …
  kNoun,          ///< cat, cats
  kFirstName,     ///< anna
  kSurname,       ///< stone
  kPronoun,       ///< she, he, it, they, them
  kPossessive,    ///< his, her
  kRelative,      ///< that, who
  kCopula,        ///< is, are, was, were
  kIntransitive,  ///< sits
  kTransitive,    ///< sees
  kHave,          ///< has, have, had
  kAdverb,        ///< often
  kDegree,        ///< very
  kPreposition,   ///< on
  kConjunction,   ///< because
  kMood,          ///< happy, said of people with names
  kSign,          ///< . , : "
  kOther,         ///< list, copy, said …
};

enum class Gender : std::uint8_t { kNone, kFeminine, kMasculine, kNeuter };
enum class NounClass : std::uint8_t { kAnimal, kPerson, kThing, kPlace };
enum class GrammaticalNumber : std::uint8_t { kNone, kSingular, kPlural };
enum class Tense : std::uint8_t { kNone, kPresent, kPast };

/// A word of a sentence with all that the grammar knew when it said it.
struct SentenceWord {
  std::int32_t id = 0;     ///< in the grammar's vocabulary
  std::int32_t lemma = 0;  ///< id of the base form: cats -> cat, sat -> sit, were -> is, had -> has; otherwise the id itself
  WordKind kind = WordKind::kOther;
  GrammaticalNumber number =
      GrammaticalNumber::kNone;   ///< of nouns, names, pronouns, and of the determiners, adjectives and verbs that agree
  Tense tense = Tense::kNone;     ///< of verbs, the copula, has
  Gender gender = Gender::kNone;  ///< of names, pronouns and nouns for people or things
  /// Whom the word speaks of or agrees with: an index that is the same for every mention in the document; -1 for none. A verb carries its
  /// subject, an adjective and a determiner their noun, his and her the possessor, that and who the noun before.
  std::int32_t entity = -1;
};

/// Phrases of a sentence, as rules.txt marks them.
enum class Phrase : std::uint8_t {
  kSentence,     ///< with its full stop
  kClause,       ///< subject and predicate: the main one, and the one after because, when, and
  kSubject,      ///< holds one noun phrase (with its modifier), a name or a pronoun
  kObject,       ///< what is seen, chased, had: a noun phrase or a pronoun
  kNounPhrase,   ///< determiner, adjective, noun, or a full name, or a possessive and its noun
  kPreposition,  ///< prepositional phrase: the preposition and one noun phrase
  kRelative,     ///< relative clause: that or who and what follows it
  kPredicate,    ///< verb with its adverb, object, adjective and place
};

struct Constituent {
  Phrase phrase{};
  std::int32_t begin = 0;  ///< words [begin, end)
  std::int32_t end = 0;
  std::int32_t parent = -1;  ///< index of the constituent that directly holds this one; parents come before their children
};

/// One sentence and its structure. Its words are all inside constituents[0], the sentence.
struct SentenceTree {
  std::vector<SentenceWord> words;
  std::vector<Constituent> constituents;
  std::vector<float> surprisals;  ///< [words] -log p given the words before, nats
  std::vector<Link> links;
  std::vector<Choice> choices;
};

/// A word of the lexicon: what a translation needs a word for.
struct LexiconEntry {
  WordKind kind = WordKind::kOther;
  std::int32_t lemma = 0;           ///< id of the base form
  std::vector<std::int32_t> forms;  ///< ids: singular, plural; base, with s, past; otherwise the lemma alone
  Gender gender = Gender::kNone;    ///< of nouns for people, of first names; other nouns are neuter
  NounClass noun_class{};           ///< of nouns
};

/// The grammar with its words: single sentences for what needs their structure.
class SentenceSource {
 public:
  virtual ~SentenceSource();
  /// The corpus over the same words.
  virtual std::shared_ptr<const Corpus> corpus() const = 0;
  virtual const std::vector<LexiconEntry>& lexicon() const = 0;
  /// The first sentence of a story, a pure function of its arguments.
  virtual SentenceTree sentence(Stream stream, std::uint64_t seed, std::int64_t index) const = 0;
  /// The same without its surprisals, several times as fast.
  virtual SentenceTree unscored_sentence(Stream stream, std::uint64_t seed, std::int64_t index) const = 0;
};

/// Errors  as open_grammar.
std::shared_ptr<const SentenceSource> open_sentences(const std::filesystem::path& folder, const GrammarOptions& options = {});

}  // namespace headroom
