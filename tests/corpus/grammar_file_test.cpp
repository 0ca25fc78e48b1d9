// People edit the grammar's files: what they add works, and what is wrong is said with file and line.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/corpus/reader.h"
#include "tests/corpus/grammar_testing.h"

namespace headroom {
namespace {

using grammar_testing::ChangedGrammar;
using grammar_testing::grammar_folder;
using grammar_testing::the_grammar;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A line that is put behind a file's last, and what is then said about it.
struct BadLine {
  const char* file;
  const char* line;
  const char* problem;
};

class BadLines : public ::testing::TestWithParam<BadLine> {};

TEST_P(BadLines, AreNamedWithFileAndLine) {
  const ChangedGrammar grammar;
  const int line = grammar.append(GetParam().file, GetParam().line);
  EXPECT_EQ(grammar.problem(),
            (grammar.path() / GetParam().file).native() + ", line " + std::to_string(line) + ": " + GetParam().problem);
}

INSTANTIATE_TEST_SUITE_P(
    Words, BadLines,
    ::testing::Values(
        BadLine{"vocabulary.txt", "goat cat", "\"cat\" is listed twice"},
        BadLine{"nouns.txt", "goat | goats",
                "a line must read \"noun | plural | class | gender | what it does | what it is like | favourite places | favourite "
                "objects\""},
        BadLine{"nouns.txt", "goat | goat | animal | neuter | run | grey small",
                "the plural of \"goat\" must differ from it, or number could not be seen"},
        BadLine{"nouns.txt", "cat | catties | animal | neuter | run | grey small", "\"cat\" is a noun already"},
        BadLine{"nouns.txt", "goat | goats | beast | neuter | run | grey small",
                "\"beast\" must be animal, person, thing or place"},
        BadLine{"nouns.txt", "goat | goats | animal | it | run | grey small",
                "\"it\" must be feminine, masculine, neuter or either"},
        BadLine{"nouns.txt", "Goat | goats | animal | neuter | run | grey small", "\"Goat\" must be written in small letters"},
        BadLine{"nouns.txt", "billy-goat | goats | animal | neuter | run | grey small",
                "\"billy-goat\" must be one word of letters"},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | climb | grey small",
                "\"climb\" is no intransitive verb of verbs.txt"},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | see | grey small", "\"see\" is no intransitive verb of verbs.txt"},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | run run | grey small", "\"run\" is listed twice"},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | | grey small", "what it does is missing"},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | run | grey", "what it is like needs at least 2 adjectives"},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | run | grey small | upon hill",
                "\"upon\" is no preposition of small_words.txt"},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | run | grey small | on moon", "\"moon\" is no noun of nouns.txt"},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | run | grey small | on river",
                "\"river\" does not follow \"on\" in small_words.txt"},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | run | grey small | on the hill",
                "a favourite must be two words, such as \"on mat\", but it is \"on the hill\""},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | run | grey small | | sit hat",
                "\"sit\" is no transitive verb of verbs.txt"},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | run | grey small | | chase hat",
                "\"hat\" can not be the object of \"chase\""},
        BadLine{"nouns.txt", "goat | goats | animal | neuter | run | grey small | | chase goat",
                "\"goat\" can not be its own favourite"},
        BadLine{"verbs.txt", "climb | climbs | climbed",
                "a line must read \"intransitive | base | with s | past | prepositions\" or \"transitive | base | with s | past | "
                "classes of objects\""},
        BadLine{"verbs.txt", "strong | climb | climbs | climbed | on", "\"strong\" must be intransitive or transitive"},
        BadLine{"verbs.txt", "transitive | hit | hits | hit | thing",
                "the three forms of \"hit\" must differ, or agreement could not be seen"},
        BadLine{"verbs.txt", "intransitive | sit | sitteth | sate | on", "\"sit\" is a verb form already"},
        BadLine{"verbs.txt", "intransitive | climb | climbs | climbed | over", "\"over\" is no preposition of small_words.txt"},
        BadLine{"verbs.txt", "intransitive | climb | climbs | climbed |", "its prepositions are missing"},
        BadLine{"verbs.txt", "transitive | eat | eats | ate | food", "\"food\" must be animal, person, thing or place"},
        BadLine{"verbs.txt", "transitive | eat | eats | ate | thing thing", "\"thing\" is listed twice"},
        BadLine{"names.txt", "middle | lee", "\"middle\" must be first or surname"},
        BadLine{"names.txt", "surname | lake", "\"lake\" is listed twice"},
        BadLine{"names.txt", "first | anna | feminine | glad | hat", "\"anna\" is a first name already"},
        BadLine{"names.txt", "first | ida | neuter | glad | hat", "\"neuter\" must be feminine or masculine"},
        BadLine{"names.txt", "first | ida | feminine | fluffy | hat", "\"fluffy\" is no mood of small_words.txt"},
        BadLine{"names.txt", "first | ida | feminine | glad | cat", "\"cat\" is no thing"},
        BadLine{"names.txt", "first | ida | feminine | glad",
                "a line must read \"first | name | feminine or masculine | moods | favourite thing\""},
        BadLine{
            "small_words.txt", "article | the",
            "\"article\" must be determiner, pronoun, copula, have, relative, preposition, adverb, degree, conjunction or mood"},
        BadLine{"small_words.txt", "determiner | singular | one",
                "a determiner must be a word and a weight above 0, such as \"the 55\", but it is \"one\""},
        BadLine{"small_words.txt", "determiner | dual | both 1", "\"dual\" must be singular, plural or again"},
        BadLine{"small_words.txt", "preposition | on | mat bed", "\"on\" is a preposition already"},
        BadLine{"small_words.txt", "preposition | over | hill", "a preposition needs at least 2 nouns that can follow it"},
        BadLine{"small_words.txt", "preposition | over | hill moon", "\"moon\" is no noun of nouns.txt"}));

INSTANTIATE_TEST_SUITE_P(
    Rules, BadLines,
    ::testing::Values(
        BadLine{"rules.txt", "rule", "the rule has no name"},
        BadLine{"rules.txt", "grammar of mine",
                "\"grammar\" must be rule, phrase, share, weights, mix, verbs, prepositions or pool"},
        BadLine{"rules.txt", "rule empty", "rule \"empty\" has no alternative below it"},
        BadLine{"rules.txt", "rule x y", "the parameter \"y\" must be one capital letter"},
        BadLine{"rules.txt", "rule noun X", "rule \"noun\" has no alternative below it"},
        BadLine{"rules.txt", "  1 more \"word\"", "there must be a colon between spaces before the items, but it is \"\"word\"\""},
        BadLine{"rules.txt", "  many more : \"the\"", "the weight must be a number from 0 to 1,000,000, but it is \"many\""},
        BadLine{"rules.txt", "  -1 more : \"the\"", "the weight must be a number from 0 to 1,000,000, but it is \"-1\""},
        BadLine{"rules.txt", "  1 : \"the\"", "the alternative has no name between its weight and the colon"},
        BadLine{"rules.txt", "  1 is : \"the\"", "rule \"quoted_predicate\" has two alternatives with the name \"is\""},
        BadLine{"rules.txt", "  1 more : \"zebra\"", "\"zebra\" is no word of vocabulary.txt or the other files"},
        BadLine{"rules.txt", "  1 more : \"<unk>\"", "\"<unk>\" is a special token and can not be said"},
        BadLine{"rules.txt", "  1 more : whinny:X", "\"whinny\" is neither an item nor a rule"},
        BadLine{"rules.txt", "  1 more : noun", "\"noun\" must have 1 part after \"noun\""},
        BadLine{"rules.txt", "  1 more : noun:x", "\"x\" must be a register, one capital letter"},
        BadLine{"rules.txt", "  1 more : new:S:monsters", "\"monsters\" is no mix of a line above"},
        BadLine{"rules.txt", "  1 more : pronoun:X:genitive", "\"genitive\" must be subject or object"},
        BadLine{"rules.txt", "  1 more : length:99", "the length must be a whole number from 1 to 18"},
        BadLine{"rules.txt", "  1 more : where", "rule \"where\" needs 1 register, but \"where\" gives 0"},
        BadLine{"rules.txt", "  1 more : where:X>subject:X",
                "\"where:X>subject:X\" is a rule, so it can have no links and no mark; use link:S after it"},
        BadLine{"rules.txt", "  1 more : noun:X>love:X", "\"love\" is no relation that links can have"},
        BadLine{"rules.txt", "  1 more : noun:X>subject",
                "a link of \"noun:X>subject\" must read \">relation:K\" with one capital letter"},
        BadLine{"rules.txt", "  1 more : noun:X=verb", "the mark of \"noun:X=verb\" must be one capital letter"},
        BadLine{"rules.txt", "  1 more : noun:X=S", "S is a register, so it can not be a mark"},
        BadLine{"rules.txt", "  1 more if X monster : \"the\"",
                "a guard must be \"S animal|person\", \"S topic\", \"old\" or \"people 1\""},
        BadLine{"rules.txt", "  1 more if : \"the\"", "a guard is missing after \"if\" or \"and\""},
        BadLine{"rules.txt", "share happiness 3",
                "\"happiness\" must be past, plural, favourite_place, favourite_object or favourite_thing"},
        BadLine{"rules.txt", "share past 140", "a share must be one number from 0 to 100"},
        BadLine{"rules.txt", "weights is 3 0", "weights must be above 0"},
        BadLine{"rules.txt", "mix odd animal", "a mix must read \"mix NAME CLASS WEIGHT CLASS WEIGHT …\""},
        BadLine{"rules.txt", "verbs more sit", "\"sit\" is no transitive verb of verbs.txt"},
        BadLine{"rules.txt", "prepositions more upon", "\"upon\" is no preposition of small_words.txt"},
        BadLine{"rules.txt", "pool verbs verbs", "\"verbs\" must be first_names, surnames, nouns, plurals or adjectives"}));

TEST(GrammarFiles, MissingFileIsNamed) {
  const ChangedGrammar grammar;
  std::filesystem::remove(grammar.path() / "verbs.txt");
  EXPECT_THAT(grammar.problem(), AllOf(StartsWith((grammar.path() / "verbs.txt").native()), HasSubstr("No such file")));
}

TEST(GrammarFiles, WhatMustBeThereIsAskedFor) {
  const auto problem_of = [](const char* file, const char* from, const char* to) {
    const ChangedGrammar grammar;
    EXPECT_GT(grammar.replace(file, from, to), 0) << from;
    return grammar.problem();
  };
  EXPECT_THAT(problem_of("vocabulary.txt", "<mask>", "mask"), HasSubstr("vocabulary.txt: must list <mask>"));
  EXPECT_THAT(problem_of("small_words.txt", "determiner | again | the", ""),
              HasSubstr("small_words.txt: has no line for \"determiner | again\""));
  EXPECT_THAT(problem_of("small_words.txt", "relative | person | who", ""),
              HasSubstr("has no line for \"relative | person\" and \"relative | other\""));
  EXPECT_THAT(problem_of("rules.txt", "\nrule document", "\nrule text"), HasSubstr("rules.txt: has no line \"rule document\""));
  EXPECT_THAT(problem_of("rules.txt", "\nphrase sentence sentence", "\nphrase sentence saying"),
              HasSubstr("rules.txt: has no line \"phrase sentence sentence\""));
  EXPECT_THAT(problem_of("rules.txt", "weights moods 55 30 15", ""), HasSubstr("rules.txt: has no line \"weights moods\""));
  EXPECT_THAT(problem_of("rules.txt", "phrase object had_thing", "phrase possession had_thing"),
              HasSubstr("\"possession\" must be sentence, clause"));
}

// Rules that run into a wall are found when they are read, not in the middle of a training run.
TEST(GrammarFiles, RulesThatCanNotRunAreFoundAtOnce) {
  const auto problem_of = [](const char* from, const char* to) {
    const ChangedGrammar grammar;
    EXPECT_GT(grammar.replace("rules.txt", from, to), 0) << from;
    return grammar.problem();
  };
  EXPECT_THAT(problem_of("  20 end\n  80 more : sentence after_second", "  100 more : sentence after_first"),
              AllOf(HasSubstr("rules.txt, line "), HasSubstr(": a document speaks of more than 24 people and things")));
  EXPECT_THAT(problem_of("1 quote : new_person:N says:N", "1 quote : says:N"),
              HasSubstr("a register is used before anything was put into it"));
  EXPECT_THAT(problem_of("60 old if old : old:S", "60 old : old:S"), HasSubstr("nothing was kept that can come again"));
  EXPECT_THAT(problem_of("1 name : first_name:X", "1 name : full_name:X first_name:X"),
              HasSubstr("rules call each other more than 24 deep"));
}

TEST(GrammarFiles, NounAddedByALine) {
  const ChangedGrammar grammar;
  grammar.append("nouns.txt", "goat | goats | animal | neuter | climb jump | grey stubborn | on hill | chase fox");
  grammar.append("verbs.txt", "intransitive | climb | climbs | climbed | on");
  grammar.append("names.txt", "first | ida | feminine | glad happy | hat");
  const auto corpus = open_grammar(grammar.path());
  // Old words keep their ids, new ones follow.
  EXPECT_EQ(corpus->mask_id(), 366);
  EXPECT_EQ(corpus->vocab_size(), the_grammar()->vocab_size() + 7);
  EXPECT_EQ(corpus->tokenizer()->token_id("goat"), 367);
  std::set<std::string> said;
  std::vector<std::int32_t> ids(48);
  for (std::int64_t index = 0; index < 20000; ++index) {
    corpus->row_ids(Stream::kTraining, 1, index, ids);
    for (const std::int32_t id : ids)
      said.insert(std::string(corpus->tokenizer()->token_text(id)));
  }
  for (const char* word : {"goat", "goats", "stubborn", "climb", "climbs", "climbed", "ida"})
    EXPECT_TRUE(said.contains(word)) << word;
  EXPECT_EQ(corpus->tokenizer()->encode("the goats climb", 10).tokens[2].text, "goats");
}

TEST(GrammarFiles, OptionsChangeTheMixture) {
  const auto share_of_lists = [](const GrammarOptions& options) {
    const auto corpus = open_grammar(grammar_folder(), options);
    const std::int32_t list = corpus->tokenizer()->token_id("list");
    std::vector<std::int32_t> ids(2);
    int n = 0;
    for (std::int64_t index = 0; index < 4000; ++index) {
      corpus->row_ids(Stream::kTraining, 1, index, ids);
      n += ids[1] == list ? 1 : 0;
    }
    return n / 4000.0;
  };
  EXPECT_NEAR(share_of_lists({}), 0.38, 0.03);
  EXPECT_NEAR(share_of_lists({.stories = 4, .lists = 96, .quotes = 0}), 0.96, 0.02);
  EXPECT_EQ(share_of_lists({.weights = {{"document", "list", 0}}}), 0);
}

TEST(GrammarFiles, RepeatedWordsCanBeSwitchedOn) {
  const auto corpus = open_grammar(grammar_folder(), {.stories = 0, .lists = 0, .quotes = 0, .weights = {{"document", "echo", 1}}});
  const CorpusRow row = corpus->row(Stream::kTraining, 1, 0, 48);
  EXPECT_GT(std::count_if(row.links.begin(), row.links.end(), [](const Link& link) { return link.relation == Relation::kCopy; }),
            5);
}

TEST(GrammarFiles, UnknownWeightsAreRefused) {
  const std::string file = (grammar_folder() / "rules.txt").native();
  const auto problem_of = [](RuleWeight weight) {
    return testing_files::message_of([&] { open_grammar(grammar_folder(), {.weights = {std::move(weight)}}); });
  };
  EXPECT_EQ(problem_of({"dokument", "list", 1}), file + ": has no rule \"dokument\", so no weight in it can be set");
  EXPECT_THAT(problem_of({"document", "liszt", 1}),
              HasSubstr("rule \"document\" has no alternative \"liszt\", so its weight can not be set"));
  EXPECT_EQ(problem_of({"document", "list", -1}),
            "the weight of \"list\" in rule \"document\" must be a number from 0 to 1,000,000");
  EXPECT_EQ(problem_of({"document", "list", NAN}),
            "the weight of \"list\" in rule \"document\" must be a number from 0 to 1,000,000");
  EXPECT_THAT(testing_files::message_of([] { open_grammar(grammar_folder(), {.stories = 0, .lists = 0, .quotes = 0}); }),
              HasSubstr("every alternative of rule \"document\" has the weight 0"));
}

}  // namespace
}  // namespace headroom
