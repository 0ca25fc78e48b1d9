#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <optional>

#include "core/corpus/grammar_file.h"
#include "core/corpus/lexicon.h"
#include "core/formats/file.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// A line with its columns and the file that it stands in, for sentences about what is wrong.
struct Row {
  const GrammarFile* file = nullptr;
  int line = 0;
  std::vector<std::string> columns;

  [[noreturn]] void fail(const std::string& problem) const { file->fail(line, problem); }
  void need(std::size_t least, std::size_t most, const char* form) const {
    if (columns.size() < least || columns.size() > most) fail(std::string("a line must read \"") + form + "\"");
  }
  std::string at(std::size_t i) const { return i < columns.size() ? columns[i] : std::string(); }
};

std::vector<Row> rows_of(const GrammarFile& file) {
  std::vector<Row> rows;
  for (const GrammarLine& line : file.lines())
    rows.push_back({&file, line.number, line.columns()});
  return rows;
}

std::string listed(std::initializer_list<std::string_view> names) {
  std::string text;
  std::size_t i = 0;
  for (const std::string_view name : names) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += name;
    ++i;
  }
  return text;
}

/// Index of a word among `names`; a sentence that lists them otherwise.
std::size_t one_of(const Row& row, const std::string& word, std::initializer_list<std::string_view> names) {
  const auto* found = std::find(names.begin(), names.end(), word);
  if (found == names.end()) row.fail(in_quotes(word) + " must be " + listed(names));
  return static_cast<std::size_t>(found - names.begin());
}

class Loader {
 public:
  explicit Loader(const std::filesystem::path& folder)
      : vocabulary_(folder / "vocabulary.txt"),
        nouns_(folder / "nouns.txt"),
        verbs_(folder / "verbs.txt"),
        names_(folder / "names.txt"),
        small_(folder / "small_words.txt") {}

  Lexicon load() {
    load_vocabulary();
    const std::vector<Row> nouns = rows_of(nouns_);
    for (const Row& row : nouns)
      load_noun(row);
    if (lexicon_.nouns.empty()) nouns_.fail("has no noun");
    for (const Row& row : rows_of(verbs_))
      load_verb(row);
    for (const Row& row : rows_of(small_))
      load_small(row);
    check_small();
    for (std::size_t i = 0; i < pending_prepositions_.size(); ++i)
      pending_prepositions_[i]();
    for (std::size_t i = 0; i < nouns.size(); ++i)
      finish_noun(nouns[i], lexicon_.nouns[i]);
    for (const Row& row : rows_of(names_))
      load_name(row);
    if (lexicon_.surnames.size() < 2) names_.fail("needs at least 2 surnames");
    for (const auto& names : lexicon_.names_of_gender)
      if (names.empty()) names_.fail("needs at least one feminine and one masculine first name");
    return std::move(lexicon_);
  }

 private:
  WordId add_word(const std::string& word, const std::function<void(const std::string&)>& fail) {
    if (const auto found = lexicon_.ids.find(word); found != lexicon_.ids.end()) return found->second;
    if (lexicon_.words.size() >= kMaxGrammarWords) fail("there are more than " + with_thousands(kMaxGrammarWords) + " words");
    const auto id = static_cast<WordId>(lexicon_.words.size());
    lexicon_.words.push_back(word);
    lexicon_.ids.emplace(word, id);
    return id;
  }

  /// A word of letters, in small letters, so that the tokenizer finds it again in a text.
  WordId word(const Row& row, const std::string& text) {
    if (text.empty()) row.fail("a word is missing");
    for (std::size_t at = 0; at < text.size();) {
      const Utf8Step step = decode_utf8(text, at);
      if (!is_word_character(step.code_point)) row.fail(in_quotes(text) + " must be one word of letters");
      if (lower_case(step.code_point) != step.code_point) row.fail(in_quotes(text) + " must be written in small letters");
      at += step.bytes;
    }
    return add_word(text, [&](const std::string& problem) { row.fail(problem); });
  }

  void load_vocabulary() {
    for (const GrammarLine& line : vocabulary_.lines())
      for (const std::string& text : split_words(line.text)) {
        if (lexicon_.ids.contains(text)) vocabulary_.fail(line.number, in_quotes(text) + " is listed twice");
        add_word(text, [&](const std::string& problem) { vocabulary_.fail(line.number, problem); });
      }
    const auto special = [&](const char* text) {
      const WordId id = lexicon_.id(text);
      if (id < 0) vocabulary_.fail(std::string("must list ") + text);
      return id;
    };
    lexicon_.bos = special("<bos>");
    lexicon_.unknown = special("<unk>");
    lexicon_.mask = special("<mask>");
    lexicon_.comma = special(",");
  }

  void load_noun(const Row& row) {
    row.need(6, 8, "noun | plural | class | gender | what it does | what it is like | favourite places | favourite objects");
    Noun noun;
    noun.forms = {word(row, row.columns[0]), word(row, row.columns[1])};
    if (noun.forms[0] == noun.forms[1])
      row.fail("the plural of " + in_quotes(row.columns[0]) + " must differ from it, or number could not be seen");
    for (const Noun& other : lexicon_.nouns)
      for (const WordId form : other.forms)
        if (form == noun.forms[0] || form == noun.forms[1])
          row.fail(in_quotes(lexicon_.words[static_cast<std::size_t>(form)]) + " is a noun already");
    noun.noun_class = static_cast<NounClass>(one_of(row, row.columns[2], {"animal", "person", "thing", "place"}));
    constexpr std::array<Gender, 4> kGenders{Gender::kFeminine, Gender::kMasculine, Gender::kNeuter, Gender::kNone};
    noun.gender = kGenders[one_of(row, row.columns[3], {"feminine", "masculine", "neuter", "either"})];
    lexicon_.nouns_of_class[static_cast<std::size_t>(noun.noun_class)].push_back(static_cast<std::int16_t>(lexicon_.nouns.size()));
    lexicon_.nouns.push_back(std::move(noun));
  }

  void load_verb(const Row& row) {
    row.need(5, 5,
             "intransitive | base | with s | past | prepositions\" or \"transitive | base | with s | past | classes of objects");
    Verb verb;
    verb.is_transitive = one_of(row, row.columns[0], {"intransitive", "transitive"}) == 1;
    verb.base = word(row, row.columns[1]);
    verb.with_s = word(row, row.columns[2]);
    verb.past = word(row, row.columns[3]);
    if (verb.base == verb.with_s || verb.past == verb.base || verb.past == verb.with_s)
      row.fail("the three forms of " + in_quotes(row.columns[1]) + " must differ, or agreement could not be seen");
    for (const Verb& other : lexicon_.verbs)
      for (const WordId form : {other.base, other.with_s, other.past})
        if (form == verb.base || form == verb.with_s || form == verb.past)
          row.fail(in_quotes(lexicon_.words[static_cast<std::size_t>(form)]) + " is a verb form already");
    const std::vector<std::string> last = split_words(row.columns[4]);
    if (last.empty()) row.fail(verb.is_transitive ? "the classes of its objects are missing" : "its prepositions are missing");
    if (verb.is_transitive) {
      for (const std::string& text : last) {
        const std::size_t noun_class = one_of(row, text, {"animal", "person", "thing", "place"});
        if (verb.takes[noun_class]) row.fail(in_quotes(text) + " is listed twice");
        verb.takes[noun_class] = true;
        const auto& nouns = lexicon_.nouns_of_class[noun_class];
        verb.objects.insert(verb.objects.end(), nouns.begin(), nouns.end());
      }
      if (verb.objects.size() < 2) row.fail("fewer than 2 nouns can be the object of " + in_quotes(row.columns[1]));
    } else {
      const std::size_t index = lexicon_.verbs.size();
      pending_prepositions_.push_back([this, row, last, index] {
        for (const std::string& text : last)
          lexicon_.verbs[index].prepositions.push_back(preposition(row, text));
      });
    }
    lexicon_.verbs.push_back(std::move(verb));
  }

  std::int16_t preposition(const Row& row, const std::string& text) const {
    const WordId id = lexicon_.id(text);
    for (std::size_t i = 0; i < lexicon_.prepositions.size(); ++i)
      if (id >= 0 && lexicon_.prepositions[i].word == id) return static_cast<std::int16_t>(i);
    row.fail(in_quotes(text) + " is no preposition of small_words.txt");
  }

  std::int16_t noun(const Row& row, const std::string& text) const {
    const std::int16_t index = lexicon_.noun(text);
    if (index < 0) row.fail(in_quotes(text) + " is no noun of nouns.txt");
    return index;
  }

  void load_small(const Row& row);
  void check_small() const;

  void finish_noun(const Row& row, Noun& noun) {
    noun.favourite_place.assign(lexicon_.prepositions.size(), -1);
    noun.favourite_object.assign(lexicon_.verbs.size(), -1);
    for (const std::string& text : split_words(row.columns[4])) {
      const std::int16_t verb = lexicon_.verb(text);
      if (verb < 0 || lexicon_.verbs[static_cast<std::size_t>(verb)].is_transitive)
        row.fail(in_quotes(text) + " is no intransitive verb of verbs.txt");
      add_once(row, noun.does, verb, text);
    }
    for (const std::string& text : split_words(row.columns[5]))
      add_once(row, noun.is, word(row, text), text);
    if (noun.does.empty()) row.fail("what it does is missing");
    if (noun.is.size() < 2) row.fail("what it is like needs at least 2 adjectives");
    for (const std::string& part : split_parts(row.at(6), ',')) {
      const auto [first, second] = pair(row, part);
      const std::int16_t where = preposition(row, first);
      const std::int16_t place = noun_index(row, second, lexicon_.prepositions[static_cast<std::size_t>(where)].places,
                                            "does not follow " + in_quotes(first) + " in small_words.txt");
      noun.favourite_place[static_cast<std::size_t>(where)] = place;
    }
    for (const std::string& part : split_parts(row.at(7), ',')) {
      const auto [first, second] = pair(row, part);
      const std::int16_t verb = lexicon_.verb(first);
      if (verb < 0 || !lexicon_.verbs[static_cast<std::size_t>(verb)].is_transitive)
        row.fail(in_quotes(first) + " is no transitive verb of verbs.txt");
      const std::int16_t object = noun_index(row, second, lexicon_.verbs[static_cast<std::size_t>(verb)].objects,
                                             "can not be the object of " + in_quotes(first));
      if (&lexicon_.nouns[static_cast<std::size_t>(object)] == &noun) row.fail(in_quotes(second) + " can not be its own favourite");
      noun.favourite_object[static_cast<std::size_t>(verb)] = object;
    }
  }

  template <class T>
  void add_once(const Row& row, std::vector<T>& list, T value, const std::string& text) const {
    if (std::find(list.begin(), list.end(), value) != list.end()) row.fail(in_quotes(text) + " is listed twice");
    list.push_back(value);
  }

  static std::pair<std::string, std::string> pair(const Row& row, const std::string& part) {
    std::vector<std::string> words = split_words(part);
    if (words.size() != 2) row.fail("a favourite must be two words, such as \"on mat\", but it is " + in_quotes(part));
    return {words[0], words[1]};
  }

  std::int16_t noun_index(const Row& row, const std::string& text, const std::vector<std::int16_t>& allowed,
                          const std::string& problem) const {
    const std::int16_t index = noun(row, text);
    if (std::find(allowed.begin(), allowed.end(), index) == allowed.end()) row.fail(in_quotes(text) + " " + problem);
    return index;
  }

  void load_name(const Row& row) {
    const bool is_surname = one_of(row, row.at(0), {"first", "surname"}) == 1;
    if (is_surname) {
      row.need(2, 2, "surname | name");
      add_once(row, lexicon_.surnames, word(row, row.columns[1]), row.columns[1]);
      return;
    }
    row.need(5, 5, "first | name | feminine or masculine | moods | favourite thing");
    FirstName name;
    name.word = word(row, row.columns[1]);
    for (const FirstName& other : lexicon_.first_names)
      if (other.word == name.word) row.fail(in_quotes(row.columns[1]) + " is a first name already");
    const std::size_t gender = one_of(row, row.columns[2], {"feminine", "masculine"});
    name.gender = gender == 0 ? Gender::kFeminine : Gender::kMasculine;
    for (const std::string& text : split_words(row.columns[3])) {
      const auto found = lexicon_.small_words.find(lexicon_.id(text));
      if (found == lexicon_.small_words.end() || found->second != WordKind::kMood)
        row.fail(in_quotes(text) + " is no mood of small_words.txt");
      add_once(row, name.moods, found->first, text);
    }
    if (name.moods.empty()) row.fail("the moods are missing");
    name.thing =
        noun_index(row, row.columns[4], lexicon_.nouns_of_class[static_cast<std::size_t>(NounClass::kThing)], "is no thing");
    lexicon_.names_of_gender[gender].push_back(static_cast<std::int16_t>(lexicon_.first_names.size()));
    lexicon_.first_names.push_back(std::move(name));
  }

  GrammarFile vocabulary_, nouns_, verbs_, names_, small_;
  std::vector<std::function<void()>> pending_prepositions_;  // verbs name prepositions, which are read after them
  Lexicon lexicon_;
};

void Loader::load_small(const Row& row) {
  const std::string kind = row.at(0);
  const auto forms = [&](auto& into, std::size_t first) {
    for (std::size_t i = 0; i < into.size(); ++i) {
      const std::string text = row.at(first + i);
      into[i] = text == "-" ? WordId{-1} : word(row, text);
    }
  };
  if (kind == "determiner") {
    row.need(3, 3, "determiner | singular, plural or again | words");
    const std::size_t number = one_of(row, row.columns[1], {"singular", "plural", "again"});
    if (number == 2) {
      lexicon_.determiner_again = word(row, row.columns[2]);
      return;
    }
    for (const std::string& part : split_parts(row.columns[2], ',')) {
      const std::vector<std::string> words = split_words(part);
      double weight = 0;
      if (words.size() == 2) {
        const std::string& text = words[1];
        const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), weight);
        if (problem != std::errc() || end != text.data() + text.size() || !(weight > 0 && weight < 1e6)) weight = 0;
      }
      if (weight == 0)
        row.fail("a determiner must be a word and a weight above 0, such as \"the 55\", but it is " + in_quotes(part));
      lexicon_.determiners[number].push_back({word(row, words[0]), weight});
    }
  } else if (kind == "pronoun") {
    row.need(5, 5, "pronoun | gender or plural | as subject | as object | as possessive");
    forms(lexicon_.pronouns[one_of(row, row.columns[1], {"feminine", "masculine", "neuter", "plural"})], 2);
  } else if (kind == "copula" || kind == "have") {
    row.need(4, 4, "copula | present or past | singular | plural\" or \"have | present or past | singular | plural");
    forms((kind == "copula" ? lexicon_.copula : lexicon_.have)[one_of(row, row.columns[1], {"present", "past"})], 2);
  } else if (kind == "relative") {
    row.need(3, 3, "relative | person or other | word");
    lexicon_.relative[one_of(row, row.columns[1], {"person", "other"})] = word(row, row.columns[2]);
  } else if (kind == "preposition") {
    row.need(3, 3, "preposition | word | the nouns that can follow it");
    Preposition preposition;
    preposition.word = word(row, row.columns[1]);
    for (const Preposition& other : lexicon_.prepositions)
      if (other.word == preposition.word) row.fail(in_quotes(row.columns[1]) + " is a preposition already");
    for (const std::string& text : split_words(row.columns[2]))
      add_once(row, preposition.places, noun(row, text), text);
    if (preposition.places.size() < 2) row.fail("a preposition needs at least 2 nouns that can follow it");
    lexicon_.prepositions.push_back(std::move(preposition));
  } else if (kind == "adverb" || kind == "degree" || kind == "conjunction" || kind == "mood") {
    row.need(2, 2, "adverb, degree, conjunction or mood | words");
    constexpr std::array<WordKind, 4> kKinds{WordKind::kAdverb, WordKind::kDegree, WordKind::kConjunction, WordKind::kMood};
    const std::size_t index = one_of(row, kind, {"adverb", "degree", "conjunction", "mood"});
    for (const std::string& text : split_words(row.columns[1]))
      lexicon_.small_words[word(row, text)] = kKinds[index];
  } else {
    one_of(row, kind,
           {"determiner", "pronoun", "copula", "have", "relative", "preposition", "adverb", "degree", "conjunction", "mood"});
  }
}

void Loader::check_small() const {
  const auto need = [&](bool is_there, const char* what) {
    if (!is_there) small_.fail(std::string("has no line for ") + what);
  };
  need(!lexicon_.determiners[0].empty(), "\"determiner | singular\"");
  need(!lexicon_.determiners[1].empty(), "\"determiner | plural\"");
  need(lexicon_.determiner_again > 0, "\"determiner | again\"");
  for (std::size_t i = 0; i < 4; ++i)
    need(lexicon_.pronouns[i][0] > 0 && lexicon_.pronouns[i][1] > 0, "a pronoun of each gender and the plural");
  for (std::size_t i = 0; i < 2; ++i) {
    need(lexicon_.pronouns[i][2] > 0, "the possessives of \"pronoun | feminine\" and \"pronoun | masculine\"");
    need(lexicon_.copula[i][0] > 0 && lexicon_.copula[i][1] > 0 && lexicon_.copula[i][0] != lexicon_.copula[i][1],
         "the two numbers of \"copula\" in present and past");
    need(lexicon_.have[i][0] > 0 && lexicon_.have[i][1] > 0, "\"have\" in present and past");
    need(lexicon_.relative[i] > 0, "\"relative | person\" and \"relative | other\"");
  }
  need(!lexicon_.prepositions.empty(), "a preposition");
}

}  // namespace

Lexicon load_lexicon(const std::filesystem::path& folder) { return Loader(folder).load(); }

}  // namespace headroom
