#include "core/corpus/reader.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <numeric>

#include "core/corpus/sampler.h"
#include "tests/corpus/grammar_testing.h"

namespace headroom {
namespace {

using grammar_testing::grammar_folder;
using grammar_testing::the_grammar;
using grammar_testing::the_rules;
using testing_files::TemporaryFolder;

std::vector<WordId> ids_of(const Grammar& grammar, const std::string& text) {
  std::vector<WordId> ids;
  for (const std::string& word : [&] {
         std::vector<std::string> words;
         for (std::size_t at = 0; at < text.size();) {
           const std::size_t end = std::min(text.find(' ', at), text.size());
           words.push_back(text.substr(at, end - at));
           at = end + 1;
         }
         return words;
       }())
    ids.push_back(grammar.lexicon.id(word));
  return ids;
}

/// -log p of a document's beginning, nats.
double nats(const Grammar& grammar, const std::string& text) {
  Reader reader(grammar, grammar.rules.start);
  double sum = 0;
  for (const WordId id : ids_of(grammar, text))
    sum += reader.read(id);
  return sum;
}

// Multiplied by hand from the lines of rules.txt, nouns.txt and small_words.txt.
TEST(GrammarReader, KnowsTheCatThatSatOnTheMat) {
  const double story = 50.0 / 100 * 65 / 100;                        // document: story; sentence: something
  const double the_cat = 0.58 * 0.55 * 0.72 * 0.5 / 12;              // one, "the", no adjective, an animal, the cat
  const double that_sat = 24.0 / 100 * 60 / 100 * 0.75 * 0.4 * 0.4;  // relative clause, does, no adverb, past, sits
  const double on_the_mat = 0.7 * 0.58 * 0.55 * 0.88 * (0.7 + 0.3 / 7);
  const double was_fluffy = 46.0 / 100 * 0.85 * 45 / 110;
  const double probability = story * the_cat * that_sat * on_the_mat * was_fluffy;
  EXPECT_NEAR(nats(the_rules(), "<bos> the cat that sat on the mat was fluffy ."), -std::log(probability), 1e-5);
}

TEST(GrammarReader, KnowsTheCatsNearTheDog) {
  const double story = 50.0 / 100 * 65 / 100;
  const double the_cats = 0.42 * 0.55 * 0.72 * 0.5 / 12;
  const double near_the_dog = 9.0 / 100 / 3 * 0.58 * 0.55 * 0.88 * 0.5 / 11;  // one of 11 animals: the cats are taken
  const double were_hungry = 46.0 / 100 * 0.4 * 0.85 * 10 / 110;
  EXPECT_NEAR(nats(the_rules(), "<bos> the cats near the dog were hungry ."),
              -std::log(story * the_cats * near_the_dog * were_hungry), 1e-5);
}

TEST(GrammarReader, RefusesWhatIsNotInTheLanguage) {
  EXPECT_EQ(nats(the_rules(), "<bos> the cats near the dog was"), INFINITY);
  EXPECT_EQ(nats(the_rules(), "<bos> the cat that bark"), INFINITY);
  EXPECT_EQ(nats(the_rules(), "<bos> cat"), INFINITY);
  EXPECT_EQ(nats(the_rules(), "<bos> list : cat dog cat"), INFINITY) << "a word is listed once";
  EXPECT_EQ(nats(the_rules(), "<bos> the cat is fluffy . he"), INFINITY);
  EXPECT_LT(nats(the_rules(), "<bos> the cat is fluffy . it"), 30);
}

TEST(GrammarReader, WordsAfterAnyBeginningSumToOne) {
  double worst = 0;
  for (std::int64_t index = 0; index < 25; ++index) {
    Reader reader(the_rules(), the_rules().rules.start);
    for (const std::int32_t id : the_grammar()->row(Stream::kHeldOut, 5, index, 48).ids) {
      const double expected = reader.read(static_cast<WordId>(id));
      EXPECT_TRUE(std::isfinite(expected));
      const std::vector<double> next = reader.next();
      worst = std::max(worst, std::abs(std::accumulate(next.begin(), next.end(), 0.0) - 1));
    }
  }
  EXPECT_LT(worst, 1e-6);
}

// The reader's two ways agree: what it says of a word that comes, and what it says of all before.
TEST(GrammarReader, SurprisalsAreThoseOfTheNextWords) {
  for (std::int64_t index = 0; index < 10; ++index) {
    const CorpusRow row = the_grammar()->row(Stream::kHeldOut, 6, index, 48);
    Reader reader(the_rules(), the_rules().rules.start);
    reader.read(static_cast<WordId>(row.ids[0]));
    for (std::size_t i = 1; i < row.ids.size(); ++i) {
      const std::vector<double> next = reader.next();
      ASSERT_NEAR(static_cast<double>(row.surprisals[i]), -std::log(next[static_cast<std::size_t>(row.ids[i])]), 1e-5);
      reader.read(static_cast<WordId>(row.ids[i]));
    }
  }
}

// What is drawn against what is stated: the frequency of each word after each common beginning of up to 5 words.
TEST(GrammarReader, BeginningsComeAsOftenAsStated) {
  constexpr std::int64_t kRows = 400000;
  std::map<std::vector<std::int32_t>, int> counts;
  std::vector<std::int32_t> ids(6);
  for (std::int64_t index = 0; index < kRows; ++index) {
    the_grammar()->row_ids(Stream::kTraining, 77, index, ids);
    for (std::size_t n = 1; n <= ids.size(); ++n)
      ++counts[{ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n)}];
  }
  int n_compared = 0;
  for (const auto& [beginning, n] : counts) {
    if (n < 4000 || beginning.size() == ids.size()) continue;
    Reader reader(the_rules(), the_rules().rules.start);
    for (const std::int32_t id : beginning)
      reader.read(static_cast<WordId>(id));
    const std::vector<double> next = reader.next();
    for (std::size_t word = 0; word < next.size(); ++word) {
      std::vector<std::int32_t> longer = beginning;
      longer.push_back(static_cast<std::int32_t>(word));
      const auto found = counts.find(longer);
      const double share = found == counts.end() ? 0 : static_cast<double>(found->second) / n;
      ASSERT_NEAR(share, next[word], 5.5 * std::sqrt(next[word] * (1 - next[word]) / n) + 1e-9)
          << grammar_testing::text_of(*the_grammar(), longer);
      n_compared += next[word] > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(n_compared, 1000);
}

// Deep in rows: each word comes as often as the stated probabilities add up to.
TEST(GrammarReader, StatedProbabilitiesAreCalibrated) {
  std::vector<double> expected(the_rules().lexicon.words.size()), variance(expected.size());
  std::vector<int> said(expected.size());
  for (std::int64_t index = 0; index < 120; ++index) {
    std::vector<std::int32_t> ids(64);
    the_grammar()->row_ids(Stream::kHeldOut, 78, index, ids);
    Reader reader(the_rules(), the_rules().rules.start);
    reader.read(static_cast<WordId>(ids[0]));
    for (std::size_t i = 1; i < ids.size(); ++i) {
      const std::vector<double> next = reader.next();
      for (std::size_t word = 0; word < next.size(); ++word) {
        expected[word] += next[word];
        variance[word] += next[word] * (1 - next[word]);
      }
      ++said[static_cast<std::size_t>(ids[i])];
      reader.read(static_cast<WordId>(ids[i]));
    }
  }
  for (std::size_t word = 0; word < said.size(); ++word)
    EXPECT_NEAR(said[word], expected[word], 4.5 * std::sqrt(variance[word]) + 1e-6) << the_rules().lexicon.words[word];
}

/// A grammar small enough to write down all that it can say: with a list that can be cut in two ways, a reused noun and a pronoun.
void write_small_grammar(const TemporaryFolder& folder) {
  folder.file("vocabulary.txt", "<bos> <unk> <mask> . , : \" list copy\n");
  folder.file("nouns.txt",
              "girl | girls | person | feminine | sit | kind wise |\nfarmer | farmers | person | either | sit | wise busy |\n"
              "mat | mats | place | neuter | sit | soft clean |\nbed | beds | place | neuter | sit | soft warm |\n");
  folder.file("verbs.txt", "intransitive | sit | sits | sat | on\ntransitive | see | sees | saw | person\n");
  folder.file("names.txt",
              "first | anna | feminine | glad | mat\nfirst | tom | masculine | glad | mat\nsurname | lake\nsurname | reed\n");
  folder.file("small_words.txt",
              "determiner | singular | the 2, a 1\ndeterminer | plural | the 1\ndeterminer | again | the\n"
              "pronoun | feminine | she | her | her\npronoun | masculine | he | him | his\npronoun | neuter | it | it | -\npronoun "
              "| plural | they | them | -\n"
              "copula | present | is | are\ncopula | past | was | were\nhave | present | has | have\nhave | past | had | had\n"
              "relative | person | who\nrelative | other | that\nmood | glad\npreposition | on | mat bed\n");
  folder.file(
      "rules.txt",
      "share past 25\nshare plural 40\nshare favourite_place 0\nshare favourite_object 0\nshare favourite_thing 0\n"
      "weights is 3 1\nweights does 1\nweights prepositions 1\nweights moods 1\nmix few person 1\npool few first_names surnames\n"
      "rule document\n  50 said : sentence again\n  50 list : \"list\" \":\" pool:few commas:off parts \".\" \"copy\" \":\" "
      "say_shuffled \".\"\n"
      "rule again\n  1 end\n  1 more : old:S pronoun_or_noun:S copula:S is:S \".\"\n"
      "rule pronoun_or_noun X\n  1 pronoun if X topic : pronoun:X:subject\n  1 noun : determiner:X noun:X\n"
      "phrase sentence sentence\n  1 said : new:S:few keep:S determiner:S maybe:S copula:S is:S topic:S \".\"\n"
      "rule maybe X\n  2 plain : noun:X\n  1 adjective : attribute:X noun:X\n"
      "rule parts\n  1 singles : length:1 words words words words\n  1 pairs : length:2 words words\n");
}

class SmallGrammar : public ::testing::Test {
 protected:
  SmallGrammar() {
    // nouns.txt asks for things only where names have favourites: a name's favourite must be one.
    write_small_grammar(folder_);
    folder_.file("nouns.txt",
                 testing_files::bytes_of(folder_ / "nouns.txt") + "cup | cups | thing | neuter | sit | small clean |\n");
    folder_.file("names.txt",
                 "first | anna | feminine | glad | cup\nfirst | tom | masculine | glad | cup\nsurname | lake\nsurname | reed\n");
    grammar_ = load_grammar(folder_.path(), {});
  }
  /// Every document with its probability.
  void enumerate(const Reader& reader, std::vector<WordId>& words, double probability) {
    ASSERT_LT(words.size(), 40u);
    const std::vector<double> next = reader.next();
    for (std::size_t word = 0; word < next.size(); ++word) {
      if (next[word] <= 0) continue;
      if (static_cast<WordId>(word) == grammar_.lexicon.bos) {
        documents_[words] = probability * next[word];
        continue;
      }
      Reader on = reader;
      on.read(static_cast<WordId>(word));
      words.push_back(static_cast<WordId>(word));
      enumerate(on, words, probability * next[word]);
      words.pop_back();
    }
  }
  TemporaryFolder folder_;
  Grammar grammar_;
  std::map<std::vector<WordId>, double> documents_;
};

TEST_F(SmallGrammar, AllDocumentsTogetherAreCertain) {
  Reader reader(grammar_, grammar_.rules.start);
  reader.read(grammar_.lexicon.bos);
  std::vector<WordId> words;
  enumerate(reader, words, 1);
  double sum = 0;
  for (const auto& [document, probability] : documents_)
    sum += probability;
  EXPECT_NEAR(sum, 1, 1e-6);
  // The lists: 24 orders of 4 words, said again in any of 24 orders, as single words or as pairs.
  const auto n_lists = std::count_if(documents_.begin(), documents_.end(),
                                     [&](const auto& one) { return one.first[0] == grammar_.lexicon.id("list"); });
  EXPECT_EQ(n_lists, 24 * 24);
  // One that can be both: 1/2 list, 1/24 for the words, then 1/2 · 1/24 as single words or 1/2 · 1/2 as pairs.
  const double both = documents_.at(ids_of(grammar_, "list : anna tom lake reed . copy : lake reed anna tom ."));
  EXPECT_NEAR(both, 0.5 / 24 * (0.5 / 24 + 0.5 / 2), 1e-8);
  const double single = documents_.at(ids_of(grammar_, "list : anna tom lake reed . copy : tom anna lake reed ."));
  EXPECT_NEAR(single, 0.5 / 24 * 0.5 / 24, 1e-8);
  // A pronoun: the girl is she, and what she is differs from what she was said to be.
  const double she = documents_.at(ids_of(grammar_, "the girl is kind . she is wise ."));
  EXPECT_NEAR(she, 0.5 * (0.6 * 2 / 3) * (2.0 / 3 / 2) * 0.75 * 0.75 * 0.5 * 0.5, 1e-7);
  // "the wise girl is kind": the adjective before the noun is drawn with the noun still unsaid.
  const double wise = documents_.at(ids_of(grammar_, "the wise girl is kind ."));
  EXPECT_NEAR(wise, 0.5 * (0.6 * 2 / 3) * (1.0 / 3 / 2 * 0.25) * 0.75 * 0.5, 1e-7);
}

TEST_F(SmallGrammar, DocumentsComeAsOftenAsStated) {
  Reader reader(grammar_, grammar_.rules.start);
  reader.read(grammar_.lexicon.bos);
  std::vector<WordId> words;
  enumerate(reader, words, 1);
  constexpr int kDocuments = 200000;
  std::map<std::vector<WordId>, int> said;
  for (int i = 0; i < kDocuments; ++i) {
    RowRandom random(1, 2, static_cast<std::uint64_t>(i));
    Sampler sampler(random, nullptr);
    MachineState state;
    state.begin(grammar_.rules.start);
    MachineRun<Sampler> run(grammar_, state, sampler);
    std::vector<WordId> document;
    for (WordId word = run.next_word(); word != kEndOfRule; word = run.next_word())
      document.push_back(word);
    ++said[document];
  }
  for (const auto& [document, count] : said)
    ASSERT_TRUE(documents_.contains(document));
  for (const auto& [document, probability] : documents_) {
    const auto found = said.find(document);
    const double share = found == said.end() ? 0 : static_cast<double>(found->second) / kDocuments;
    EXPECT_NEAR(share, probability, 5.5 * std::sqrt(probability / kDocuments));
  }
}

}  // namespace
}  // namespace headroom
