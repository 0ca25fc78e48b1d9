#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headroom {

class Tokenizer;

/// Why one token makes it worth while to look at an earlier one. Names and definitions: relation_name, relation_definition.
enum class Relation : std::uint8_t {
  kSubject,                  ///< verb -> its subject noun, no other noun between
  kSubjectAcrossDistractor,  ///< verb -> its subject noun, another noun stands nearer
  kNamedSubject,             ///< verb -> the first name of its subject
  kRelativeSubject,          ///< verb of a relative clause -> the noun that the clause describes
  kPredicate,                ///< adjective after is, was … -> the noun (or name) that it describes
  kAntecedent,               ///< that, who -> the noun or first name before
  kPronoun,                  ///< it, they, them, and she, he for a noun -> that noun
  kPronounName,              ///< she, he -> first name
  kPronounVerb,              ///< verb after a pronoun -> the noun or first name that the pronoun stands for
  kPossessor,                ///< his, her -> first name
  kTrait,                    ///< a mood after "she was", a thing after "her" -> the first name whose habit it is
  kName,                     ///< surname -> the same surname when this first name was said before
  kRepeatedName,             ///< first name -> the same first name before
  kRepeatedNoun,             ///< noun -> the same thing's noun before
  kCopy,                     ///< word of a repeated list or quote -> the same word in its first saying
  kDeterminer,               ///< noun -> its determiner
  kAdjective,                ///< noun -> the adjective before it
  kObjectVerb,               ///< object noun -> its verb
  kPrepositionObject,        ///< noun after a preposition -> the preposition
  kPrepositionHost,          ///< preposition after an object -> the object or the verb, whichever it is attached to
  kPlaceSubject,             ///< noun after a preposition -> the subject whose favourite place it may be
};
inline constexpr std::size_t kRelationCount = static_cast<std::size_t>(Relation::kPlaceSubject) + 1;

/// "subject", "subject across a distractor" …; never empty.
std::string_view relation_name(Relation relation);
/// The same in one word, as rules.txt and JSON name it: "subject_across_distractor".
std::string_view relation_key(Relation relation);
/// One sentence that says which token looks at which, and why.
std::string_view relation_definition(Relation relation);

/// Where a reader that is to produce, or has just read, token `query` should look: token `key`, key < query.
/// A head may show it at the query itself or, where key < query - 1, at the position before, which predicts the query.
struct Link {
  Relation relation{};
  std::int32_t query = 0;
  std::int32_t key = 0;
  bool operator==(const Link&) const = default;
};

enum class Question : std::uint8_t { kAgreement, kAgreementAcrossDistractor, kCoreference, kCopying, kSurname };
inline constexpr std::size_t kQuestionCount = static_cast<std::size_t>(Question::kSurname) + 1;
/// "agreement", "agreement across a distractor" …
std::string_view question_name(Question question);

/// A question with a known answer: whoever has read row[0 .. position - 1] must find ids.front() likelier than every other id.
/// A causal model answers at position - 1, a masked one at `position`. Guessing is right in 1 / ids.size() of the cases.
struct Choice {
  Question question{};
  std::int32_t position = 0;      ///< of the token asked for, at least 1
  std::vector<std::int32_t> ids;  ///< at least 2, all different; the first is right
  bool operator==(const Choice&) const = default;
};

struct CorpusRow {
  std::vector<std::int32_t> ids;  ///< [length]; begins with <bos> where the corpus has one
  /// [length] -log p of each token given the row's tokens before it, nats, under the generator itself; 0 for the first. Empty where
  /// the corpus has no known floor.
  std::vector<float> surprisals;
  std::vector<Link> links;
  std::vector<Choice> choices;
};

/// Rows for training, and rows that no training run ever sees.
enum class Stream { kTraining, kHeldOut };

/// Text to train on. Immutable and shared by threads.
class Corpus {
 public:
  virtual ~Corpus();
  virtual const std::string& name() const = 0;
  virtual std::shared_ptr<const Tokenizer> tokenizer() const = 0;
  /// What is written beside a model: load_tokenizer reads it and gives tokenizer().
  virtual const std::string& tokenizer_json() const = 0;
  virtual std::int64_t vocab_size() const = 0;
  /// Ids of the special tokens, -1 where there is none.
  virtual std::int32_t bos_id() const = 0;
  virtual std::int32_t unknown_id() const = 0;
  virtual std::int32_t mask_id() const = 0;
  virtual std::int32_t pad_id() const;
  /// Is -log p of each token known, and so the lowest loss that any causal model can reach?
  virtual bool has_known_floor() const = 0;
  /// Row `index` of a stream with all that is known of it: a pure function of (stream, seed, index, length), so that training can go on
  /// anywhere. Errors  ShapeError when length or index is below 1 or 0.
  virtual CorpusRow row(Stream stream, std::uint64_t seed, std::int64_t index, std::int64_t length) const = 0;
  /// The tokens of the same row alone: what training reads, much faster. `ids` has the row's length.
  virtual void row_ids(Stream stream, std::uint64_t seed, std::int64_t index, std::span<std::int32_t> ids) const;
};

/// The lowest mean loss over given rows: a model that knew the generator would reach it, none can do better in the long run.
struct Floor {
  double nats_per_token = 0;       ///< mean surprisal of the tokens that have a predecessor
  double deterministic_share = 0;  ///< of these tokens: those that are certain (surprisal below 1e-6 nats), such as copied words
  double nats_elsewhere = 0;       ///< mean surprisal of the others
  std::int64_t n_rows = 0;
  std::int64_t n_tokens = 0;  ///< n_rows * (length - 1)
};

/// Over rows 0 .. n_rows - 1 of the held-out stream. Errors  Error when the corpus has no known floor.
Floor measure_floor(const Corpus& corpus, std::uint64_t seed, std::int64_t n_rows, std::int64_t length);

/// The weight of one alternative of a rule of assets/grammar/rules.txt, in place of the file's: {"document", "list", 96}.
struct RuleWeight {
  std::string rule;         ///< "document", "sentence", "modifier" …
  std::string alternative;  ///< the name of the alternative: the word after its weight
  double weight = 0;        ///< at least 0
  bool operator==(const RuleWeight&) const = default;
};

struct GrammarOptions {
  /// Weights of the kinds of documents; nothing: as the file has them.
  std::optional<double> stories, lists, quotes;
  /// Any other weights.
  std::vector<RuleWeight> weights;
};

/// The probabilistic grammar of English in a folder (assets/grammar).
/// Errors  Error, one sentence with file and line.
std::shared_ptr<const Corpus> open_grammar(const std::filesystem::path& folder, const GrammarOptions& options = {});

/// The induction laboratory: each row is <bos> and one random segment of different letters, min_period to max_period of them, said again and
/// again. Only looking at what followed the letter's last saying predicts the next one at every distance.
/// Errors  Error unless 2 <= min_period <= max_period <= 26.
std::shared_ptr<const Corpus> open_letters(int min_period = 6, int max_period = 22);

}  // namespace headroom
