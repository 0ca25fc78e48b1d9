#include "core/corpus/rules_ops.h"

#include <algorithm>

namespace headroom {
namespace {

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
      {"preposition", Op::kPreposition, {kOptionalPrepositions}},
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

}  // namespace

const OpName* find_op(std::string_view name) {
  const auto found = std::find_if(op_names().begin(), op_names().end(), [&](const OpName& op) { return op.name == name; });
  return found == op_names().end() ? nullptr : &*found;
}

}  // namespace headroom
