#include "core/corpus/rules_settings.h"

#include <algorithm>
#include <array>

#include "core/formats/file.h"

namespace headroom {
namespace {

class SettingsLoader {
 public:
  SettingsLoader(const GrammarFile& file, const Lexicon& lexicon, Rules& rules) : file_(file), lexicon_(lexicon), rules_(rules) {
    auto& all = rules_.preposition_lists.emplace_back();
    for (std::size_t i = 0; i < lexicon_.prepositions.size(); ++i)
      all.push_back(static_cast<std::int16_t>(i));
  }
  void load(const SettingText& setting);
  RuleNames names() { return std::move(names_); }

 private:
  std::vector<WordId> pool_words(const SettingText& setting) const;

  const GrammarFile& file_;
  const Lexicon& lexicon_;
  Rules& rules_;
  RuleNames names_;
};

void SettingsLoader::load(const SettingText& setting) {
  const auto& words = setting.words;
  const auto numbers = [&](std::size_t first) {
    std::vector<float> values;
    for (std::size_t i = first; i < words.size(); ++i)
      values.push_back(static_cast<float>(parse_weight(file_, setting.line, words[i], "the weight")));
    return values;
  };
  const auto unknown = [&](const std::string& word, const char* known) {
    file_.fail(setting.line, in_quotes(word) + " must be " + known);
  };
  if (words.size() < 3)
    file_.fail(
        setting.line,
        in_quotes(words[0]) + " must be rule, phrase, share, weights, mix, verbs, prepositions or pool, with what belongs to it");
  const std::string& name = words[1];
  if (words[0] == "share") {
    float* share = name == "past"               ? &rules_.past
                   : name == "plural"           ? &rules_.plural
                   : name == "favourite_place"  ? &rules_.favourite_place
                   : name == "favourite_object" ? &rules_.favourite_object
                   : name == "favourite_thing"  ? &rules_.favourite_thing
                                                : nullptr;
    if (share == nullptr) unknown(name, "past, plural, favourite_place, favourite_object or favourite_thing");
    const double percent = parse_weight(file_, setting.line, words[2], "the share");
    if (percent > 100 || words.size() > 3) file_.fail(setting.line, "a share must be one number from 0 to 100");
    *share = static_cast<float>(percent / 100);
  } else if (words[0] == "weights") {
    std::vector<float>* weights = name == "is"             ? &rules_.is
                                  : name == "does"         ? &rules_.does
                                  : name == "prepositions" ? &rules_.prepositions
                                  : name == "moods"        ? &rules_.moods
                                                           : nullptr;
    if (weights == nullptr) unknown(name, "is, does, prepositions or moods");
    *weights = numbers(2);
    for (const float weight : *weights)
      if (weight <= 0) file_.fail(setting.line, "weights must be above 0");
  } else if (words[0] == "mix") {
    std::array<float, 4> mix{};
    if (words.size() % 2 != 0) file_.fail(setting.line, "a mix must read \"mix NAME CLASS WEIGHT CLASS WEIGHT …\"");
    for (std::size_t i = 2; i < words.size(); i += 2) {
      const auto* found = std::find(kNounClassNames.begin(), kNounClassNames.end(), words[i]);
      if (found == kNounClassNames.end()) unknown(words[i], "animal, person, thing or place");
      const auto noun_class = static_cast<std::size_t>(found - kNounClassNames.begin());
      mix[noun_class] = static_cast<float>(parse_weight(file_, setting.line, words[i + 1], "the weight"));
      if (mix[noun_class] > 0 && lexicon_.nouns_of_class[noun_class].empty())
        file_.fail(setting.line, "there is no noun of class " + words[i]);
    }
    if (mix[0] + mix[1] + mix[2] + mix[3] <= 0) file_.fail(setting.line, "a mix needs a weight above 0");
    if (index_of_name(names_.mixes, name) >= 0) file_.fail(setting.line, "there is a mix " + in_quotes(name) + " already");
    names_.mixes.push_back(name);
    rules_.mixes.push_back(mix);
  } else if (words[0] == "verbs") {
    std::vector<std::int16_t> verbs;
    for (std::size_t i = 2; i < words.size(); ++i) {
      verbs.push_back(lexicon_.verb(words[i]));
      if (verbs.back() < 0 || !lexicon_.verbs[static_cast<std::size_t>(verbs.back())].is_transitive)
        file_.fail(setting.line, in_quotes(words[i]) + " is no transitive verb of verbs.txt");
      if (std::count(verbs.begin(), verbs.end(), verbs.back()) > 1)
        file_.fail(setting.line, in_quotes(words[i]) + " is listed twice");
    }
    if (index_of_name(names_.verb_lists, name) >= 0)
      file_.fail(setting.line, "there is a list of verbs " + in_quotes(name) + " already");
    names_.verb_lists.push_back(name);
    rules_.verb_lists.push_back(std::move(verbs));
  } else if (words[0] == "prepositions") {
    std::vector<std::int16_t> list;
    for (std::size_t i = 2; i < words.size(); ++i) {
      const WordId word = lexicon_.id(words[i]);
      const auto found = std::find_if(lexicon_.prepositions.begin(), lexicon_.prepositions.end(),
                                      [&](const Preposition& one) { return one.word == word; });
      if (found == lexicon_.prepositions.end())
        file_.fail(setting.line, in_quotes(words[i]) + " is no preposition of small_words.txt");
      list.push_back(static_cast<std::int16_t>(found - lexicon_.prepositions.begin()));
      if (std::count(list.begin(), list.end(), list.back()) > 1) file_.fail(setting.line, in_quotes(words[i]) + " is listed twice");
    }
    if (index_of_name(names_.preposition_lists, name) >= 0)
      file_.fail(setting.line, "there is a list of prepositions " + in_quotes(name) + " already");
    names_.preposition_lists.push_back(name);
    rules_.preposition_lists.push_back(std::move(list));
  } else if (words[0] == "pool") {
    if (index_of_name(names_.pools, name) >= 0) file_.fail(setting.line, "there is a pool " + in_quotes(name) + " already");
    names_.pools.push_back(name);
    rules_.pools.push_back(pool_words(setting));
  } else {
    file_.fail(setting.line, in_quotes(words[0]) + " must be rule, phrase, share, weights, mix, verbs, prepositions or pool");
  }
}

std::vector<WordId> SettingsLoader::pool_words(const SettingText& setting) const {
  std::vector<WordId> pool;
  const auto add = [&](WordId word) {
    if (std::find(pool.begin(), pool.end(), word) == pool.end()) pool.push_back(word);
  };
  for (std::size_t i = 2; i < setting.words.size(); ++i) {
    const std::string& kind = setting.words[i];
    if (kind == "first_names") {
      for (const FirstName& name : lexicon_.first_names)
        add(name.word);
    } else if (kind == "surnames") {
      for (const WordId word : lexicon_.surnames)
        add(word);
    } else if (kind == "nouns") {
      for (const Noun& noun : lexicon_.nouns)
        add(noun.forms[0]);
    } else if (kind == "plurals") {
      for (const Noun& noun : lexicon_.nouns)
        add(noun.forms[1]);
    } else if (kind == "adjectives") {
      for (const Noun& noun : lexicon_.nouns)
        for (const WordId word : noun.is)
          add(word);
    } else {
      file_.fail(setting.line, in_quotes(kind) + " must be first_names, surnames, nouns, plurals or adjectives");
    }
  }
  return pool;
}

}  // namespace

std::int16_t index_of_name(const std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return static_cast<std::int16_t>(found == names.end() ? -1 : found - names.begin());
}

RuleNames load_rule_settings(const GrammarFile& file, const std::vector<SettingText>& settings, const Lexicon& lexicon,
                             Rules& rules) {
  SettingsLoader loader(file, lexicon, rules);
  for (const SettingText& setting : settings)
    loader.load(setting);
  const auto need = [&](bool is_there, const char* what) {
    if (!is_there) file.fail(std::string("has no line \"") + what + "\"");
  };
  need(!rules.is.empty(), "weights is");
  need(!rules.does.empty(), "weights does");
  need(!rules.prepositions.empty(), "weights prepositions");
  need(!rules.moods.empty(), "weights moods");
  return loader.names();
}

}  // namespace headroom
