// The machine's one loop, for whoever draws: a sampler draws at random, a reader tries every branch that gives the word it has read.
#pragma once

#include <span>

#include "core/corpus/machine.h"

namespace headroom {

/// A choice made by the driver. Every method gives the index that was chosen, or -1 when this branch is dead. The words of `words` are what
/// an index would say at once.
template <class Driver>
class MachineRun {
 public:
  MachineRun(const Grammar& grammar, MachineState& state, Driver& driver)
      : grammar_(grammar), rules_(grammar.rules), words_(grammar.lexicon), s_(state), driver_(driver) {}

  /// Runs to the next word, or gives kNoWord or kEndOfRule.
  WordId next_word() {
    if (s_.begin_rule >= 0) {
      const std::int16_t rule = s_.begin_rule;
      s_.begin_rule = -1;
      if (!enter(rule)) return kNoWord;
    }
    while (s_.depth > 0) {
      const RuleItem& item = rules_.items[s_.stack[s_.depth - 1u]++];
      const WordId word = step(item);
      if (is_dead_) return kNoWord;
      if (word < 0) continue;
      if (s_.is_remembering) {
        if (s_.n_remembered >= kMaxRemembered) fail(item, "more than 32 words are to be remembered");
        s_.remembered[s_.n_remembered++] = word;
      }
      return word;
    }
    return kEndOfRule;
  }

 private:
  [[noreturn]] void fail(const RuleItem& item, const char* problem) const { grammar_.fail(item.line, problem); }

  WordId dead() {
    is_dead_ = true;
    return kNoWord;
  }

  bool is_allowed(const Alternative& alternative, const Rule& rule) const {
    for (std::size_t i = 0; i < alternative.n_guards; ++i) {
      const Guard& guard = rules_.guards[alternative.first_guard + i];
      bool holds = false;
      switch (guard.kind) {
        case Guard::Kind::kOld:
          holds = n_old() > 0;
          break;
        case Guard::Kind::kPeople:
          holds = s_.n_people == guard.value;
          break;
        case Guard::Kind::kTopic:
          holds = can_be_pronoun(s_.registers[static_cast<std::size_t>(guard.reg)]);
          break;
        case Guard::Kind::kClass: {
          const std::int8_t index = s_.registers[static_cast<std::size_t>(guard.reg)];
          if (index < 0) grammar_.fail(rule.line, "a guard asks for the class of a register that is still empty");
          const Entity& entity = s_.entities[static_cast<std::size_t>(index)];
          const bool is_person = entity.source == Entity::Source::kPerson;
          if (!is_person && entity.noun < 0)
            grammar_.fail(rule.line, "a guard asks for the class of something whose noun is not said yet");
          const NounClass noun_class = is_person ? NounClass::kPerson : noun_of(entity).noun_class;
          holds = (guard.value >> static_cast<unsigned>(noun_class)) & 1u;
          break;
        }
      }
      if (holds == guard.is_negated) return false;
    }
    return true;
  }

  bool enter(std::int16_t index) {
    const Rule& rule = rules_.rules[static_cast<std::size_t>(index)];
    std::array<float, 64> weights;  // NOLINT: filled below
    float total = rule.total;
    const Alternative* alternatives = &rules_.alternatives[rule.first_alternative];
    std::size_t chosen = 0;
    if (rule.n_alternatives > 1 || rule.has_guards) {
      if (rule.has_guards) total = 0;
      for (std::size_t i = 0; i < rule.n_alternatives; ++i) {
        weights[i] = alternatives[i].weight;
        if (!rule.has_guards) continue;
        if (!is_allowed(alternatives[i], rule)) weights[i] = 0;
        total += weights[i];
      }
      if (total <= 0) grammar_.fail(rule.line, "no alternative of this rule is allowed here; add one without a guard");
      const int drawn = driver_.pick({weights.data(), rule.n_alternatives}, total);
      chosen = static_cast<std::size_t>(drawn);
    }
    if (s_.depth >= kMaxDepth) grammar_.fail(rule.line, "rules call each other more than 24 deep");
    if (rule.phrase >= 0) driver_.phrase_began(static_cast<Phrase>(rule.phrase));
    s_.stack[s_.depth++] = alternatives[chosen].first_item;
    return true;
  }

  // --- who is spoken of ---

  Entity& entity_of(const RuleItem& item, std::int8_t reg) {
    const std::int8_t index = s_.registers[static_cast<std::size_t>(reg)];
    if (index < 0) fail(item, "a register is used before anything was put into it");
    return s_.entities[static_cast<std::size_t>(index)];
  }
  std::int8_t index_of(const Entity& entity) const { return static_cast<std::int8_t>(&entity - s_.entities.data()); }
  const Noun& noun_of(const Entity& entity) const { return words_.nouns[static_cast<std::size_t>(entity.noun)]; }
  static bool is_person(const Entity& entity) { return entity.source == Entity::Source::kPerson; }

  Entity& create(const RuleItem& item, Entity::Source source, std::int16_t value) {
    if (s_.n_entities >= kMaxEntities) fail(item, "a document speaks of more than 24 people and things");
    s_.registers[static_cast<std::size_t>(item.a)] = static_cast<std::int8_t>(s_.n_entities);
    Entity& entity = s_.entities[s_.n_entities++];
    entity = {.source = source, .source_value = value};
    return entity;
  }
  /// The noun of the register whose favourites count, -1 for none.
  std::int16_t owner(const RuleItem& item) {
    if (item.b < 0) return -1;
    const Entity& entity = entity_of(item, item.b);
    return is_person(entity) ? std::int16_t{-1} : entity.noun;
  }

  int n_old() const {
    int n = 0;
    for (std::size_t i = 0; i < s_.n_entities; ++i)
      n += s_.entities[i].is_kept ? 1 : 0;
    return n;
  }
  bool can_be_pronoun(std::int8_t index) const {
    if (index < 0 || s_.topic != index) return false;
    const Entity& entity = s_.entities[static_cast<std::size_t>(index)];
    return entity.number == 1 || entity.gender != Gender::kNone;
  }

  /// A noun that may come again must stay the only one of its kind, so that "the cat" is never in doubt.
  bool is_taken(std::int16_t noun) const {
    for (std::size_t i = 0; i < s_.n_entities; ++i)
      if (s_.entities[i].is_kept && s_.entities[i].noun == noun) return true;
    return false;
  }

  enum class Saying { kNow, kLater };

  /// Draws what a new entity is. Its number is known.
  bool draw_noun(const RuleItem& item, Entity& entity, Saying saying) {
    const std::vector<std::int16_t>* nouns = nullptr;
    std::int16_t favourite = -1;
    float share = 0;
    switch (entity.source) {
      case Entity::Source::kMix: {
        const auto& mix = rules_.mixes[static_cast<std::size_t>(entity.source_value)];
        const int drawn = driver_.pick({mix.data(), 4}, mix[0] + mix[1] + mix[2] + mix[3]);
        nouns = &words_.nouns_of_class[static_cast<std::size_t>(drawn)];
        break;
      }
      case Entity::Source::kObject:
        nouns = &words_.verbs[static_cast<std::size_t>(entity.source_value)].objects;
        if (entity.source_owner >= 0)
          favourite = words_.nouns[static_cast<std::size_t>(entity.source_owner)]
                          .favourite_object[static_cast<std::size_t>(entity.source_value)];
        share = rules_.favourite_object;
        break;
      case Entity::Source::kPlace:
        nouns = &words_.prepositions[static_cast<std::size_t>(entity.source_value)].places;
        if (entity.source_owner >= 0)
          favourite = words_.nouns[static_cast<std::size_t>(entity.source_owner)]
                          .favourite_place[static_cast<std::size_t>(entity.source_value)];
        share = rules_.favourite_place;
        break;
      case Entity::Source::kThing:
        nouns = &words_.nouns_of_class[static_cast<std::size_t>(NounClass::kThing)];
        if (entity.source_owner >= 0) favourite = words_.first_names[static_cast<std::size_t>(entity.source_owner)].thing;
        share = rules_.favourite_thing;
        break;
      case Entity::Source::kPerson:
        fail(item, "a person with a name has no noun");
    }
    std::array<std::int16_t, kMaxNouns> choices;  // NOLINT: filled below
    std::array<float, kMaxNouns> weights;         // NOLINT
    std::array<WordId, kMaxNouns> forms;          // NOLINT
    std::size_t n = 0;
    std::size_t favourite_at = kMaxNouns;
    const std::size_t number = static_cast<std::size_t>(entity.number);
    for (const std::int16_t noun : *nouns) {
      if (is_taken(noun) || (noun == entity.source_owner && entity.source != Entity::Source::kThing)) continue;
      if (noun == favourite) favourite_at = n;
      forms[n] = words_.nouns[static_cast<std::size_t>(noun)].forms[number];
      choices[n++] = noun;
    }
    if (n == 0) {  // a small vocabulary: then doubt is better than silence
      for (const std::int16_t noun : *nouns) {
        forms[n] = words_.nouns[static_cast<std::size_t>(noun)].forms[number];
        choices[n++] = noun;
      }
      if (n == 0) fail(item, "there is no noun for this place");
    }
    int drawn = 0;
    if (favourite_at == kMaxNouns) {
      drawn = saying == Saying::kNow ? driver_.pick_word_uniform({forms.data(), n}) : driver_.pick_uniform(static_cast<int>(n));
    } else {
      const float rest = (1 - share) / static_cast<float>(n);
      for (std::size_t i = 0; i < n; ++i)
        weights[i] = rest;
      weights[favourite_at] += share;
      drawn = saying == Saying::kNow ? driver_.pick_word({weights.data(), n}, {forms.data(), n}, 1.0f)
                                     : driver_.pick({weights.data(), n}, 1.0f);
    }
    if (drawn < 0) return false;
    entity.noun = choices[static_cast<std::size_t>(drawn)];
    entity.gender = noun_of(entity).gender;
    return true;
  }

  void draw_number(Entity& entity) {
    if (entity.number < 0) entity.number = driver_.flip(rules_.plural) ? 1 : 0;
  }
  void draw_tense() {
    if (s_.tense < 0) s_.tense = driver_.flip(rules_.past) ? 1 : 0;
  }

  // --- words ---

  WordId said(const RuleItem& item, WordId word, WordKind kind, std::int8_t entity) {
    driver_.said(item, s_, SaidWord{word, kind, entity});
    return word;
  }

  WordId form(const Verb& verb, const Entity& subject) const {
    return s_.tense == 1 ? verb.past : subject.number == 1 ? verb.base : verb.with_s;
  }

  /// One of the verbs `list`, in the form that the subject needs; weights fall (the last one goes on), or all are alike where there are none.
  WordId say_verb(const RuleItem& item, const Entity& subject, const std::vector<std::int16_t>& list,
                  const std::vector<float>* falling) {
    draw_tense();
    std::array<float, kMaxNouns> weights;  // NOLINT: filled below
    std::array<WordId, kMaxNouns> forms;   // NOLINT
    float total = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
      forms[i] = form(words_.verbs[static_cast<std::size_t>(list[i])], subject);
      weights[i] = falling == nullptr ? 1.0f : (*falling)[std::min(i, falling->size() - 1)];
      total += weights[i];
    }
    if (list.empty()) fail(item, "no verb fits here");
    const int drawn = driver_.pick_word({weights.data(), list.size()}, {forms.data(), list.size()}, total);
    if (drawn < 0) return dead();
    s_.verb = list[static_cast<std::size_t>(drawn)];
    const bool is_transitive = words_.verbs[static_cast<std::size_t>(s_.verb)].is_transitive;
    return said(item, forms[static_cast<std::size_t>(drawn)], is_transitive ? WordKind::kTransitive : WordKind::kIntransitive,
                index_of(subject));
  }

  /// An adjective of the noun, not the one said before; weights by its place in nouns.txt.
  WordId draw_adjective(Entity& entity) {
    const auto& adjectives = noun_of(entity).is;
    std::array<float, kMaxNouns> weights;  // NOLINT: filled below
    float total = 0;
    for (std::size_t i = 0; i < adjectives.size(); ++i) {
      weights[i] = adjectives[i] == entity.adjective ? 0.0f : rules_.is[std::min(i, rules_.is.size() - 1)];
      total += weights[i];
    }
    const int drawn = driver_.pick_word({weights.data(), adjectives.size()}, adjectives, total);
    if (drawn < 0) return dead();
    const WordId word = adjectives[static_cast<std::size_t>(drawn)];
    if (entity.adjective < 0) entity.adjective = word;
    return word;
  }

  WordId step(const RuleItem& item);
  WordId step_entity(const RuleItem& item);
  WordId step_word(const RuleItem& item);
  WordId step_list(const RuleItem& item);
  WordId say_list(const RuleItem& item);
  /// The same item comes again for the next word.
  void again() { --s_.stack[s_.depth - 1u]; }

  const Grammar& grammar_;
  const Rules& rules_;
  const Lexicon& words_;
  MachineState& s_;
  Driver& driver_;
  bool is_dead_ = false;
};

}  // namespace headroom

#include "core/corpus/machine_steps-inl.h"
