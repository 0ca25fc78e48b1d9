#include "core/corpus/lexicon.h"

namespace headroom {

WordId Lexicon::id(std::string_view word) const {
  const auto found = ids.find(std::string(word));
  return found == ids.end() ? WordId{-1} : found->second;
}

std::int16_t Lexicon::verb(std::string_view base) const {
  const WordId wanted = id(base);
  for (std::size_t i = 0; i < verbs.size(); ++i)
    if (wanted >= 0 && verbs[i].base == wanted) return static_cast<std::int16_t>(i);
  return -1;
}

std::int16_t Lexicon::noun(std::string_view singular) const {
  const WordId wanted = id(singular);
  for (std::size_t i = 0; i < nouns.size(); ++i)
    if (wanted >= 0 && nouns[i].forms[0] == wanted) return static_cast<std::int16_t>(i);
  return -1;
}

std::vector<LexiconEntry> Lexicon::entries() const {
  std::vector<LexiconEntry> list;
  std::vector<bool> is_listed(words.size(), false);
  const auto add = [&](WordKind kind, std::vector<std::int32_t> forms, Gender gender = Gender::kNone, NounClass noun_class = {}) {
    const std::int32_t lemma = forms.front();
    if (lemma < 0 || is_listed[static_cast<std::size_t>(lemma)]) return;
    is_listed[static_cast<std::size_t>(lemma)] = true;
    list.push_back({kind, lemma, std::move(forms), gender, noun_class});
  };
  for (const Noun& noun : nouns)
    add(WordKind::kNoun, {noun.forms[0], noun.forms[1]}, noun.gender, noun.noun_class);
  for (const Verb& verb : verbs)
    add(verb.is_transitive ? WordKind::kTransitive : WordKind::kIntransitive, {verb.base, verb.with_s, verb.past});
  for (const auto& [word, kind] : small_words)
    if (kind == WordKind::kMood)
      is_listed[static_cast<std::size_t>(word)] = true;  // a mood may be an adjective too: said once, as a mood
  for (const Noun& noun : nouns)
    for (const WordId word : noun.is)
      add(WordKind::kAdjective, {word});
  for (const Preposition& preposition : prepositions)
    add(WordKind::kPreposition, {preposition.word});
  for (const FirstName& name : first_names)
    add(WordKind::kFirstName, {name.word}, name.gender);
  for (const WordId word : surnames)
    add(WordKind::kSurname, {word});
  for (const auto& determiners_of_number : determiners)
    for (const WeightedWord& determiner : determiners_of_number)
      add(WordKind::kDeterminer, {determiner.word});
  add(WordKind::kDeterminer, {determiner_again});
  constexpr std::array<Gender, 4> kGenders{Gender::kFeminine, Gender::kMasculine, Gender::kNeuter, Gender::kNone};
  for (std::size_t i = 0; i < pronouns.size(); ++i) {
    add(WordKind::kPronoun, {pronouns[i][0]}, kGenders[i]);
    add(WordKind::kPronoun, {pronouns[i][1]}, kGenders[i]);
    add(WordKind::kPossessive, {pronouns[i][2]}, kGenders[i]);
  }
  add(WordKind::kCopula, {copula[0][0], copula[0][1], copula[1][0], copula[1][1]});
  add(WordKind::kHave, {have[0][0], have[0][1], have[1][0]});
  for (const WordId word : relative)
    add(WordKind::kRelative, {word});
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto found = small_words.find(static_cast<WordId>(i));
    if (found == small_words.end()) continue;
    is_listed[i] = false;
    add(found->second, {static_cast<std::int32_t>(i)});
  }
  return list;
}

}  // namespace headroom
