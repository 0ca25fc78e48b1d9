#include "core/corpus/trace.h"

#include <algorithm>

namespace headroom {
namespace {

std::size_t at(std::int32_t index) { return static_cast<std::size_t>(index); }

bool is_verb(WordKind kind) {
  return kind == WordKind::kCopula || kind == WordKind::kIntransitive || kind == WordKind::kTransitive;
}

}  // namespace

void Trace::document_began(WordId bos) {
  last_mention_.fill(-1);
  last_surname_.fill(-1);
  marks_.fill(-1);
  open_.clear();
  words.push_back({.id = bos, .lemma = bos});
}

SentenceWord Trace::describe(const MachineState& state, const SaidWord& said) const {
  const Lexicon& lexicon = grammar_.lexicon;
  SentenceWord word{.id = said.word, .lemma = said.word, .kind = said.kind, .entity = said.entity};
  if (said.kind == WordKind::kOther) {
    const auto small = lexicon.small_words.find(said.word);
    if (small != lexicon.small_words.end()) word.kind = small->second;
    const std::string& text = lexicon.words[at(said.word)];
    if (text.size() == 1 && text[0] < 'a') word.kind = WordKind::kSign;
  }
  if (said.entity >= 0) {
    const Entity& entity = state.entities[at(said.entity)];
    word.number = entity.number == 1 ? GrammaticalNumber::kPlural : GrammaticalNumber::kSingular;
    word.gender = entity.gender;
    if (said.kind == WordKind::kNoun) word.lemma = lexicon.nouns[at(entity.noun)].forms[0];
  }
  if (is_verb(said.kind) || said.kind == WordKind::kHave) word.tense = state.tense == 1 ? Tense::kPast : Tense::kPresent;
  if (said.kind == WordKind::kCopula) word.lemma = lexicon.copula[0][0];
  if (said.kind == WordKind::kHave) word.lemma = lexicon.have[0][0];
  if (said.kind == WordKind::kIntransitive || said.kind == WordKind::kTransitive) word.lemma = lexicon.verbs[at(state.verb)].base;
  return word;
}

void Trace::said(const RuleItem& item, const MachineState& state, const SaidWord& word) {
  const std::int32_t here = position();
  words.push_back(describe(state, word));
  last_ = word;
  if (state.is_remembering && state.n_remembered < kMaxRemembered) remembered_at_[state.n_remembered] = here;
  for (std::size_t i = 0; i < item.n_links; ++i)
    add_link(grammar_.rules.links[item.first_link + i], state, here);
  if (copy_of_ >= 0 && is_copy_certain_) links.push_back({Relation::kCopy, here, copy_of_});
  copy_of_ = -1;
  if (word.kind == WordKind::kNoun || word.kind == WordKind::kFirstName) last_mention_[at(word.entity)] = here;
  if (word.kind == WordKind::kSurname) last_surname_[at(word.entity)] = here;
  if (item.mark >= 0) marks_[at(item.mark)] = here;
}

void Trace::linked(const RuleItem& item, const MachineState& state) {
  const std::int8_t entity = state.registers[at(item.a)];
  if (entity < 0 || last_mention_[at(entity)] < 0) return;
  last_ = {};
  for (std::size_t i = 0; i < item.n_links; ++i)
    add_link(grammar_.rules.links[item.first_link + i], state, last_mention_[at(entity)]);
}

std::int32_t Trace::place_of(const RuleLink& link, const MachineState& state) const {
  if (link.is_mark) return marks_[at(link.key)];
  const std::int8_t entity = state.registers[at(link.key)];
  if (entity < 0) return -1;
  return link.relation == Relation::kName ? last_surname_[at(entity)] : last_mention_[at(entity)];
}

void Trace::add_link(const RuleLink& rule_link, const MachineState& state, std::int32_t query) {
  Link link{rule_link.relation, query, place_of(rule_link, state)};
  if (link.key < 0 || link.key >= query) return;
  if (!rule_link.is_mark && (link.relation == Relation::kSubject || link.relation == Relation::kPredicate)) {
    const Entity& entity = state.entities[at(state.registers[at(rule_link.key)])];
    if (entity.is_pronoun) {
      link.relation = Relation::kPronounVerb;
    } else if (link.relation == Relation::kSubject && entity.source == Entity::Source::kPerson) {
      link.relation = Relation::kNamedSubject;
    } else if (link.relation == Relation::kSubject) {
      for (std::int32_t i = link.key + 1; i < query; ++i)
        if (words[at(i)].kind == WordKind::kNoun) link.relation = Relation::kSubjectAcrossDistractor;
    }
  }
  links.push_back(link);
  if (link.relation == Relation::kSubject || link.relation == Relation::kSubjectAcrossDistractor) ask_agreement(link, state, last_);
  ask_reference(link);
}

/// The verb's other form, where it shows the number.
void Trace::ask_agreement(const Link& link, const MachineState& state, const SaidWord& verb) {
  const Lexicon& lexicon = grammar_.lexicon;
  WordId other = verb.word;
  if (verb.kind == WordKind::kCopula) {
    const auto& forms = lexicon.copula[state.tense == 1 ? 1 : 0];
    other = verb.word == forms[0] ? forms[1] : forms[0];
  } else if (is_verb(verb.kind) && state.tense != 1) {
    const Verb& forms = lexicon.verbs[at(state.verb)];
    other = verb.word == forms.base ? forms.with_s : forms.base;
  }
  if (other == verb.word) return;
  // The nearest noun decides: with the other number it misleads, with the same number it does not.
  const SentenceWord& subject = words[at(link.key)];
  Question question = Question::kAgreement;
  for (std::int32_t i = link.key + 1; i < link.query; ++i)
    if (words[at(i)].kind == WordKind::kNoun)
      question = words[at(i)].number == subject.number ? Question::kAgreement : Question::kAgreementAcrossDistractor;
  choices.push_back({question, link.query, {verb.word, other}});
}

void Trace::ask_reference(const Link& link) {
  const Lexicon& lexicon = grammar_.lexicon;
  const auto word = static_cast<WordId>(words[at(link.query)].id);
  if (link.relation == Relation::kName) {
    Choice choice{Question::kSurname, link.query, {word}};
    for (const WordId surname : lexicon.surnames)
      if (surname != word) choice.ids.push_back(surname);
    choices.push_back(std::move(choice));
    return;
  }
  if (link.relation != Relation::kPronoun && link.relation != Relation::kPronounName && link.relation != Relation::kPossessor)
    return;
  // she against he, it against they: the pronoun of the other gender, or of the other number where there is no gender.
  constexpr std::array<std::size_t, 4> kOther{1, 0, 3, 2};
  const WordKind kind = words[at(link.query)].kind;
  for (std::size_t row = 0; row < 4; ++row) {
    // "her" is both an object and a possessive; what kind it is tells its column.
    const std::size_t column = kind == WordKind::kPossessive ? 2 : word == lexicon.pronouns[row][0] ? 0 : 1;
    if (lexicon.pronouns[row][column] != word) continue;
    const WordId other = lexicon.pronouns[kOther[row]][column];
    if (other >= 0 && other != word) choices.push_back({Question::kCoreference, link.query, {word, other}});
    return;
  }
}

void Trace::phrase_began(Phrase phrase) {
  constituents.push_back({phrase, position(), -1, open_.empty() ? -1 : open_.back()});
  open_.push_back(static_cast<std::int32_t>(constituents.size()) - 1);
}

void Trace::phrase_ended() {
  if (open_.empty()) return;
  constituents[at(open_.back())].end = position();
  open_.pop_back();
}

void Trace::listed(const MachineState& state) { listed_at_[state.n_words - 1u] = position(); }

void Trace::said_again(const MachineState& state, std::size_t index, bool is_certain) {
  copy_of_ = listed_at_[index];
  is_copy_certain_ = is_certain;
  if (is_certain) ask_copy(static_cast<std::int32_t>(index), {state.words.data(), state.n_words});
}

void Trace::remembering() { remember_begin_ = position(); }

void Trace::repeated(const MachineState& state, std::size_t index) {
  copy_of_ = remembered_at_[index];
  is_copy_certain_ = index > 0;
  if (is_copy_certain_) ask_copy(static_cast<std::int32_t>(index), {state.remembered.data(), state.n_remembered});
}

/// The word at `right` of what is said again, against all the others there.
void Trace::ask_copy(std::int32_t right, std::span<const WordId> all) {
  Choice choice{Question::kCopying, position(), {all[at(right)]}};
  for (const WordId word : all)
    if (std::find(choice.ids.begin(), choice.ids.end(), word) == choice.ids.end()) choice.ids.push_back(word);
  if (choice.ids.size() > 1) choices.push_back(std::move(choice));
}

void Trace::cut(std::int64_t length) {
  const auto is_behind = [&](const auto& place) { return place >= length; };
  if (static_cast<std::int64_t>(words.size()) > length) words.resize(static_cast<std::size_t>(length));
  std::erase_if(links, [&](const Link& link) { return is_behind(link.query); });
  std::erase_if(choices, [&](const Choice& choice) { return is_behind(choice.position); });
  std::erase_if(constituents, [&](const Constituent& constituent) { return is_behind(constituent.begin); });
  for (Constituent& constituent : constituents)
    if (constituent.end < 0 || constituent.end > length) constituent.end = static_cast<std::int32_t>(length);
}

}  // namespace headroom
