// The items of rules, one after the other; included by machine-inl.h.
#pragma once

#include "core/corpus/machine-inl.h"

namespace headroom {

template <class Driver>
WordId MachineRun<Driver>::step(const RuleItem& item) {
  switch (item.op) {
    case Op::kEnd:
      --s_.depth;
      if (item.phrase != 0) driver_.phrase_ended();
      return kNoWord;
    case Op::kCall:
      return enter(item.value) ? kNoWord : dead();
    case Op::kWord:
      return said(item, item.value, WordKind::kOther, -1);
    case Op::kNew:
    case Op::kObject:
    case Op::kPlace:
    case Op::kThing:
    case Op::kKeep:
    case Op::kOld:
    case Op::kNewPerson:
    case Op::kOldPerson:
    case Op::kTopic:
    case Op::kNoTopic:
    case Op::kLink:
      return step_entity(item);
    case Op::kPool:
    case Op::kLength:
    case Op::kCommas:
    case Op::kWords:
    case Op::kComma:
    case Op::kSaySame:
    case Op::kSayShuffled:
    case Op::kRemember:
    case Op::kRemembered:
    case Op::kRepeat:
      return step_list(item);
    default:
      return step_word(item);
  }
}

template <class Driver>
WordId MachineRun<Driver>::step_entity(const RuleItem& item) {
  switch (item.op) {
    case Op::kNew:
      create(item, Entity::Source::kMix, item.value);
      break;
    case Op::kObject: {
      if (s_.verb < 0 || !words_.verbs[static_cast<std::size_t>(s_.verb)].is_transitive)
        fail(item, "an object needs a transitive verb before it");
      const std::int16_t whose = owner(item);
      create(item, Entity::Source::kObject, s_.verb).source_owner = whose;
      break;
    }
    case Op::kPlace: {
      if (s_.preposition < 0) fail(item, "a place needs a preposition before it");
      const std::int16_t whose = owner(item);
      create(item, Entity::Source::kPlace, s_.preposition).source_owner = whose;
      break;
    }
    case Op::kThing: {
      const Entity& person = entity_of(item, item.b);
      if (!is_person(person) || person.noun < 0) fail(item, "a favourite thing needs a person whose name was said");
      const std::int16_t whose = person.noun;
      create(item, Entity::Source::kThing, 0).source_owner = whose;
      break;
    }
    case Op::kKeep: {
      Entity& entity = entity_of(item, item.a);
      if (is_person(entity)) fail(item, "people with names come again by old_person");
      entity.is_kept = true;
      break;
    }
    case Op::kOld: {
      const int n = n_old();
      if (n == 0) fail(item, "nothing was kept that can come again");
      int drawn = driver_.pick_uniform(n);
      for (std::size_t i = 0; i < s_.n_entities; ++i)
        if (s_.entities[i].is_kept && drawn-- == 0) s_.registers[static_cast<std::size_t>(item.a)] = static_cast<std::int8_t>(i);
      break;
    }
    case Op::kNewPerson: {
      // Of the other gender than the person before, so that "she" and "he" are never in doubt.
      Gender gender = Gender::kNone;
      for (std::size_t i = 0; i < s_.n_entities; ++i)
        if (is_person(s_.entities[i])) gender = s_.entities[i].gender == Gender::kFeminine ? Gender::kMasculine : Gender::kFeminine;
      if (s_.n_people >= 2) fail(item, "a document can have only two people with names");
      Entity& person = create(item, Entity::Source::kPerson, -1);
      person.gender = gender;
      person.number = 0;
      ++s_.n_people;
      break;
    }
    case Op::kOldPerson: {
      if (s_.n_people == 0) fail(item, "nobody with a name was met before");
      int drawn = s_.n_people == 1 ? 0 : driver_.pick_uniform(s_.n_people);
      for (std::size_t i = 0; i < s_.n_entities; ++i)
        if (is_person(s_.entities[i]) && drawn-- == 0) s_.registers[static_cast<std::size_t>(item.a)] = static_cast<std::int8_t>(i);
      break;
    }
    case Op::kTopic:
      s_.topic = index_of(entity_of(item, item.a));
      break;
    case Op::kNoTopic:
      s_.topic = -1;
      break;
    default:
      driver_.linked(item, s_);
      break;
  }
  return kNoWord;
}

template <class Driver>
WordId MachineRun<Driver>::step_word(const RuleItem& item) {
  if (item.op == Op::kPreposition || item.op == Op::kVerbPreposition) {
    std::array<float, kMaxNouns> weights;  // NOLINT: filled below
    std::array<WordId, kMaxNouns> forms;   // NOLINT
    std::size_t n = 0;
    float total = 0;
    const bool follows_verb = item.op == Op::kVerbPreposition;
    if (follows_verb && (s_.verb < 0 || words_.verbs[static_cast<std::size_t>(s_.verb)].is_transitive))
      fail(item, "preposition:verb needs an intransitive verb before it");
    const auto& list = follows_verb ? words_.verbs[static_cast<std::size_t>(s_.verb)].prepositions
                                    : rules_.preposition_lists[static_cast<std::size_t>(item.value)];
    n = list.size();
    for (std::size_t i = 0; i < n; ++i) {
      forms[i] = words_.prepositions[static_cast<std::size_t>(list[i])].word;
      weights[i] = follows_verb ? rules_.prepositions[std::min(i, rules_.prepositions.size() - 1)] : 1.0f;
      total += weights[i];
    }
    const int drawn = driver_.pick_word({weights.data(), n}, {forms.data(), n}, total);
    if (drawn < 0) return dead();
    s_.preposition = list[static_cast<std::size_t>(drawn)];
    return said(item, forms[static_cast<std::size_t>(drawn)], WordKind::kPreposition, -1);
  }
  Entity& e = entity_of(item, item.a);
  const std::int8_t index = index_of(e);
  const bool needs_noun = item.op == Op::kDoes || item.op == Op::kIs;
  const bool is_named = is_person(e);
  if (needs_noun && (is_named || e.noun < 0)) fail(item, "this needs something whose noun was said before");
  switch (item.op) {
    case Op::kDeterminer: {
      if (is_named) fail(item, "people with names have no determiner");
      draw_number(e);
      if (e.n_mentions > 0) return said(item, words_.determiner_again, WordKind::kDeterminer, index);
      const auto& list = words_.determiners[static_cast<std::size_t>(e.number)];
      std::array<float, kMaxNouns> weights;  // NOLINT: filled below
      std::array<WordId, kMaxNouns> forms;   // NOLINT
      float total = 0;
      for (std::size_t i = 0; i < list.size(); ++i) {
        weights[i] = static_cast<float>(list[i].weight);
        forms[i] = list[i].word;
        total += weights[i];
      }
      const int drawn = driver_.pick_word({weights.data(), list.size()}, {forms.data(), list.size()}, total);
      return drawn < 0 ? dead() : said(item, forms[static_cast<std::size_t>(drawn)], WordKind::kDeterminer, index);
    }
    case Op::kAttribute: {
      if (is_named) fail(item, "people with names have no attribute");
      draw_number(e);
      if (e.noun < 0 && !draw_noun(item, e, Saying::kLater)) return dead();
      const WordId word = e.adjective >= 0 ? e.adjective : draw_adjective(e);
      return word < 0 ? word : said(item, word, WordKind::kAdjective, index);
    }
    case Op::kNoun: {
      if (is_named) fail(item, "people with names have no noun");
      draw_number(e);
      if (e.noun < 0 && !draw_noun(item, e, Saying::kNow)) return dead();
      const WordId word = said(item, noun_of(e).forms[static_cast<std::size_t>(e.number)], WordKind::kNoun, index);
      e.n_mentions = static_cast<std::uint8_t>(std::min(e.n_mentions + 1, 255));
      e.is_pronoun = false;
      return word;
    }
    case Op::kFirstName: {
      if (!is_named) fail(item, "only people with names have a first name");
      if (e.noun < 0) {
        if (e.gender == Gender::kNone) e.gender = driver_.flip(0.5f) ? Gender::kFeminine : Gender::kMasculine;
        const auto& list = words_.names_of_gender[e.gender == Gender::kFeminine ? 0 : 1];
        std::array<WordId, kMaxNouns> forms;  // NOLINT: filled below
        for (std::size_t i = 0; i < list.size(); ++i)
          forms[i] = words_.first_names[static_cast<std::size_t>(list[i])].word;
        const int drawn = driver_.pick_word_uniform({forms.data(), list.size()});
        if (drawn < 0) return dead();
        e.noun = list[static_cast<std::size_t>(drawn)];
      }
      const WordId word = said(item, words_.first_names[static_cast<std::size_t>(e.noun)].word, WordKind::kFirstName, index);
      e.n_mentions = static_cast<std::uint8_t>(std::min(e.n_mentions + 1, 255));
      e.is_pronoun = false;
      return word;
    }
    case Op::kSurname: {
      if (!is_named) fail(item, "only people with names have a surname");
      if (e.surname < 0) {
        const int drawn = driver_.pick_word_uniform(words_.surnames);
        if (drawn < 0) return dead();
        e.surname = static_cast<std::int16_t>(drawn);
      }
      return said(item, words_.surnames[static_cast<std::size_t>(e.surname)], WordKind::kSurname, index);
    }
    case Op::kRelative: {
      const bool is_someone = is_named || (e.noun >= 0 && noun_of(e).noun_class == NounClass::kPerson);
      return said(item, words_.relative[is_someone ? 0 : 1], WordKind::kRelative, index);
    }
    case Op::kPronoun: {
      if (e.n_mentions == 0) fail(item, "a pronoun needs something that was said before");
      e.is_pronoun = true;
      const std::size_t row = e.number == 1 ? 3 : e.gender == Gender::kFeminine ? 0 : e.gender == Gender::kMasculine ? 1 : 2;
      return said(item, words_.pronouns[row][static_cast<std::size_t>(item.value)], WordKind::kPronoun, index);
    }
    case Op::kPossessive: {
      if (!is_named || e.n_mentions == 0) fail(item, "his and her need a person whose name was said");
      return said(item, words_.pronouns[e.gender == Gender::kFeminine ? 0 : 1][2], WordKind::kPossessive, index);
    }
    case Op::kCopula:
      draw_tense();
      return said(item, words_.copula[static_cast<std::size_t>(s_.tense)][static_cast<std::size_t>(e.number)], WordKind::kCopula,
                  index);
    case Op::kHave:
      draw_tense();
      return said(item, words_.have[static_cast<std::size_t>(s_.tense)][static_cast<std::size_t>(e.number)], WordKind::kHave,
                  index);
    case Op::kIs: {
      const WordId word = draw_adjective(e);
      return word < 0 ? word : said(item, word, WordKind::kAdjective, index);
    }
    case Op::kMood: {
      if (!is_named || e.noun < 0) fail(item, "a mood needs a person whose name was said");
      const auto& moods = words_.first_names[static_cast<std::size_t>(e.noun)].moods;
      std::array<float, kMaxNouns> weights;  // NOLINT: filled below
      float total = 0;
      for (std::size_t i = 0; i < moods.size(); ++i) {
        weights[i] = rules_.moods[std::min(i, rules_.moods.size() - 1)];
        total += weights[i];
      }
      const int drawn = driver_.pick_word({weights.data(), moods.size()}, moods, total);
      return drawn < 0 ? dead() : said(item, moods[static_cast<std::size_t>(drawn)], WordKind::kMood, index);
    }
    case Op::kDoes:
      return say_verb(item, e, noun_of(e).does, &rules_.does);
    case Op::kActs:
      return say_verb(item, e, item.value > 0 ? rules_.verb_lists[static_cast<std::size_t>(item.value - 1)] : rules_.transitive,
                      nullptr);
    default: {  // kActsOn
      const Entity& object = entity_of(item, item.b);
      if (is_person(object) || object.noun < 0) fail(item, "acts_on needs an object whose noun was said");
      return say_verb(item, e, rules_.transitive_taking[static_cast<std::size_t>(noun_of(object).noun_class)], nullptr);
    }
  }
}

template <class Driver>
WordId MachineRun<Driver>::step_list(const RuleItem& item) {
  switch (item.op) {
    case Op::kPool:
      s_.pool = static_cast<std::int8_t>(item.value);
      s_.n_words = 0;
      return kNoWord;
    case Op::kLength:
      if (s_.n_words > 0) fail(item, "the length of the groups can not change within a list");
      s_.length = static_cast<std::uint8_t>(item.value);
      return kNoWord;
    case Op::kCommas:
      s_.has_commas = item.value != 0;
      return kNoWord;
    case Op::kComma:
      return s_.has_commas ? said(item, words_.comma, WordKind::kSign, -1) : kNoWord;
    case Op::kWords: {
      if (s_.pool < 0) fail(item, "words need a pool: before it");
      const auto& pool = rules_.pools[static_cast<std::size_t>(s_.pool)];
      if (s_.n_words >= kMaxListWords) fail(item, "a list has more than 24 words");
      if (s_.n_words >= pool.size()) fail(item, "the pool has too few words for this list");
      const int drawn = driver_.pick_fresh(pool, {s_.words.data(), s_.n_words});
      if (drawn < 0) return dead();
      const WordId word = pool[static_cast<std::size_t>(drawn)];
      s_.words[s_.n_words++] = word;
      s_.word_step = static_cast<std::uint8_t>((s_.word_step + 1) % s_.length);
      if (s_.word_step != 0) again();
      driver_.listed(s_);
      return said(item, word, WordKind::kOther, -1);
    }
    case Op::kRemember:
      s_.is_remembering = true;
      s_.n_remembered = 0;
      driver_.remembering();
      return kNoWord;
    case Op::kRemembered:
      s_.is_remembering = false;
      return kNoWord;
    case Op::kRepeat: {
      if (s_.is_remembering || s_.n_remembered == 0) fail(item, "nothing is remembered that could be repeated");
      const std::uint8_t at = s_.n_repeated;
      s_.n_repeated = static_cast<std::uint8_t>((at + 1) % s_.n_remembered);
      if (s_.n_repeated != 0) again();
      driver_.repeated(s_, at);
      return said(item, s_.remembered[at], WordKind::kOther, -1);
    }
    default:
      return say_list(item);
  }
}

/// The groups again, word by word, with commas between them where the list has them.
template <class Driver>
WordId MachineRun<Driver>::say_list(const RuleItem& item) {
  const std::uint32_t n_groups = s_.n_words / s_.length;
  if (n_groups == 0) fail(item, "there is no list that could be said again");
  const std::uint32_t all = (1u << n_groups) - 1;
  if (!s_.is_saying) {
    s_.is_saying = true;
    s_.unsaid = all;
    s_.in_group = s_.length;
    s_.is_comma_said = true;
  }
  const bool is_first_group = s_.unsaid == all;
  if (s_.in_group == s_.length) {
    if (s_.unsaid == 0) {
      s_.is_saying = false;
      return kNoWord;
    }
    again();
    if (s_.has_commas && !s_.is_comma_said) {
      s_.is_comma_said = true;
      return said(item, words_.comma, WordKind::kSign, -1);
    }
    std::array<WordId, kMaxListWords> firsts;        // NOLINT: filled below
    std::array<std::uint8_t, kMaxListWords> groups;  // NOLINT
    std::size_t n = 0;
    for (std::uint32_t group = 0; group < n_groups; ++group) {
      if (((s_.unsaid >> group) & 1u) == 0) continue;
      firsts[n] = s_.words[group * s_.length];
      groups[n++] = static_cast<std::uint8_t>(group);
    }
    const int drawn = item.op == Op::kSaySame || n == 1 ? 0 : driver_.pick_word_uniform({firsts.data(), n});
    if (drawn < 0) return dead();
    s_.group = groups[static_cast<std::size_t>(drawn)];
    s_.unsaid &= ~(1u << s_.group);
    s_.in_group = 0;
    s_.is_comma_said = false;
  } else {
    again();
  }
  const bool is_certain = s_.in_group > 0 || (item.op == Op::kSaySame && !is_first_group);
  const std::size_t at = static_cast<std::size_t>(s_.group) * s_.length + s_.in_group;
  ++s_.in_group;
  driver_.said_again(s_, at, is_certain);
  return said(item, s_.words[at], WordKind::kOther, -1);
}

}  // namespace headroom
