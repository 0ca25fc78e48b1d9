#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/corpus/rules.h"
#include "core/corpus/rules_text.h"

namespace headroom {

/// Names that items of rules can use, in the order of the lists in Rules.
struct RuleNames {
  std::vector<std::string> mixes, verb_lists, pools;
  std::vector<std::string> preposition_lists{""};  ///< the first one, without a name, holds all prepositions
};

constexpr std::array<std::string_view, 4> kNounClassNames{"animal", "person", "thing", "place"};

/// Place of a name among `names`, or -1.
std::int16_t index_of_name(const std::vector<std::string>& names, const std::string& name);

/// Reads the lines share, weights, mix, verbs, prepositions and pool into `rules`. Errors  Error with file and line.
RuleNames load_rule_settings(const GrammarFile& file, const std::vector<SettingText>& settings, const Lexicon& lexicon,
                             Rules& rules);

}  // namespace headroom
