#pragma once

#include <string>
#include <vector>

#include "core/corpus/grammar_file.h"

namespace headroom {

/// An item as written: head:argument:argument>relation:K=V, or a "word".
struct ItemText {
  std::string head;  ///< without the quotes of a word
  bool is_word = false;
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> links;  ///< relation, register or mark
  std::string mark;
  std::string as_written;
};

struct AlternativeText {
  int line = 0;
  double weight = 0;
  std::string name;
  std::vector<std::vector<std::string>> guards;  ///< words of each
  std::vector<ItemText> items;
};

struct RuleText {
  int line = 0;
  std::string name;
  std::string phrase;  ///< empty for a plain rule
  std::vector<std::string> parameters;
  std::vector<AlternativeText> alternatives;
};

/// A line at the margin that is no rule: share, weights, mix, verbs, pool.
struct SettingText {
  int line = 0;
  std::vector<std::string> words;
};

struct RulesText {
  std::vector<SettingText> settings;
  std::vector<RuleText> rules;
};

/// The lines of rules.txt taken apart; names are not looked up yet. Errors  Error with file and line.
RulesText parse_rules(const GrammarFile& file);

/// A number from 0 to 1e6, or a sentence. `what` begins it: "the weight".
double parse_weight(const GrammarFile& file, int line, const std::string& text, const std::string& what);
/// Is it one capital letter?
bool is_register_name(const std::string& text);

}  // namespace headroom
