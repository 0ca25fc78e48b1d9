#include "core/corpus/translation.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "core/corpus/sentence.h"
#include "core/corpus/translation_words.h"
#include "core/corpus/word_tokenizer.h"
#include "core/formats/tokenizer.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Longer sentences are passed over: about one in a thousand.
constexpr std::size_t kMaxWords = 32;
/// Where the n-th try for a row looks; rows themselves are fewer.
constexpr std::int64_t kNextTry = std::int64_t{1} << 40;
constexpr std::int64_t kMaxTries = 1000;

bool is_mention(WordKind kind) { return kind == WordKind::kNoun || kind == WordKind::kFirstName || kind == WordKind::kPronoun; }

/// One sentence on its way into the other language.
class Translation {
 public:
  Translation(const SentenceTree& tree, const TranslationWords& words) : tree_(tree), words_(words) {
    for (const SentenceWord& word : tree.words) {
      if (word.kind == WordKind::kNoun) marks_[word.entity] = {words.gender_of_noun(word.lemma), word.number};
      if (word.kind == WordKind::kFirstName) marks_[word.entity] = {words.file().gender_of_names(), GrammaticalNumber::kSingular};
    }
  }

  ParallelRow run() const {
    ParallelRow row;
    for (const SentenceWord& word : tree_.words)
      row.source.push_back(words_.english(word.id));
    for (const std::int32_t source : translated_order(tree_, words_.file())) {
      const SentenceWord& word = word_at(source);
      const std::optional<TargetKind> kind = target_kind(word.kind);
      const std::int32_t id = kind ? words_.translated(*kind, word.lemma, agreement_of(source)) : words_.english(word.id);
      if (id < 0) continue;
      const auto target = static_cast<std::int32_t>(row.target.size());
      row.target.push_back(id);
      row.alignment.push_back({Relation::kCopy, target, source});
      if (kind) ask(*kind, source, target, row);
    }
    row.surprisals.assign(row.target.size() + 1, 0);
    return row;
  }

 private:
  const SentenceWord& word_at(std::int32_t source) const { return tree_.words[static_cast<std::size_t>(source)]; }

  /// What the entity's own noun or name says; a pronoun without one in its sentence goes by itself.
  Agreement mark_of(const SentenceWord& word) const {
    if (const auto found = marks_.find(word.entity); found != marks_.end()) return found->second;
    const bool is_someone = word.gender == Gender::kFeminine || word.gender == Gender::kMasculine;
    const TranslationFile& file = words_.file();
    return {is_someone ? file.gender_of_names() : file.gender_of(NounClass::kThing), word.number};
  }

  Agreement agreement_of(std::int32_t source) const {
    const SentenceWord& word = word_at(source);
    Agreement agreement;
    if (word.kind == WordKind::kPossessive) {  // "her" carries its owner, but agrees with what is owned: the next noun
      std::int32_t owned = source;
      while (owned + 1 < std::ssize(tree_.words) && word_at(owned).kind != WordKind::kNoun)
        ++owned;
      agreement = mark_of(word_at(owned));
    } else {
      agreement = mark_of(word);
    }
    agreement.tense = word.tense;
    return agreement;
  }

  /// Does a word that stands nearer than what `source` agrees with wear another mark?
  bool is_distracted(std::int32_t source) const {
    const SentenceWord& word = word_at(source);
    for (std::int32_t i = source - 1; i >= 0; --i)
      if (is_mention(word_at(i).kind)) return word_at(i).entity != word.entity && !(mark_of(word_at(i)) == mark_of(word));
    return false;
  }

  /// Is it said of its noun, as after "is", and not part of the noun's phrase?
  bool is_predicate(std::int32_t source) const {
    bool is_in_predicate = false;  // of the phrases around the word the innermost comes last
    for (const Constituent& phrase : tree_.constituents)
      if (phrase.begin <= source && source < phrase.end) is_in_predicate = phrase.phrase == Phrase::kPredicate;
    return is_in_predicate;
  }

  void ask(TargetKind kind, std::int32_t source, std::int32_t target, ParallelRow& row) const {
    const SentenceWord& word = word_at(source);
    const bool is_asked =
        kind == TargetKind::kVerb || kind == TargetKind::kPronoun || (kind == TargetKind::kAdjective && is_predicate(source));
    if (!is_asked) return;
    const Agreement right = agreement_of(source);
    Choice choice{.position = target, .ids = {row.target[static_cast<std::size_t>(target)]}};
    choice.question = kind == TargetKind::kPronoun ? Question::kCoreference
                      : is_distracted(source)      ? Question::kAgreementAcrossDistractor
                                                   : Question::kAgreement;
    for (std::size_t gender = 0; gender < words_.file().genders.size(); ++gender) {
      for (const GrammaticalNumber number : {GrammaticalNumber::kSingular, GrammaticalNumber::kPlural}) {
        if (kind == TargetKind::kPronoun && number != right.number) continue;  // English says it: "it" or "they"
        const std::int32_t id = words_.translated(kind, word.lemma, {gender, number, right.tense});
        if (std::find(choice.ids.begin(), choice.ids.end(), id) == choice.ids.end()) choice.ids.push_back(id);
      }
    }
    if (choice.ids.size() > 1) row.choices.push_back(std::move(choice));
  }

  const SentenceTree& tree_;
  const TranslationWords& words_;
  std::unordered_map<std::int32_t, Agreement> marks_;  ///< by entity
};

/// The grammar's words by id, "" for its special tokens.
std::vector<std::string> english_words(const Corpus& corpus) {
  std::vector<std::string> words;
  for (std::int32_t id = 0; id < corpus.vocab_size(); ++id) {
    const bool is_special = id == corpus.bos_id() || id == corpus.unknown_id() || id == corpus.mask_id();
    words.emplace_back(is_special ? std::string_view() : corpus.tokenizer()->token_text(id));
  }
  return words;
}

class InventedLanguage : public ParallelCorpus {
 public:
  InventedLanguage(std::shared_ptr<const SentenceSource> source, TranslationFile file)
      : source_(std::move(source)),
        words_(std::move(file), english_words(*source_->corpus()), source_->lexicon()),
        name_("english to " + words_.file().language),
        json_(word_tokenizer_json(words_.vocabulary(), {"", "<unk>", {"<pad>", "<bos>", "<eos>"}})),
        tokenizer_(parse_tokenizer(json_, name_)) {}

  const std::string& name() const override { return name_; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return tokenizer_; }
  const std::string& tokenizer_json() const override { return json_; }
  std::int64_t vocab_size() const override { return std::ssize(words_.vocabulary()); }
  std::int32_t pad_id() const override { return TranslationWords::kPad; }
  std::int32_t bos_id() const override { return TranslationWords::kBos; }
  std::int32_t eos_id() const override { return TranslationWords::kEos; }
  std::int32_t unknown_id() const override { return TranslationWords::kUnknown; }
  std::int64_t max_source() const override { return kMaxWords; }
  std::int64_t max_target() const override { return kMaxWords; }

  ParallelRow row(Stream stream, std::uint64_t seed, std::int64_t index) const override {
    if (index < 0 || index >= kNextTry) throw ShapeError("row " + std::to_string(index) + " cannot be made");
    for (std::int64_t attempt = 0; attempt < kMaxTries; ++attempt) {
      const SentenceTree tree = source_->unscored_sentence(stream, seed, index + attempt * kNextTry);
      if (!tree.words.empty() && tree.words.size() <= kMaxWords) return Translation(tree, words_).run();
    }
    throw Error("the grammar makes hardly any sentence of at most " + std::to_string(kMaxWords) +
                " words, which translation needs");
  }

 private:
  std::shared_ptr<const SentenceSource> source_;
  TranslationWords words_;
  std::string name_;
  std::string json_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace

ParallelCorpus::~ParallelCorpus() = default;

ParallelRow translate(const SentenceTree& tree, const TranslationWords& words) { return Translation(tree, words).run(); }

std::shared_ptr<const ParallelCorpus> open_translation(const std::filesystem::path& folder) {
  return std::make_shared<InventedLanguage>(open_sentences(folder), load_translation_file(folder / "translation.txt"));
}

}  // namespace headroom
