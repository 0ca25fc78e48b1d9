// Every link and every question is checked against what the words themselves say, by their lines in the grammar's files.
#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "tests/corpus/grammar_testing.h"

namespace headroom {
namespace {

using grammar_testing::text_of;
using grammar_testing::the_grammar;
using grammar_testing::the_rules;

enum class Number { kNone, kSingular, kPlural };

/// What a word is, looked up by its spelling alone.
class Words {
 public:
  bool is_noun(std::int32_t id) const { return noun(id) != nullptr; }
  const Noun* noun(std::int32_t id) const {
    for (const Noun& noun : lexicon_.nouns)
      if (noun.forms[0] == id || noun.forms[1] == id) return &noun;
    return nullptr;
  }
  Number noun_number(std::int32_t id) const { return noun(id)->forms[0] == id ? Number::kSingular : Number::kPlural; }
  const FirstName* first_name(std::int32_t id) const {
    for (const FirstName& name : lexicon_.first_names)
      if (name.word == id) return &name;
    return nullptr;
  }
  bool is_surname(std::int32_t id) const { return std::count(lexicon_.surnames.begin(), lexicon_.surnames.end(), id) > 0; }
  bool is_preposition(std::int32_t id) const {
    return std::any_of(lexicon_.prepositions.begin(), lexicon_.prepositions.end(),
                       [&](const Preposition& one) { return one.word == id; });
  }
  bool is_transitive(std::int32_t id) const {
    return std::any_of(lexicon_.verbs.begin(), lexicon_.verbs.end(), [&](const Verb& verb) {
      return verb.is_transitive && (verb.base == id || verb.with_s == id || verb.past == id);
    });
  }
  bool is_verb(std::int32_t id) const {
    return is_copula(id) || is_have(id) || std::any_of(lexicon_.verbs.begin(), lexicon_.verbs.end(), [&](const Verb& verb) {
             return verb.base == id || verb.with_s == id || verb.past == id;
           });
  }
  bool is_copula(std::int32_t id) const { return is_one_of(id, {"is", "are", "was", "were"}); }
  bool is_have(std::int32_t id) const { return is_one_of(id, {"has", "have", "had"}); }
  bool is_adjective_of(const Noun& noun, std::int32_t id) const { return std::count(noun.is.begin(), noun.is.end(), id) > 0; }
  /// The number that a verb's form shows; past forms of verbs show none.
  Number verb_number(std::int32_t id) const {
    if (is_one_of(id, {"is", "was", "has"})) return Number::kSingular;
    if (is_one_of(id, {"are", "were", "have"})) return Number::kPlural;
    for (const Verb& verb : lexicon_.verbs) {
      if (verb.with_s == id) return Number::kSingular;
      if (verb.base == id) return Number::kPlural;
    }
    return Number::kNone;
  }
  Number determiner_number(std::int32_t id) const {
    return is_one_of(id, {"a", "this"})              ? Number::kSingular
           : is_one_of(id, {"some", "two", "these"}) ? Number::kPlural
                                                     : Number::kNone;
  }
  bool is_one_of(std::int32_t id, std::initializer_list<const char*> texts) const {
    return std::any_of(texts.begin(), texts.end(),
                       [&](const char* text) { return lexicon_.words[static_cast<std::size_t>(id)] == text; });
  }

 private:
  const Lexicon& lexicon_ = the_rules().lexicon;
};

/// A link's two words.
struct Pair {
  const CorpusRow& row;
  const Link& link;
  std::int32_t query() const { return row.ids[static_cast<std::size_t>(link.query)]; }
  std::int32_t key() const { return row.ids[static_cast<std::size_t>(link.key)]; }
  std::int32_t before_query() const { return row.ids[static_cast<std::size_t>(link.query - 1)]; }
  std::int32_t before_key() const { return row.ids[static_cast<std::size_t>(link.key - 1)]; }
  int n_nouns_between(const Words& words) const {
    return static_cast<int>(std::count_if(row.ids.begin() + link.key + 1, row.ids.begin() + link.query,
                                          [&](std::int32_t id) { return words.is_noun(id); }));
  }
};

/// Empty when the link is right, otherwise what is wrong.
std::string fault(const Words& words, const Pair& pair) {
  const std::int32_t query = pair.query();
  const std::int32_t key = pair.key();
  const Noun* noun = words.noun(key);
  const FirstName* name = words.first_name(key);
  const auto need = [](bool holds, const char* what) { return holds ? std::string() : std::string(what); };
  const bool agrees =
      noun == nullptr || words.verb_number(query) == Number::kNone || words.verb_number(query) == words.noun_number(key);
  switch (pair.link.relation) {
    case Relation::kSubject:
      return need(words.is_verb(query) && noun != nullptr && agrees && pair.n_nouns_between(words) == 0, "subject");
    case Relation::kSubjectAcrossDistractor:
      return need(words.is_verb(query) && noun != nullptr && agrees && pair.n_nouns_between(words) > 0,
                  "subject across a distractor");
    case Relation::kNamedSubject:
      return need(words.is_verb(query) && name != nullptr && words.verb_number(query) != Number::kPlural, "named subject");
    case Relation::kRelativeSubject:
      return need(words.is_verb(query) && noun != nullptr && agrees, "relative subject");
    case Relation::kPredicate:
      return need(noun != nullptr && words.is_adjective_of(*noun, query), "predicate");
    case Relation::kAntecedent: {
      const bool is_person = name != nullptr || (noun != nullptr && noun->noun_class == NounClass::kPerson);
      return need(words.is_one_of(query, {is_person ? "who" : "that"}), "antecedent");
    }
    case Relation::kPronoun:
      if (noun == nullptr) return "pronoun without a noun";
      if (words.noun_number(key) == Number::kPlural) return need(words.is_one_of(query, {"they", "them"}), "plural pronoun");
      return need(words.is_one_of(query, {noun->gender == Gender::kFeminine    ? "she"
                                          : noun->gender == Gender::kMasculine ? "he"
                                                                               : "it"}),
                  "singular pronoun");
    case Relation::kPronounName:
      return need(name != nullptr && words.is_one_of(query, {name->gender == Gender::kFeminine ? "she" : "he"}),
                  "pronoun of a name");
    case Relation::kPronounVerb: {
      const bool is_adjective = noun != nullptr && words.is_adjective_of(*noun, query);
      return need((words.is_verb(query) || is_adjective) && (noun != nullptr || name != nullptr) && (is_adjective || agrees),
                  "after a pronoun");
    }
    case Relation::kPossessor:
      return need(name != nullptr && words.is_one_of(query, {name->gender == Gender::kFeminine ? "her" : "his"}), "possessor");
    case Relation::kTrait: {
      const bool is_thing = words.is_noun(query) && words.noun(query)->noun_class == NounClass::kThing;
      return need(name != nullptr && (is_thing || std::count(name->moods.begin(), name->moods.end(), query) > 0), "trait");
    }
    case Relation::kName:
      return need(query == key && words.is_surname(key) && pair.before_query() == pair.before_key() &&
                      words.first_name(pair.before_key()) != nullptr,
                  "surname");
    case Relation::kRepeatedName:
      return need(query == key && name != nullptr, "repeated name");
    case Relation::kRepeatedNoun:
      return need(query == key && noun != nullptr, "repeated noun");
    case Relation::kCopy:
      return need(query == key, "copy");
    case Relation::kDeterminer: {
      const Number number = words.determiner_number(key);
      return need(words.is_noun(query) && (words.is_one_of(key, {"the", "her", "his"}) || number == words.noun_number(query)),
                  "determiner");
    }
    case Relation::kAdjective:
      return need(words.is_noun(query) && words.is_adjective_of(*words.noun(query), key) && pair.link.key == pair.link.query - 1,
                  "adjective");
    case Relation::kObjectVerb:
      return need(words.is_noun(query) && (words.is_transitive(key) || words.is_have(key)), "object's verb");
    case Relation::kPrepositionObject:
      return need(words.is_noun(query) && words.is_preposition(key) && pair.n_nouns_between(words) == 0, "object of a preposition");
    case Relation::kPrepositionHost:
      return need(words.is_one_of(query, {"on", "in", "under"}) ? noun != nullptr : words.is_transitive(key),
                  "host of a preposition");
    case Relation::kPlaceSubject:
      return need(words.is_noun(query) && noun != nullptr, "place of a subject");
  }
  return "unknown relation";
}

TEST(GrammarLinks, PointAtWhatTheySay) {
  const Words words;
  std::array<int, kRelationCount> n_checked{};
  for (std::int64_t index = 0; index < 1500; ++index) {
    const CorpusRow row = the_grammar()->row(Stream::kHeldOut, 4, index, 48);
    for (const Link& link : row.links) {
      ASSERT_GE(link.key, 0);
      ASSERT_LT(link.key, link.query);
      ASSERT_LT(link.query, 48);
      // No reason reaches into another document.
      EXPECT_EQ(std::count(row.ids.begin() + link.key, row.ids.begin() + link.query + 1, the_grammar()->bos_id()), 0);
      EXPECT_EQ(fault(words, {row, link}), "") << text_of(*the_grammar(), row.ids) << " | " << link.query << " -> " << link.key;
      ++n_checked[static_cast<std::size_t>(link.relation)];
    }
  }
  for (std::size_t i = 0; i < kRelationCount; ++i)
    EXPECT_GT(n_checked[i], 100) << relation_key(static_cast<Relation>(i));
}

TEST(GrammarLinks, AgreementIsAskedWhereTheNumberShows) {
  const Words words;
  int n_plain = 0;
  int n_across = 0;
  for (std::int64_t index = 0; index < 1500; ++index) {
    const CorpusRow row = the_grammar()->row(Stream::kHeldOut, 4, index, 48);
    for (const Choice& choice : row.choices) {
      if (choice.question != Question::kAgreement && choice.question != Question::kAgreementAcrossDistractor) continue;
      const auto link = std::find_if(row.links.begin(), row.links.end(), [&](const Link& one) {
        return one.query == choice.position &&
               (one.relation == Relation::kSubject || one.relation == Relation::kSubjectAcrossDistractor);
      });
      ASSERT_NE(link, row.links.end());
      ASSERT_EQ(choice.ids.size(), 2u);
      const Number subject = words.noun_number(row.ids[static_cast<std::size_t>(link->key)]);
      EXPECT_EQ(words.verb_number(choice.ids[0]), subject);
      EXPECT_NE(words.verb_number(choice.ids[1]), subject);
      EXPECT_NE(words.verb_number(choice.ids[1]), Number::kNone);
      Number nearest = subject;
      for (std::int32_t i = link->key + 1; i < link->query; ++i)
        if (words.is_noun(row.ids[static_cast<std::size_t>(i)])) nearest = words.noun_number(row.ids[static_cast<std::size_t>(i)]);
      EXPECT_EQ(choice.question == Question::kAgreementAcrossDistractor, nearest != subject) << text_of(*the_grammar(), row.ids);
      (choice.question == Question::kAgreement ? n_plain : n_across) += 1;
    }
  }
  EXPECT_GT(n_plain, 500);
  EXPECT_GT(n_across, 200);
}

TEST(GrammarLinks, OtherQuestionsOfferTheWrongWordsOfTheSameKind) {
  const Words words;
  for (std::int64_t index = 0; index < 400; ++index) {
    const CorpusRow row = the_grammar()->row(Stream::kHeldOut, 4, index, 48);
    for (const Choice& choice : row.choices) {
      const std::set<std::int32_t> different(choice.ids.begin(), choice.ids.end());
      EXPECT_EQ(different.size(), choice.ids.size());
      EXPECT_EQ(choice.ids.front(), row.ids[static_cast<std::size_t>(choice.position)]);
      if (choice.question == Question::kSurname) {
        EXPECT_EQ(choice.ids.size(), 20u);
        for (const std::int32_t id : choice.ids)
          EXPECT_TRUE(words.is_surname(id));
      }
      if (choice.question == Question::kCopying) {
        for (const std::int32_t id : choice.ids)
          EXPECT_NE(std::find(row.ids.begin(), row.ids.begin() + choice.position, id), row.ids.begin() + choice.position)
              << "a word that was not said before";
      }
      if (choice.question == Question::kCoreference) {
        const std::set<std::set<std::string_view>> pairs{{"she", "he"}, {"it", "they"}, {"it", "them"}, {"her", "his"}};
        std::set<std::string_view> asked;
        for (const std::int32_t id : choice.ids)
          asked.insert(the_grammar()->tokenizer()->token_text(id));
        EXPECT_TRUE(pairs.contains(asked)) << *asked.begin();
      }
    }
  }
}

TEST(GrammarSentences, ConstituentsHoldTheirWords) {
  const auto source = open_sentences(grammar_testing::grammar_folder());
  std::set<Phrase> seen;
  for (std::int64_t index = 0; index < 500; ++index) {
    const SentenceTree tree = source->sentence(Stream::kTraining, 1, index);
    ASSERT_FALSE(tree.constituents.empty());
    EXPECT_EQ(tree.constituents[0].phrase, Phrase::kSentence);
    EXPECT_EQ(tree.constituents[0].begin, 0);
    EXPECT_EQ(tree.constituents[0].end, static_cast<std::int32_t>(tree.words.size()));
    EXPECT_EQ(tree.surprisals.size(), tree.words.size());
    EXPECT_EQ(tree.words.back().kind, WordKind::kSign);
    for (std::size_t i = 1; i < tree.constituents.size(); ++i) {
      const Constituent& part = tree.constituents[i];
      ASSERT_GE(part.parent, 0);
      ASSERT_LT(part.parent, static_cast<std::int32_t>(i));
      const Constituent& parent = tree.constituents[static_cast<std::size_t>(part.parent)];
      EXPECT_GE(part.begin, parent.begin);
      EXPECT_LE(part.end, parent.end);
      EXPECT_LT(part.begin, part.end);
      seen.insert(part.phrase);
      const SentenceWord& first = tree.words[static_cast<std::size_t>(part.begin)];
      if (part.phrase == Phrase::kPreposition) {
        EXPECT_EQ(first.kind, WordKind::kPreposition);
      }
      if (part.phrase == Phrase::kRelative) {
        EXPECT_EQ(first.kind, WordKind::kRelative);
      }
    }
    // Who agrees with whom is one entity.
    for (const Link& link : tree.links) {
      const SentenceWord& query = tree.words[static_cast<std::size_t>(link.query)];
      const SentenceWord& key = tree.words[static_cast<std::size_t>(link.key)];
      if (link.relation == Relation::kSubject || link.relation == Relation::kSubjectAcrossDistractor ||
          link.relation == Relation::kPronoun || link.relation == Relation::kPronounName || link.relation == Relation::kPossessor ||
          link.relation == Relation::kDeterminer) {
        EXPECT_EQ(query.entity == key.entity, link.relation != Relation::kDeterminer || key.kind != WordKind::kPossessive);
        EXPECT_GE(key.entity, 0);
      }
    }
    for (const SentenceWord& word : tree.words) {
      if (word.kind != WordKind::kNoun) continue;
      const Noun& noun = *Words().noun(word.id);
      EXPECT_EQ(word.lemma, noun.forms[0]);
      EXPECT_EQ(word.number == GrammaticalNumber::kPlural, word.id == noun.forms[1]);
    }
  }
  EXPECT_EQ(seen.size(), 7u) << "every phrase but the sentence itself is inside another";
}

TEST(GrammarSentences, LexiconListsEveryWordThatIsSaid) {
  const auto source = open_sentences(grammar_testing::grammar_folder());
  std::set<std::pair<WordKind, std::int32_t>> known;
  for (const LexiconEntry& entry : source->lexicon())
    EXPECT_TRUE(known.emplace(entry.kind, entry.lemma).second);
  for (std::int64_t index = 0; index < 2000; ++index) {
    for (const SentenceWord& word : source->sentence(Stream::kHeldOut, 1, index).words) {
      if (word.kind == WordKind::kSign) continue;
      // "her" is an object and a possessive, "tired" a mood and an adjective: one entry each.
      const bool is_listed = std::any_of(known.begin(), known.end(), [&](const auto& entry) { return entry.second == word.lemma; });
      EXPECT_TRUE(is_listed) << source->corpus()->tokenizer()->token_text(word.id);
    }
  }
}

}  // namespace
}  // namespace headroom
