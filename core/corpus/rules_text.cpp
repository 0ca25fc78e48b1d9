#include "core/corpus/rules_text.h"

#include <algorithm>
#include <charconv>

#include "core/formats/file.h"

namespace headroom {
namespace {

ItemText parse_item(const GrammarFile& file, int line, const std::string& written) {
  ItemText item;
  item.as_written = written;
  std::string rest = written;
  if (written.front() == '"') {
    const std::size_t close = written.rfind('"');
    if (close < 2) file.fail(line, in_quotes(written) + " must be a word between quotation marks");
    item.is_word = true;
    item.head = written.substr(1, close - 1);
    rest = written.substr(close + 1);
  } else {
    const std::size_t end = std::min(written.find_first_of(">="), written.size());
    std::vector<std::string> parts = split_parts(written.substr(0, end), ':');
    if (parts.empty() || std::find(parts.begin(), parts.end(), "") != parts.end())
      file.fail(line, in_quotes(written) + " has an empty part");
    item.head = parts.front();
    item.arguments.assign(parts.begin() + 1, parts.end());
    rest = written.substr(end);
  }
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(">=", 1), rest.size());
    const std::string part = rest.substr(1, end - 1);
    if (rest.front() == '=') {
      if (!is_register_name(part)) file.fail(line, "the mark of " + in_quotes(written) + " must be one capital letter");
      if (!item.mark.empty()) file.fail(line, in_quotes(written) + " has two marks");
      item.mark = part;
    } else if (rest.front() == '>') {
      const std::size_t colon = part.find(':');
      if (colon == std::string::npos || !is_register_name(part.substr(colon + 1)))
        file.fail(line, "a link of " + in_quotes(written) + " must read \">relation:K\" with one capital letter");
      item.links.emplace_back(part.substr(0, colon), part.substr(colon + 1));
    } else {
      file.fail(line, in_quotes(written) + " must go on with \">relation:K\" or \"=V\"");
    }
    rest = rest.substr(end);
  }
  return item;
}

/// "30 acts if X animal|person and old : items …"
AlternativeText parse_alternative(const GrammarFile& file, const GrammarLine& line) {
  AlternativeText alternative;
  alternative.line = line.number;
  const std::vector<std::string> words = split_words(line.text);
  if (words.size() < 2) file.fail(line.number, "an alternative must read \"WEIGHT NAME if GUARD : ITEMS\"");
  alternative.weight = parse_weight(file, line.number, words[0], "the weight");
  alternative.name = words[1];
  if (alternative.name == ":") file.fail(line.number, "the alternative has no name between its weight and the colon");
  std::size_t at = 2;
  if (at < words.size() && words[at] == "if") {
    do {
      ++at;
      std::vector<std::string> guard;
      while (at < words.size() && words[at] != ":" && words[at] != "and")
        guard.push_back(words[at++]);
      if (guard.empty()) file.fail(line.number, "a guard is missing after \"if\" or \"and\"");
      alternative.guards.push_back(std::move(guard));
    } while (at < words.size() && words[at] == "and");
  }
  if (at < words.size() && words[at] != ":")
    file.fail(line.number, "there must be a colon between spaces before the items, but it is " + in_quotes(words[at]));
  for (++at; at < words.size(); ++at)
    alternative.items.push_back(parse_item(file, line.number, words[at]));
  return alternative;
}

RuleText parse_header(const GrammarFile& file, const GrammarLine& line, const std::vector<std::string>& words) {
  RuleText rule;
  rule.line = line.number;
  std::size_t at = 1;
  if (words[0] == "phrase") {
    if (words.size() < 3) file.fail(line.number, "a phrase must read \"phrase KIND NAME PARAMETERS\"");
    rule.phrase = words[at++];
  }
  if (at >= words.size()) file.fail(line.number, "the rule has no name");
  rule.name = words[at++];
  for (; at < words.size(); ++at) {
    if (!is_register_name(words[at]))
      file.fail(line.number, "the parameter " + in_quotes(words[at]) + " must be one capital letter");
    if (std::find(rule.parameters.begin(), rule.parameters.end(), words[at]) != rule.parameters.end())
      file.fail(line.number, "the parameter " + words[at] + " is there twice");
    rule.parameters.push_back(words[at]);
  }
  return rule;
}

}  // namespace

bool is_register_name(const std::string& text) { return text.size() == 1 && text[0] >= 'A' && text[0] <= 'Z'; }

double parse_weight(const GrammarFile& file, int line, const std::string& text, const std::string& what) {
  double weight = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), weight);
  if (problem != std::errc() || end != text.data() + text.size() || !(weight >= 0 && weight <= 1e6))
    file.fail(line, what + " must be a number from 0 to 1,000,000, but it is " + in_quotes(text));
  return weight;
}

RulesText parse_rules(const GrammarFile& file) {
  RulesText text;
  for (const GrammarLine& line : file.lines()) {
    const std::vector<std::string> words = split_words(line.text);
    const bool is_alternative = line.text.front() == ' ';
    if (is_alternative) {
      if (text.rules.empty()) file.fail(line.number, "an alternative needs a rule above it");
      RuleText& rule = text.rules.back();
      rule.alternatives.push_back(parse_alternative(file, line));
      for (std::size_t i = 0; i + 1 < rule.alternatives.size(); ++i)
        if (rule.alternatives[i].name == rule.alternatives.back().name)
          file.fail(line.number, "rule " + in_quotes(rule.name) + " has two alternatives with the name " +
                                     in_quotes(rule.alternatives.back().name));
      if (rule.alternatives.size() > 64) file.fail(line.number, "rule " + in_quotes(rule.name) + " has more than 64 alternatives");
    } else if (words[0] == "rule" || words[0] == "phrase") {
      RuleText rule = parse_header(file, line, words);
      for (const RuleText& other : text.rules)
        if (other.name == rule.name)
          file.fail(line.number, "there is a rule " + in_quotes(rule.name) + " already, in line " + std::to_string(other.line));
      text.rules.push_back(std::move(rule));
    } else {
      text.settings.push_back({line.number, words});
    }
  }
  for (const RuleText& rule : text.rules)
    if (rule.alternatives.empty()) file.fail(rule.line, "rule " + in_quotes(rule.name) + " has no alternative below it");
  return text;
}

}  // namespace headroom
