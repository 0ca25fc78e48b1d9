#include <algorithm>
#include <map>

#include "core/corpus/rules.h"
#include "core/corpus/rules_ops.h"
#include "core/corpus/rules_settings.h"
#include "core/corpus/rules_text.h"
#include "core/formats/file.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::array<std::string_view, 8> kPhrases{"sentence",    "clause",      "subject",  "object",
                                                   "noun_phrase", "preposition", "relative", "predicate"};

class RulesLoader {
 public:
  RulesLoader(const std::filesystem::path& path, const Lexicon& lexicon, const GrammarOptions& options)
      : file_(path), text_(parse_rules(file_)), lexicon_(lexicon), options_(options) {
    rules_.path = shown_path(path);
  }

  Rules load() {
    apply_weights();
    names_ = load_rule_settings(file_, text_.settings, lexicon_, rules_);
    for (std::size_t i = 0; i < lexicon_.verbs.size(); ++i) {
      if (lexicon_.verbs[i].is_transitive) rules_.transitive.push_back(static_cast<std::int16_t>(i));
      for (std::size_t noun_class = 0; noun_class < 4; ++noun_class)
        if (lexicon_.verbs[i].takes[noun_class]) rules_.transitive_taking[noun_class].push_back(static_cast<std::int16_t>(i));
    }
    for (const RuleText& rule : text_.rules)
      if (find_op(rule.name) != nullptr)
        file_.fail(rule.line, "a rule can not be called " + in_quotes(rule.name) + ", which is the name of an item");
    const auto need = [&](bool is_there, const char* what) {
      if (!is_there) file_.fail(std::string("has no line \"") + what + "\"");
    };
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

  /// Index of a letter, given anew at its first use.
  std::int8_t letter(std::vector<std::string>& letters, const std::string& name, int line) {
    const std::int16_t found = index_of_name(letters, name);
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
  RuleNames names_;
  std::vector<std::string> registers_, marks_;
};

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
      const auto* found = std::find(kNounClassNames.begin(), kNounClassNames.end(), name);
      if (found == kNounClassNames.end()) wrong();
      guard.value = static_cast<std::uint8_t>(guard.value | (1u << (found - kNounClassNames.begin())));
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
  } else if (const OpName* op = find_op(text.head)) {
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
    link.is_mark = index_of_name(registers_, actual) < 0;
    link.key = link.is_mark ? letter(marks_, actual, line) : static_cast<std::int8_t>(index_of_name(registers_, actual));
    if (item.n_links == 0) item.first_link = static_cast<std::uint16_t>(rules_.links.size());
    rules_.links.push_back(link);
    ++item.n_links;
  }
  if (!text.mark.empty()) {
    if (index_of_name(registers_, text.mark) >= 0 || bindings.contains(text.mark))
      file_.fail(line, text.mark + " is a register, so it can not be a mark");
    item.mark = letter(marks_, text.mark, line);
  }
  return item;
}

void RulesLoader::arguments(const OpName& op, const ItemText& text, const Bindings& bindings, RuleItem& item, int line) {
  item.op = op.op;
  std::size_t n_needed = 0;
  for (const Argument argument : op.arguments)
    if (argument != Argument::kOptionalRegister && argument != Argument::kOptionalList &&
        argument != Argument::kOptionalPrepositions)
      ++n_needed;
  if (text.arguments.size() < n_needed || text.arguments.size() > op.arguments.size())
    file_.fail(line, in_quotes(text.as_written) + " must have " +
                         (n_needed == op.arguments.size() ? "" : std::to_string(n_needed) + " or ") +
                         counted(op.arguments.size(), "part") + " after " + in_quotes(text.head));
  bool has_register = false;
  for (std::size_t i = 0; i < text.arguments.size(); ++i) {
    const std::string& word = text.arguments[i];
    const auto index_in = [&](const std::vector<std::string>& names, const char* what) {
      const std::int16_t found = index_of_name(names, word);
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
        item.value = index_in(names_.mixes, "mix");
        break;
      case Argument::kOptionalList:
        item.value = static_cast<std::int16_t>(1 + index_in(names_.verb_lists, "list of verbs"));
        break;
      case Argument::kPool:
        item.value = index_in(names_.pools, "pool");
        break;
      case Argument::kCase:
        item.value = either("subject", "object");
        break;
      case Argument::kOnOff:
        item.value = either("off", "on");
        break;
      case Argument::kOptionalPrepositions:
        if (word == "verb")
          item.op = Op::kVerbPreposition;
        else
          item.value = index_in(names_.preposition_lists, "list of prepositions");
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
