#include "core/corpus/translation_words.h"

#include <algorithm>
#include <utility>

#include "core/formats/file.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::uint32_t kMaxAttempts = 4096;

/// What spells the roots. Models know words that are spelled so: never change it.
std::uint32_t scrambled(std::uint32_t x) {
  x = (x ^ x >> 16) * 0x7feb352dU;
  x = (x ^ x >> 15) * 0x846ca68bU;
  return x ^ x >> 16;
}

/// A root of a pattern, drawn by an English word: the same on every machine.
std::string draw_root(const TranslationFile& file, const std::string& pattern, const std::string& word, std::uint32_t attempt) {
  std::uint32_t hash = scrambled(attempt);
  for (const char letter : word)
    hash = scrambled(hash ^ static_cast<unsigned char>(letter));
  std::string root;
  for (const char sign : pattern) {
    const std::string& letters = sign == 'C' ? file.consonants : file.vowels;
    if (sign != 'C' && sign != 'V') {
      root += sign;
      continue;
    }
    hash = scrambled(hash + 0x9e3779b9U);
    root += letters[hash % letters.size()];
  }
  return root;
}

}  // namespace

TranslationWords::TranslationWords(TranslationFile file, std::span<const std::string> english,
                                   std::span<const LexiconEntry> lexicon)
    : file_(std::move(file)), vocabulary_{"<pad>", "<bos>", "<eos>", "<unk>"}, english_(english.size(), kUnknown) {
  spelled_.insert(vocabulary_.begin(), vocabulary_.end());
  spelled_.insert(english.begin(), english.end());
  for (const auto& [word, root] : file_.roots)
    if (std::find(english.begin(), english.end(), word) == english.end())
      throw Error("the translation gives " + in_quotes(word, 60) + " a root, but the grammar has no such word");
  for (std::size_t kind = 0; kind < kTargetKindCount; ++kind) {
    shared_[kind] = -1;
    if (file_.shared[kind].empty()) continue;
    shared_[kind] = claim(forms_of(static_cast<TargetKind>(kind), file_.shared[kind], 0));
    if (shared_[kind] < 0)
      throw Error("the translation's root " + in_quotes(file_.shared[kind], 60) + " makes a word that is there already");
  }
  std::unordered_map<std::int32_t, std::vector<const LexiconEntry*>> by_lemma;
  for (const LexiconEntry& entry : lexicon)
    by_lemma[entry.lemma].push_back(&entry);
  for (std::size_t id = 0; id < english.size(); ++id) {
    if (english[id].empty()) continue;
    english_[id] = static_cast<std::int32_t>(vocabulary_.size());
    vocabulary_.push_back(english[id]);
    if (const auto found = by_lemma.find(static_cast<std::int32_t>(id)); found != by_lemma.end())
      for (const LexiconEntry* entry : found->second)
        add_translation(*entry, english[id]);
  }
}

std::int32_t TranslationWords::claim(const std::vector<std::string>& forms) {
  for (const std::string& form : forms)
    if (spelled_.contains(form)) return -1;
  const auto first = static_cast<std::int32_t>(vocabulary_.size());
  for (const std::string& form : forms) {
    if (!spelled_.insert(form).second) throw Error("the translation's tenses spell " + in_quotes(form, 60) + " alike");
    vocabulary_.push_back(form);
  }
  return first;
}

void TranslationWords::add_translation(const LexiconEntry& entry, const std::string& word) {
  const std::optional<TargetKind> kind = target_kind(entry.kind);
  if (!kind) return;
  const auto k = static_cast<std::size_t>(*kind);
  std::size_t gender = 0;
  if (*kind == TargetKind::kNoun) noun_gender_[entry.lemma] = gender = file_.gender_of(entry.noun_class);
  if (shared_[k] >= 0) return;
  std::int32_t& first = first_form_[k][entry.lemma];
  if (const auto given = file_.roots.find(word); given != file_.roots.end()) {
    if (given->second == "-") {
      first = -1;
      return;
    }
    auto [known, is_new] = given_[k].try_emplace(given->second, -1);
    if (is_new) known->second = claim(forms_of(*kind, given->second, gender));
    first = known->second;
    if (first < 0)
      throw Error("the translation's root " + in_quotes(given->second, 60) + " of " + in_quotes(word, 60) +
                  " makes a word that is there already");
    return;
  }
  for (std::uint32_t attempt = 0; attempt < kMaxAttempts && !file_.patterns[k].empty(); ++attempt) {
    first = claim(forms_of(*kind, draw_root(file_, file_.patterns[k], word, attempt), gender));
    if (first >= 0) return;
  }
  throw Error("the translation finds no root for " + in_quotes(word, 60) +
              " that is not taken: give its kind of words a longer pattern");
}

std::vector<std::string> TranslationWords::forms_of(TargetKind kind, const std::string& root, std::size_t gender) const {
  std::vector<std::string> forms;
  const auto add_marks = [&](const std::string& stem) {
    for (const TranslationFile::Gender& one : file_.genders)
      for (const std::string& mark : one.marks)
        forms.push_back(stem + mark);
  };
  switch (kind) {
    case TargetKind::kNoun:
      for (const std::string& mark : file_.genders[gender].marks)
        forms.push_back(root + mark);
      break;
    case TargetKind::kVerb:
      for (const std::string& tense : file_.tenses)
        add_marks(root + tense);
      break;
    case TargetKind::kAdjective:
    case TargetKind::kDeterminer:
    case TargetKind::kPronoun:
    case TargetKind::kPossessive:
    case TargetKind::kRelative:
      add_marks(root);
      break;
    case TargetKind::kAdverb:
    case TargetKind::kPreposition:
    case TargetKind::kConjunction:
    case TargetKind::kDegree:
      forms.push_back(root);
      break;
  }
  return forms;
}

std::size_t TranslationWords::form_index(TargetKind kind, const Agreement& agreement) const {
  const std::size_t number = agreement.number == GrammaticalNumber::kPlural ? 1 : 0;
  const std::size_t mark = 2 * agreement.gender + number;
  switch (kind) {
    case TargetKind::kNoun:
      return number;
    case TargetKind::kVerb:
      return (agreement.tense == Tense::kPast ? 2 * file_.genders.size() : 0) + mark;
    case TargetKind::kAdjective:
    case TargetKind::kDeterminer:
    case TargetKind::kPronoun:
    case TargetKind::kPossessive:
    case TargetKind::kRelative:
      return mark;
    case TargetKind::kAdverb:
    case TargetKind::kPreposition:
    case TargetKind::kConjunction:
    case TargetKind::kDegree:
      break;
  }
  return 0;
}

std::int32_t TranslationWords::translated(TargetKind kind, std::int32_t lemma, const Agreement& agreement) const {
  const auto k = static_cast<std::size_t>(kind);
  std::int32_t first = shared_[k];
  if (first < 0) {
    const auto found = first_form_[k].find(lemma);
    if (found == first_form_[k].end()) return english(lemma);
    first = found->second;
  }
  return first < 0 ? -1 : first + static_cast<std::int32_t>(form_index(kind, agreement));
}

std::size_t TranslationWords::gender_of_noun(std::int32_t lemma) const {
  const auto found = noun_gender_.find(lemma);
  return found == noun_gender_.end() ? file_.gender_of(NounClass::kThing) : found->second;
}

}  // namespace headroom
