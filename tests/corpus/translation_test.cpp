#include "core/corpus/translation.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include "core/formats/tokenizer.h"
#include "core/tensor/error.h"
#include "tests/corpus/translation_testing.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_files::bytes_of;
using testing_files::message_of;
using testing_files::TemporaryFolder;
using testing_translation::language;

std::vector<std::int32_t> keys_of(const ParallelRow& row) {
  std::vector<std::int32_t> keys;
  for (std::size_t i = 0; i < row.alignment.size(); ++i) {
    EXPECT_EQ(row.alignment[i].query, static_cast<std::int32_t>(i));
    keys.push_back(row.alignment[i].key);
  }
  return keys;
}

/// A sentence written by hand, and its translation.
struct Told {
  const char* tree;
  const char* translation;
  std::vector<std::int32_t> alignment;
};

// Verb first; the noun before its adjective and determiner; postpositions; "the" is not said; marks o, oni (living) and a, ani (not living).
const std::vector<Told> kTold{
    {"(sentence (clause (subject (noun_phrase the/determiner/0 cat/noun/0) (relative that/relative/0 (predicate "
     "sat/intransitive/0/past "
     "(preposition on/preposition (noun_phrase the/determiner/1 mat/noun/1))))) (predicate was/copula/0/past fluffy/adjective/0)) "
     "./sign)",
     "valeso sobado kio saneso lopuva alu aluko .",
     {7, 1, 2, 3, 6, 4, 8, 9}},
    {"(sentence (clause (subject (noun_phrase the/determiner/0 cats/noun/0/plural)) (predicate were/copula/0/plural/past "
     "very/degree "
     "fluffy/adjective/0)) ./sign)",
     "valesoni sobadoni alukoni muru .",
     {2, 1, 4, 3, 5}},
    {"(sentence (clause (subject (noun_phrase these/determiner/0 hats/noun/0/plural)) (predicate often/adverb "
     "fell/intransitive/0/past "
     "(preposition behind/preposition (noun_phrase a/determiner/1 cat/noun/1)))) ./sign)",
     "nelesani dedotani esani sobado uno igu rore .",
     {3, 1, 0, 6, 5, 4, 2, 7}},
    // The subject follows the verb in the clause of "who" as well: "kio rimeso lasiko" is "whom the cow helped".
    {"(sentence (clause (subject (noun_phrase the/determiner/0 girl/noun/0) (relative who/relative/0 (subject (noun_phrase "
     "the/determiner/1 "
     "cow/noun/1)) (predicate helped/transitive/1/past))) (predicate was/copula/0/past young/adjective/0)) ./sign)",
     "valeso notovo kio rimeso lasiko upumo .",
     {6, 1, 2, 5, 4, 7, 8}},
    // "it" is the dog: elo, and what it does is marked so; "her" agrees with the boxes, not with zoe.
    {"(sentence (clause (subject (noun_phrase zoe/first_name/0 reed/surname/0)) (predicate sees/transitive/0 (object (noun_phrase "
     "the/determiner/1 dog/noun/1)) (preposition under/preposition (noun_phrase the/determiner/2 roofs/noun/2/plural))) "
     "because/conjunction "
     "(clause (subject it/pronoun/1) (predicate is/copula/1 small/adjective/1))) ./sign)",
     "budo reed zoe lipobo tadesani unu mion valo elo utedo .",
     {2, 1, 0, 4, 7, 5, 8, 10, 9, 11, 12}},
    {"(sentence (clause (subject (noun_phrase zoe/first_name/0 reed/surname/0)) (predicate has/have/0 (object (noun_phrase "
     "her/possessive/0 boxes/noun/1/plural) (preposition in/preposition (noun_phrase some/determiner/2 fields/noun/2/plural))))) "
     "./sign)",
     "teno reed zoe tokomani amani dutopani unani ibu .",
     {2, 1, 0, 4, 3, 7, 6, 5, 8}},
};

TEST(Translation, SentencesWrittenByHandComeOutAsTheRulesSay) {
  for (const Told& told : kTold) {
    const ParallelRow row = translate(language().tree(told.tree), *language().words);
    EXPECT_EQ(language().spelled(row.target), told.translation) << language().spelled(row.source);
    EXPECT_EQ(keys_of(row), told.alignment) << told.translation;
    EXPECT_EQ(row.surprisals, std::vector<float>(row.target.size() + 1, 0));
  }
}

TEST(Translation, AsksForTheMarksThatEnglishDoesNotSay) {
  const auto choices = [](const char* tree) {
    const ParallelRow row = translate(language().tree(tree), *language().words);
    std::vector<std::string> said;
    for (const Choice& choice : row.choices) {
      EXPECT_EQ(choice.ids.front(), row.target[static_cast<std::size_t>(choice.position)]);
      said.push_back(std::string(question_name(choice.question)) + " " + std::to_string(choice.position) + ": " +
                     language().spelled(choice.ids));
    }
    return said;
  };
  // Between the cat and "was" stands the mat, which is not living; between the girl and "was" the cow, which wears the same mark.
  const std::string across(question_name(Question::kAgreementAcrossDistractor)), plain(question_name(Question::kAgreement)),
      coreference(question_name(Question::kCoreference));
  EXPECT_THAT(choices(kTold[0].tree),
              ElementsAre(across + " 0: valeso valesoni valesa valesani", plain + " 3: saneso sanesoni sanesa sanesani",
                          across + " 6: aluko alukoni aluka alukani"));
  EXPECT_THAT(choices(kTold[3].tree),
              ElementsAre(plain + " 0: valeso valesoni valesa valesani", plain + " 3: rimeso rimesoni rimesa rimesani",
                          plain + " 5: upumo upumoni upuma upumani"));
  EXPECT_THAT(choices(kTold[4].tree), ElementsAre(plain + " 0: budo budoni buda budani", plain + " 7: valo valoni vala valani",
                                                  coreference + " 8: elo ela", plain + " 9: utedo utedoni uteda utedani"));
}

/// The gender and number of each entity of a sentence, by the lexicon alone.
std::map<std::int32_t, std::string> marks_of(const SentenceTree& tree) {
  std::map<std::int32_t, std::string> marks;
  for (const SentenceWord& word : tree.words) {
    if (word.kind == WordKind::kFirstName) marks[word.entity] = std::string(1, 'o');
    if (word.kind != WordKind::kNoun) continue;
    for (const LexiconEntry& entry : language().source->lexicon()) {
      if (entry.kind != WordKind::kNoun || entry.lemma != word.lemma) continue;
      const bool is_living = entry.noun_class == NounClass::kAnimal || entry.noun_class == NounClass::kPerson;
      const bool is_plural = word.id != word.lemma;
      marks[word.entity] = std::string(1, is_living ? 'o' : 'a').append(is_plural ? "ni" : "");
    }
  }
  return marks;
}

TEST(Translation, EveryMarkIsRightInEveryGeneratedSentence) {
  std::map<WordKind, int> checked;
  for (std::int64_t index = 0; index < 3000; ++index) {
    const SentenceTree tree = language().source->sentence(Stream::kHeldOut, 5, index);
    const ParallelRow row = translate(tree, *language().words);
    std::map<std::int32_t, std::string> marks = marks_of(tree);
    for (const Link& link : row.alignment) {
      const SentenceWord& word = tree.words[static_cast<std::size_t>(link.key)];
      const std::string target = language().spelled({row.target[static_cast<std::size_t>(link.query)]});
      std::string mark;
      switch (word.kind) {
        case WordKind::kFirstName:
        case WordKind::kSurname:
        case WordKind::kSign:
          EXPECT_EQ(row.target[static_cast<std::size_t>(link.query)], row.source[static_cast<std::size_t>(link.key)]);
          continue;
        case WordKind::kAdverb:
        case WordKind::kDegree:
        case WordKind::kPreposition:
        case WordKind::kConjunction:
          continue;
        case WordKind::kPossessive: {
          auto owned = static_cast<std::size_t>(link.key);
          while (tree.words[owned].kind != WordKind::kNoun)
            ++owned;
          mark = marks.at(tree.words[owned].entity);
          break;
        }
        default:
          mark = marks.at(word.entity);
      }
      ++checked[word.kind];
      // "kio" ends in o, "kioni" in oni; the longest mark that fits is the word's.
      const std::string worn = target.ends_with("oni") ? "oni" : target.ends_with("ani") ? "ani" : target.substr(target.size() - 1);
      EXPECT_EQ(worn, mark) << target << " in: " << language().spelled(row.source) << " | " << language().spelled(row.target);
    }
  }
  for (const WordKind kind :
       {WordKind::kNoun, WordKind::kAdjective, WordKind::kDeterminer, WordKind::kCopula, WordKind::kIntransitive,
        WordKind::kTransitive, WordKind::kHave, WordKind::kMood, WordKind::kPronoun, WordKind::kPossessive, WordKind::kRelative})
    EXPECT_GT(checked[kind], 50) << static_cast<int>(kind);
}

TEST(Translation, EveryTargetWordHasOneSourceWordAndTheSourceDecidesAll) {
  std::unordered_map<std::string, std::string> told;
  std::set<std::int32_t> used;
  for (std::int64_t index = 0; index < 8000; ++index) {
    const ParallelRow row = language().corpus->row(Stream::kTraining, 1, index);
    ASSERT_EQ(row.alignment.size(), row.target.size());
    ASSERT_LE(std::ssize(row.source), language().corpus->max_source());
    ASSERT_LE(std::ssize(row.target), language().corpus->max_target());
    std::set<std::int32_t> keys;
    for (const std::int32_t key : keys_of(row)) {
      EXPECT_TRUE(key >= 0 && key < std::ssize(row.source));
      EXPECT_TRUE(keys.insert(key).second) << "a source word is said twice";
    }
    used.insert(row.target.begin(), row.target.end());
    const std::string source = language().spelled(row.source), target = language().spelled(row.target);
    EXPECT_EQ(told.try_emplace(source, target).first->second, target) << source;
    for (std::size_t i = 0; i < row.source.size(); ++i) {
      const bool is_silent = language().spelled({row.source[i]}) == "the";
      EXPECT_EQ(keys.contains(static_cast<std::int32_t>(i)), !is_silent) << source;
    }
  }
  EXPECT_GT(told.size(), 7000u);
  EXPECT_GT(used.size(), 450u);
}

TEST(Translation, NoFixedDistanceExplainsTheAlignment) {
  std::map<std::int32_t, std::int64_t> offsets;
  std::int64_t n = 0;
  for (std::int64_t index = 0; index < 4000; ++index)
    for (const Link& link : language().corpus->row(Stream::kHeldOut, 1, index).alignment) {
      ++offsets[link.key - link.query];
      ++n;
    }
  std::int64_t best = 0;
  for (const auto& [offset, count] : offsets)
    best = std::max(best, count);
  // The header says 24 %.
  EXPECT_NEAR(static_cast<double>(best) / static_cast<double>(n), 0.24, 0.03);
  EXPECT_GT(offsets.size(), 15u);
}

TEST(Translation, AsksAboutDistractorsOftenEnoughToMeasure) {
  std::map<Question, int> asked;
  for (std::int64_t index = 0; index < 1000; ++index)
    for (const Choice& choice : language().corpus->row(Stream::kHeldOut, 2, index).choices) {
      ++asked[choice.question];
      const std::set<std::int32_t> different(choice.ids.begin(), choice.ids.end());
      EXPECT_EQ(different.size(), choice.ids.size());
      EXPECT_EQ(choice.ids.size(), choice.question == Question::kCoreference ? 2u : 4u);
    }
  EXPECT_GT(asked[Question::kAgreementAcrossDistractor], 300);
  EXPECT_GT(asked[Question::kAgreement], 1000);
  EXPECT_GT(asked[Question::kCoreference], 100);
}

TEST(Translation, RowsAreAPureFunctionAndStreamsDiffer) {
  const auto source = [](Stream stream, std::uint64_t seed, std::int64_t index) {
    return language().corpus->row(stream, seed, index).source;
  };
  EXPECT_EQ(source(Stream::kTraining, 1, 7), source(Stream::kTraining, 1, 7));
  EXPECT_NE(source(Stream::kTraining, 1, 7), source(Stream::kHeldOut, 1, 7));
  EXPECT_NE(source(Stream::kTraining, 1, 7), source(Stream::kTraining, 2, 7));
  EXPECT_NE(source(Stream::kTraining, 1, 7), source(Stream::kTraining, 1, 8));
  EXPECT_THAT(message_of([&] { source(Stream::kTraining, 1, -1); }), HasSubstr("row -1 cannot be made"));
}

TEST(Translation, ItsTokenizerReadsBothLanguages) {
  const TemporaryFolder folder;
  const auto tokenizer = load_tokenizer(folder.file("tokenizer.json", language().corpus->tokenizer_json()));
  EXPECT_THAT(tokenizer->load_notices(), IsEmpty());
  EXPECT_EQ(tokenizer->vocab_size(), language().corpus->vocab_size());
  EXPECT_EQ(tokenizer->unknown_id(), language().corpus->unknown_id());
  EXPECT_EQ(tokenizer->token_id("<pad>"), language().corpus->pad_id());
  EXPECT_EQ(tokenizer->token_id("<bos>"), language().corpus->bos_id());
  EXPECT_EQ(tokenizer->token_id("<eos>"), language().corpus->eos_id());
  const ParallelRow row = language().corpus->row(Stream::kHeldOut, 3, 4);
  for (const auto* ids : {&row.source, &row.target}) {
    std::vector<std::int32_t> read;
    for (const Token& token : tokenizer->encode(language().spelled(*ids), 100).tokens)
      read.push_back(token.id);
    EXPECT_EQ(read, *ids);
  }
  EXPECT_EQ(language().corpus->name(), "english to varo");
}

/// The grammar's folder with another translation.txt.
struct ChangedFolder {
  TemporaryFolder folder;
  explicit ChangedFolder(const std::string& old_line, const std::string& new_line) {
    const std::filesystem::path assets = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets" / "grammar";
    for (const auto& entry : std::filesystem::directory_iterator(assets))
      std::filesystem::copy_file(entry.path(), folder.path() / entry.path().filename());
    std::string text = bytes_of(assets / "translation.txt");
    const std::size_t at = text.find(old_line);
    if (at == std::string::npos) throw Error("the test looks for a line that is not there: " + old_line);
    text.replace(at, old_line.size(), new_line);
    folder.file("translation.txt", text);
  }
  std::string message() const {
    return message_of([&] { open_translation(folder.path()); });
  }
};

TEST(Translation, APersonMayChangeTheLanguage) {
  const ChangedFolder changed("order      | noun_phrase | noun surname first_name adjective determiner possessive",
                              "order | noun_phrase | determiner");
  const auto corpus = open_translation(changed.folder.path());
  int n = 0;
  for (std::int64_t index = 0; index < 200; ++index) {
    const SentenceTree tree = language().source->sentence(Stream::kTraining, 1, index);
    const ParallelRow row = corpus->row(Stream::kTraining, 1, index);
    for (std::size_t i = 0; i + 1 < row.alignment.size(); ++i) {
      if (tree.words[static_cast<std::size_t>(row.alignment[i].key)].kind != WordKind::kDeterminer) continue;
      EXPECT_EQ(row.alignment[i + 1].key, row.alignment[i].key + 1) << "what follows a determiner follows it as in English";
      ++n;
    }
  }
  EXPECT_GT(n, 50);
}

TEST(Translation, AWordThatIsAddedComesLastAndIsTranslatedAtOnce) {
  const ChangedFolder changed("language   | varo", "language | varo");
  std::string nouns = bytes_of(changed.folder / "nouns.txt");
  nouns += "\nzebra | zebras | animal | neuter | run | fast brown |  |\n";
  changed.folder.file("nouns.txt", nouns);
  const auto corpus = open_translation(changed.folder.path());
  EXPECT_EQ(corpus->vocab_size(), language().corpus->vocab_size() + 4);
  const auto &old_tokens = *language().corpus->tokenizer(), &new_tokens = *corpus->tokenizer();
  for (std::int32_t id = 0; id < language().corpus->vocab_size(); ++id)
    EXPECT_EQ(old_tokens.token_text(id), new_tokens.token_text(id));
  EXPECT_GE(new_tokens.token_id("zebra"), language().corpus->vocab_size());
  EXPECT_EQ(message_of([&] { open_translation(changed.folder.path()); }), "");
}

TEST(Translation, BadFilesGetOneSentenceWithTheLine) {
  struct Bad {
    const char *old_line, *new_line, *says;
  };
  for (const Bad& bad : std::vector<Bad>{
           {"language   | varo", "language", "translation.txt, line 16: language needs 2 columns, but there are 1"},
           {"language   | varo", "tongue | varo", "\"tongue\" is none of language, gender"},
           {"language   | varo", "", "translation.txt: has no language"},
           {"animal person names", "animal person", "needs one gender for names, but it has 0"},
           {"thing place         | a", "thing place animal | a", "needs one gender for animal, but it has 2"},
           {"thing place         | a", "thing star | a", "\"star\" is no class of nouns (animal, person, thing, place are)"},
           {"| a | ani", "| o | ani", "two genders or numbers have the same mark \"o\""},
           {"| a | ani", "| A | ani", "\"A\" must be small letters from a to z, or -"},
           {"tense      | past ", "tense | future ", "\"future\" is no tense (present, past are)"},
           {"past     | es", "past | -", "tenses spell"},
           {"vowels     | a e i o u", "vowels | ae", "\"ae\" is more than one letter"},
           {"vowels     | a e i o u", "", "needs consonants and vowels"},
           {"root       | noun        | CVCVC", "root | noun | C-V", "the pattern \"C-V\" must be made of C, V and small letters"},
           {"root       | noun        | CVCVC", "root | nouns | CVCVC", "\"nouns\" is no kind of words"},
           {"root       | noun        | CVCVC", "root | noun | V", "finds no root for"},
           {"root       | degree      | muru", "", "says of the kind degree neither"},
           {"word       | is          | val", "word | iz | val", "gives \"iz\" a root, but the grammar has no such word"},
           {"word       | has         | ten", "word | has | el",
            "the translation's root \"el\" of \"has\" makes a word that is there already"},
           {"word       | has         | ten", "word | is | ten", "\"is\" has a root already"},
           {"kind       | pronoun     | el", "kind | pronoun | ki", "root \"ki\" makes a word that is there already"},
           {"order      | preposition |", "order | postposition |", "\"postposition\" is no phrase"},
           {"| noun_phrase preposition\n", "| noun_phrase noun_phrase\n", "\"noun_phrase\" is named twice"},
           {"| noun_phrase preposition\n", "| noun_phrase preposit\n", "\"preposit\" is no part of a phrase"}}) {
    const std::string message = ChangedFolder(bad.old_line, bad.new_line).message();
    EXPECT_THAT(message, HasSubstr(bad.says)) << bad.new_line;
  }
  const ChangedFolder missing("language", "language");
  std::filesystem::remove(missing.folder / "translation.txt");
  EXPECT_THAT(missing.message(), HasSubstr("No such file"));
}

}  // namespace
}  // namespace headroom
