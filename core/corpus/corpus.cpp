#include "core/corpus/corpus.h"

#include <algorithm>
#include <array>

#include "core/tensor/error.h"

namespace headroom {
namespace {

struct RelationText {
  std::string_view key, name, definition;
};
constexpr std::array<RelationText, kRelationCount> kRelations{{
    {"subject", "subject", "A verb looks at the noun that is its subject; no other noun stands between them."},
    {"subject_across_distractor", "subject across a distractor",
     "A verb looks at the noun that is its subject although another noun stands nearer."},
    {"named_subject", "named subject", "A verb looks at the first name of the person who is its subject."},
    {"relative_subject", "subject of a relative clause",
     "The verb of a relative clause looks at the noun that the clause describes."},
    {"predicate", "predicate -> subject", "An adjective after is, are, was or were looks at the noun that it describes."},
    {"antecedent", "antecedent", "That or who looks at the noun or first name that it stands for."},
    {"pronoun", "pronoun", "It, they or them, and she or he where a noun is meant, look at that noun."},
    {"pronoun_name", "pronoun -> name", "She or he looks at the first name that it stands for."},
    {"pronoun_verb", "after a pronoun",
     "A verb or adjective after a pronoun looks at the noun or name that the pronoun stands for."},
    {"possessor", "possessor", "His or her looks at the first name of the owner."},
    {"trait", "trait -> name", "A mood, or a thing that someone has, looks at the first name of the person whose habit it is."},
    {"name", "surname", "A surname looks at the same surname earlier, when its first name was said before."},
    {"repeated_name", "repeated name", "A first name looks at its mention before."},
    {"repeated_noun", "repeated noun", "A noun looks at its mention before, when it is the same thing."},
    {"copy", "copy", "A word of a list or quote that is said again looks at its first saying."},
    {"determiner", "noun -> determiner", "A noun looks at its determiner."},
    {"adjective", "noun -> adjective", "A noun looks at the adjective before it."},
    {"object_verb", "object -> verb", "An object noun looks at its verb."},
    {"preposition_object", "object -> preposition", "A noun looks at the preposition that it follows."},
    {"preposition_host", "preposition -> host",
     "A preposition after an object looks at what it is attached to: the object (on, in, under) or the verb (near, behind, by)."},
    {"place_subject", "place -> subject",
     "A noun after a preposition looks at the one who is there and may have a favourite place."},
}};
constexpr std::array<std::string_view, kQuestionCount> kQuestions{"agreement", "agreement across a distractor", "coreference",
                                                                  "copying", "surname"};
constexpr float kCertain = 1e-6f;  // nats

}  // namespace

std::string_view relation_name(Relation relation) { return kRelations[static_cast<std::size_t>(relation)].name; }
std::string_view relation_key(Relation relation) { return kRelations[static_cast<std::size_t>(relation)].key; }
std::string_view relation_definition(Relation relation) { return kRelations[static_cast<std::size_t>(relation)].definition; }
std::string_view question_name(Question question) { return kQuestions[static_cast<std::size_t>(question)]; }

Corpus::~Corpus() = default;
std::int32_t Corpus::pad_id() const { return -1; }

void Corpus::row_ids(Stream stream, std::uint64_t seed, std::int64_t index, std::span<std::int32_t> ids) const {
  const CorpusRow whole = row(stream, seed, index, static_cast<std::int64_t>(ids.size()));
  std::copy(whole.ids.begin(), whole.ids.end(), ids.begin());
}

Floor measure_floor(const Corpus& corpus, std::uint64_t seed, std::int64_t n_rows, std::int64_t length) {
  if (!corpus.has_known_floor()) throw Error("the corpus " + corpus.name() + " has no known floor");
  Floor floor{.n_rows = n_rows};
  std::int64_t n_certain = 0;
  double sum = 0;
  for (std::int64_t index = 0; index < n_rows; ++index) {
    const CorpusRow row = corpus.row(Stream::kHeldOut, seed, index, length);
    for (std::size_t i = 1; i < row.surprisals.size(); ++i) {
      sum += static_cast<double>(row.surprisals[i]);
      n_certain += row.surprisals[i] < kCertain ? 1 : 0;
      ++floor.n_tokens;
    }
  }
  if (floor.n_tokens == 0) return floor;
  const auto n = static_cast<double>(floor.n_tokens);
  floor.nats_per_token = sum / n;
  floor.deterministic_share = static_cast<double>(n_certain) / n;
  floor.nats_elsewhere = n_certain == floor.n_tokens ? 0 : sum / (n - static_cast<double>(n_certain));
  return floor;
}

}  // namespace headroom
