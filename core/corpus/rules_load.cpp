#include <algorithm>
#include <map>

#include "core/corpus/rules.h"
#include "core/corpus/rules_text.h"
#include "core/formats/file.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::array<std::string_view, 8> kPhrases{"sentence",    "clause",      "subject",  "object",
                                                   "noun_phrase", "preposition", "relative", "predicate"};
constexpr std::array<std::string_view, 4> kClasses{"animal", "person", "thing", "place"};

/// What an item's arguments are, in order.
enum class Argument { kRegister, kOptionalRegister, kMix, kOptionalList, kPool, kLength, kOnOff, kCase, kOptionalVerb };
struct OpName {
  std::string_view name;
  Op op;
  std::vector<Argument> arguments;
};
const std::vector<OpName>& op_names() {
  using enum Argument;
  static const std::vector<OpName> kNames{
      {"new", Op::kNew, {kRegister, kMix}},
      {"object", Op::kObject, {kRegister, kOptionalRegister}},
      {"place", Op::kPlace, {kRegister, kOptionalRegister}},
      {"thing", Op::kThing, {kRegister, kRegister}},
      {"keep", Op::kKeep, {kRegister}},
      {"old", Op::kOld, {kRegister}},
      {"new_person", Op::kNewPerson, {kRegister}},
      {"old_person", Op::kOldPerson, {kRegister}},
      {"topic", Op::kTopic, {kRegister}},
      {"no_topic", Op::kNoTopic, {}},
      {"link", Op::kLink, {kRegister}},
      {"determiner", Op::kDeterminer, {kRegister}},
      {"attribute", Op::kAttribute, {kRegister}},
      {"noun", Op::kNoun, {kRegister}},
      {"first_name", Op::kFirstName, {kRegister}},
      {"surname", Op::kSurname, {kRegister}},
      {"relative", Op::kRelative, {kRegister}},
      {"pronoun", Op::kPronoun, {kRegister, kCase}},
      {"possessive", Op::kPossessive, {kRegister}},
      {"copula", Op::kCopula, {kRegister}},
      {"have", Op::kHave, {kRegister}},
      {"is", Op::kIs, {kRegister}},
      {"mood", Op::kMood, {kRegister}},
      {"does", Op::kDoes, {kRegister}},
      {"acts", Op::kActs, {kRegister, kOptionalList}},
      {"acts_on", Op::kActsOn, {kRegister, kRegister}},
      {"preposition", Op::kPreposition, {kOptionalVerb}},
      {"pool", Op::kPool, {kPool}},
      {"length", Op::kLength, {kLength}},
      {"commas", Op::kCommas, {kOnOff}},
      {"words", Op::kWords, {}},
      {"comma", Op::kComma, {}},
      {"say_same", Op::kSaySame, {}},
      {"say_shuffled", Op::kSayShuffled, {}},
      {"remember", Op::kRemember, {}},
      {"remembered", Op::kRemembered, {}},
      {"repeat", Op::kRepeat, {}},
  };
  return kNames;
}

class RulesLoader {
 public:
  RulesLoader(const std::filesystem::path& path, const Lexicon& lexicon, const GrammarOptions& options)
      : file_(path), text_(parse_rules(file_)), lexicon_(lexicon), options_(options) {
    rules_.path = shown_path(path);
  }

  Rules load() {
    apply_weights();
    for (const SettingText& setting : text_.settings)
      load_setting(setting);
    const auto need = [&](bool is_there, const char* what) {
      if (!is_there) file_.fail(std::string("has no line \"") + what + "\"");
    };
    need(!rules_.is.empty(), "weights is");
    need(!rules_.does.empty(), "weights does");
    need(!rules_.prepositions.empty(), "weights prepositions");
    need(!rules_.moods.empty(), "weights moods");
    for (std::size_t i = 0; i < lexicon_.verbs.size(); ++i) {
      if (lexicon_.verbs[i].is_transitive) rules_.transitive.push_back(static_cast<std::int16_t>(i));
      for (std::size_t noun_class = 0; noun_class < 4; ++noun_class)
        if (lexicon_.verbs[i].takes[noun_class]) rules_.transitive_taking[noun_class].push_back(static_cast<std::int16_t>(i));
    }
    for (const RuleText& rule : text_.rules)
      for (const OpName& op : op_names())
        if (op.name == rule.name)
          file_.fail(rule.line, "a rule can not be called " + in_quotes(rule.name) + ", which is the name of an item");
    const RuleText* sentence = find_rule("sentence");
    need(sentence != nullptr && sentence->parameters.empty(), "phrase sentence sentence");
    const RuleText* start = find_rule("document");
    need(start != nullptr, "rule document");
    if (!start->parameters.empty()) file_.fail(start->line, "rule \"document\" can not have parameters");
    rules_.start = instance(*start, {});
    rules_.sentence = instance(*sentence, {});
    return std::move(rules_);
  }

 private:
  using Bindings = std::map<std::string, std::string>;

  const RuleText* find_rule(const std::string& name) const {
    for (const RuleText& rule : text_.rules)
      if (rule.name == name) return &rule;
    return nullptr;
  }

  void set_weight(const RuleWeight& wanted) {
    if (!(wanted.weight >= 0 && wanted.weight <= 1e6))
      throw Error("the weight of " + in_quotes(wanted.alternative) + " in rule " + in_quotes(wanted.rule) +
                  " must be a number from 0 to 1,000,000");
    for (RuleText& rule : text_.rules) {
      if (rule.name != wanted.rule) continue;
      for (AlternativeText& alternative : rule.alternatives)
        if (alternative.name == wanted.alternative) {
          alternative.weight = wanted.weight;
          return;
        }
      file_.fail(rule.line, "rule " + in_quotes(rule.name) + " has no alternative " + in_quotes(wanted.alternative) +
                                ", so its weight can not be set");
    }
    file_.fail("has no rule " + in_quotes(wanted.rule) + ", so no weight in it can be set");
  }

  void apply_weights() {
    if (options_.stories) set_weight({"document", "story", *options_.stories});
    if (options_.lists) set_weight({"document", "list", *options_.lists});
    if (options_.quotes) set_weight({"document", "quote", *options_.quotes});
    for (const RuleWeight& weight : options_.weights)
      set_weight(weight);
  }

  void load_setting(const SettingText& setting);
  std::vector<WordId> pool_words(const SettingText& setting) const;

  std::int16_t named(const std::vector<std::string>& names, const std::string& name) const {
    const auto found = std::find(names.begin(), names.end(), name);
    return static_cast<std::int16_t>(found == names.end() ? -1 : found - names.begin());
  }

  /// Index of a letter, given anew at its first use.
  std::int8_t letter(std::vector<std::string>& letters, const std::string& name, int line) {
    const std::int16_t found = named(letters, name);
    if (found >= 0) return static_cast<std::int8_t>(found);
    if (letters.size() >= kMaxRegisters)
      file_.fail(line, "there are more than " + std::to_string(kMaxRegisters) + " registers or marks");
    letters.push_back(name);
    return static_cast<std::int8_t>(letters.size() - 1);
  }
  std::int8_t reg(const std::string& written, const Bindings& bindings, int line) {
    if (!is_register_name(written)) file_.fail(line, in_quotes(written) + " must be a register, one capital letter");
    const auto bound = bindings.find(written);
    const std::string& name = bound == bindings.end() ? written : bound->second;
    return letter(registers_, name, line);
  }

  std::int16_t instance(const RuleText& rule, const std::vector<std::string>& arguments);
  RuleItem item(const ItemText& text, const Bindings& bindings, int line);
  void arguments(const OpName& op, const ItemText& text, const Bindings& bindings, RuleItem& item, int line);
  Guard guard(std::vector<std::string> words, const Bindings& bindings, int line);

  GrammarFile file_;
  RulesText text_;
  const Lexicon& lexicon_;
  const GrammarOptions& options_;
  Rules rules_;
  std::map<std::string, std::int16_t> instances_;
  std::vector<std::string> registers_, marks_, mixes_, lists_, pools_;
};

void RulesLoader::load_setting(const SettingText& setting) {
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
    file_.fail(setting.line,
               in_quotes(words[0]) + " must be rule, phrase, share, weights, mix, verbs or pool, with what belongs to it");
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
      const auto* found = std::find(kClasses.begin(), kClasses.end(), words[i]);
      if (found == kClasses.end()) unknown(words[i], "animal, person, thing or place");
      const auto noun_class = static_cast<std::size_t>(found - kClasses.begin());
      mix[noun_class] = static_cast<float>(parse_weight(file_, setting.line, words[i + 1], "the weight"));
      if (mix[noun_class] > 0 && lexicon_.nouns_of_class[noun_class].empty())
        file_.fail(setting.line, "there is no noun of class " + words[i]);
    }
    if (mix[0] + mix[1] + mix[2] + mix[3] <= 0) file_.fail(setting.line, "a mix needs a weight above 0");
    if (named(mixes_, name) >= 0) file_.fail(setting.line, "there is a mix " + in_quotes(name) + " already");
    mixes_.push_back(name);
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
    if (named(lists_, name) >= 0) file_.fail(setting.line, "there is a list of verbs " + in_quotes(name) + " already");
    lists_.push_back(name);
    rules_.verb_lists.push_back(std::move(verbs));
  } else if (words[0] == "pool") {
    if (named(pools_, name) >= 0) file_.fail(setting.line, "there is a pool " + in_quotes(name) + " already");
    pools_.push_back(name);
    rules_.pools.push_back(pool_words(setting));
  } else {
    file_.fail(setting.line, in_quotes(words[0]) + " must be rule, phrase, share, weights, mix, verbs or pool");
  }
}

std::vector<WordId> RulesLoader::pool_words(const SettingText& setting) const {
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

std::int16_t RulesLoader::instance(const RuleText& text, const std::vector<std::string>& arguments) {
  std::string key = text.name;
  Bindings bindings;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    key += ":" + arguments[i];
    bindings[text.parameters[i]] = arguments[i];
  }
  if (const auto known = instances_.find(key); known != instances_.end()) return known->second;
  if (rules_.rules.size() >= 4000) file_.fail(text.line, "there are more than 4,000 rules with their registers");
  const auto index = static_cast<std::int16_t>(rules_.rules.size());
  instances_[key] = index;
  rules_.rules.emplace_back();
  Rule rule{.name = text.name, .n_alternatives = static_cast<std::uint8_t>(text.alternatives.size()), .line = text.line};
  if (!text.phrase.empty()) {
    const auto* found = std::find(kPhrases.begin(), kPhrases.end(), text.phrase);
    if (found == kPhrases.end())
      file_.fail(text.line, in_quotes(text.phrase) +
                                " must be sentence, clause, subject, object, noun_phrase, preposition, relative or predicate");
    rule.phrase = static_cast<std::int8_t>(found - kPhrases.begin());
  }
  std::vector<Alternative> alternatives;
  for (const AlternativeText& written : text.alternatives) {
    Alternative alternative{.weight = static_cast<float>(written.weight)};
    std::vector<Guard> guards;
    for (const auto& words : written.guards)
      guards.push_back(guard(words, bindings, written.line));
    std::vector<RuleItem> items;
    for (const ItemText& one : written.items)
      items.push_back(item(one, bindings, written.line));
    items.push_back({.op = Op::kEnd, .phrase = static_cast<std::uint8_t>(rule.phrase >= 0 ? 1 : 0), .line = written.line});
    // Called rules have put their items first, so that each alternative's lie side by side.
    alternative.first_item = static_cast<std::uint16_t>(rules_.items.size());
    rules_.items.insert(rules_.items.end(), items.begin(), items.end());
    alternative.first_guard = static_cast<std::uint16_t>(rules_.guards.size());
    alternative.n_guards = static_cast<std::uint8_t>(guards.size());
    rules_.guards.insert(rules_.guards.end(), guards.begin(), guards.end());
    rule.has_guards = rule.has_guards || !guards.empty();
    rule.total += alternative.weight;
    alternatives.push_back(alternative);
    if (rules_.items.size() > 60000) file_.fail(written.line, "there are more than 60,000 items in the rules");
  }
  if (rule.total <= 0) file_.fail(text.line, "every alternative of rule " + in_quotes(text.name) + " has the weight 0");
  rule.first_alternative = static_cast<std::uint16_t>(rules_.alternatives.size());
  rules_.alternatives.insert(rules_.alternatives.end(), alternatives.begin(), alternatives.end());
  rules_.rules[static_cast<std::size_t>(index)] = std::move(rule);
  return index;
}

Guard RulesLoader::guard(std::vector<std::string> words, const Bindings& bindings, int line) {
  Guard guard;
  if (words.front() == "not") {
    guard.is_negated = true;
    words.erase(words.begin());
  }
  const auto wrong = [&] { file_.fail(line, "a guard must be \"S animal|person\", \"S topic\", \"old\" or \"people 1\""); };
  if (words.size() == 1 && words[0] == "old") {
    guard.kind = Guard::Kind::kOld;
  } else if (words.size() == 2 && words[0] == "people") {
    guard.kind = Guard::Kind::kPeople;
    const double people = parse_weight(file_, line, words[1], "the number of people");
    if (people != 0 && people != 1 && people != 2) file_.fail(line, "the number of people must be 0, 1 or 2");
    guard.value = static_cast<std::uint8_t>(people);
  } else if (words.size() == 2 && words[1] == "topic") {
    guard.kind = Guard::Kind::kTopic;
    guard.reg = reg(words[0], bindings, line);
  } else if (words.size() == 2) {
    guard.kind = Guard::Kind::kClass;
    guard.reg = reg(words[0], bindings, line);
    for (const std::string& name : split_parts(words[1], '|')) {
      const auto* found = std::find(kClasses.begin(), kClasses.end(), name);
      if (found == kClasses.end()) wrong();
      guard.value = static_cast<std::uint8_t>(guard.value | (1u << (found - kClasses.begin())));
    }
  } else {
    wrong();
  }
  return guard;
}

RuleItem RulesLoader::item(const ItemText& text, const Bindings& bindings, int line) {
  RuleItem item;
  item.line = line;
  if (text.is_word) {
    item.op = Op::kWord;
    item.value = lexicon_.id(text.head);
    if (item.value < 0) file_.fail(line, in_quotes(text.head) + " is no word of vocabulary.txt or the other files");
    if (item.value == lexicon_.bos || item.value == lexicon_.unknown || item.value == lexicon_.mask)
      file_.fail(line, in_quotes(text.head) + " is a special token and can not be said");
  } else if (const auto op =
                 std::find_if(op_names().begin(), op_names().end(), [&](const OpName& known) { return known.name == text.head; });
             op != op_names().end()) {
    arguments(*op, text, bindings, item, line);
  } else if (const RuleText* rule = find_rule(text.head)) {
    if (text.arguments.size() != rule->parameters.size())
      file_.fail(line, "rule " + in_quotes(rule->name) + " needs " + counted(rule->parameters.size(), "register") + ", but " +
                           in_quotes(text.as_written) + " gives " + std::to_string(text.arguments.size()));
    if (!text.links.empty() || !text.mark.empty())
      file_.fail(line, in_quotes(text.as_written) + " is a rule, so it can have no links and no mark; use link:S after it");
    std::vector<std::string> bound;
    for (const std::string& argument : text.arguments) {
      reg(argument, bindings, line);
      const auto found = bindings.find(argument);
      bound.push_back(found == bindings.end() ? argument : found->second);
    }
    item.op = Op::kCall;
    item.value = instance(*rule, bound);
    return item;
  } else {
    file_.fail(line, in_quotes(text.head) + " is neither an item nor a rule");
  }
  for (const auto& [name, key] : text.links) {
    RuleLink link;
    bool is_known = false;
    for (std::size_t i = 0; i < kRelationCount; ++i) {
      if (relation_key(static_cast<Relation>(i)) != name) continue;
      link.relation = static_cast<Relation>(i);
      is_known = true;
    }
    if (!is_known) file_.fail(line, in_quotes(name) + " is no relation that links can have");
    const auto bound = bindings.find(key);
    const std::string& actual = bound == bindings.end() ? key : bound->second;
    link.is_mark = named(registers_, actual) < 0;
    link.key = link.is_mark ? letter(marks_, actual, line) : static_cast<std::int8_t>(named(registers_, actual));
    if (item.n_links == 0) item.first_link = static_cast<std::uint16_t>(rules_.links.size());
    rules_.links.push_back(link);
    ++item.n_links;
  }
  if (!text.mark.empty()) {
    if (named(registers_, text.mark) >= 0 || bindings.contains(text.mark))
      file_.fail(line, text.mark + " is a register, so it can not be a mark");
    item.mark = letter(marks_, text.mark, line);
  }
  return item;
}

void RulesLoader::arguments(const OpName& op, const ItemText& text, const Bindings& bindings, RuleItem& item, int line) {
  item.op = op.op;
  std::size_t n_needed = 0;
  for (const Argument argument : op.arguments)
    if (argument != Argument::kOptionalRegister && argument != Argument::kOptionalList && argument != Argument::kOptionalVerb)
      ++n_needed;
  if (text.arguments.size() < n_needed || text.arguments.size() > op.arguments.size())
    file_.fail(line,
               in_quotes(text.as_written) + " must have " +
                   (n_needed == op.arguments.size() ? std::to_string(n_needed)
                                                    : std::to_string(n_needed) + " or " + std::to_string(op.arguments.size())) +
                   " parts after " + in_quotes(text.head));
  bool has_register = false;
  for (std::size_t i = 0; i < text.arguments.size(); ++i) {
    const std::string& word = text.arguments[i];
    const auto index_in = [&](const std::vector<std::string>& names, const char* what) {
      const std::int16_t found = named(names, word);
      if (found < 0) file_.fail(line, in_quotes(word) + " is no " + what + " of a line above");
      return found;
    };
    const auto either = [&](const char* first, const char* second) {
      if (word != first && word != second) file_.fail(line, in_quotes(word) + " must be " + first + " or " + second);
      return static_cast<std::int16_t>(word == first ? 0 : 1);
    };
    switch (op.arguments[i]) {
      case Argument::kRegister:
      case Argument::kOptionalRegister:
        (has_register ? item.b : item.a) = reg(word, bindings, line);
        has_register = true;
        break;
      case Argument::kMix:
        item.value = index_in(mixes_, "mix");
        break;
      case Argument::kOptionalList:
        item.value = static_cast<std::int16_t>(1 + index_in(lists_, "list of verbs"));
        break;
      case Argument::kPool:
        item.value = index_in(pools_, "pool");
        break;
      case Argument::kCase:
        item.value = either("subject", "object");
        break;
      case Argument::kOnOff:
        item.value = either("off", "on");
        break;
      case Argument::kOptionalVerb:
        if (word != "verb") file_.fail(line, in_quotes(word) + " must be \"verb\" or left out");
        item.op = Op::kVerbPreposition;
        break;
      case Argument::kLength: {
        const double length = parse_weight(file_, line, word, "the length");
        if (length < 1 || length > 18 || length != static_cast<int>(length))
          file_.fail(line, "the length must be a whole number from 1 to 18");
        item.value = static_cast<std::int16_t>(length);
        break;
      }
    }
  }
}

}  // namespace

Rules load_rules(const std::filesystem::path& rules_txt, const Lexicon& lexicon, const GrammarOptions& options) {
  return RulesLoader(rules_txt, lexicon, options).load();
}

}  // namespace headroom
