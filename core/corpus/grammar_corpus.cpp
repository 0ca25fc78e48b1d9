#include <cmath>
#include <limits>

#include "core/corpus/corpus.h"
#include "core/corpus/reader.h"
#include "core/corpus/sampler.h"
#include "core/corpus/sentence.h"
#include "core/corpus/word_tokenizer.h"
#include "core/formats/tokenizer.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Streams are told apart by what their random numbers begin with; single sentences are streams of their own.
enum class RandomKind : std::uint64_t {
  kTrainingRows = 1,
  kHeldOutRows = 2,
  kTrainingSentences = 3,
  kHeldOutSentences = 4,
  kTrial = 5
};

RowRandom random_of(RandomKind kind, std::uint64_t seed, std::int64_t index) {
  return {static_cast<std::uint64_t>(kind), seed, static_cast<std::uint64_t>(index)};
}

void check_row(std::int64_t index, std::int64_t length) {
  if (length < 1) throw ShapeError("a row must have at least 1 token, but its length is " + std::to_string(length));
  if (index < 0) throw ShapeError("rows are counted from 0, but the index is " + std::to_string(index));
}

/// Says documents one after the other: word(id) for each token until it gives false.
template <class Word>
void say_documents(const Grammar& grammar, Sampler& sampler, Trace* trace, Word word) {
  MachineState state;
  MachineRun<Sampler> run(grammar, state, sampler);
  for (;;) {
    state.begin(grammar.rules.start);
    if (!word(grammar.lexicon.bos)) return;
    if (trace != nullptr) trace->document_began(grammar.lexicon.bos);
    for (WordId next = run.next_word(); next != kEndOfRule; next = run.next_word())
      if (!word(next)) return;
  }
}

class GrammarCorpus final : public Corpus {
 public:
  explicit GrammarCorpus(std::shared_ptr<const Grammar> grammar)
      : grammar_(std::move(grammar)),
        json_(word_tokenizer_json(grammar_->lexicon.words, {"<bos>", "<unk>", {"<mask>"}})),
        tokenizer_(parse_tokenizer(json_, "the grammar's tokenizer.json")) {}

  const std::string& name() const override { return name_; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return tokenizer_; }
  const std::string& tokenizer_json() const override { return json_; }
  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(grammar_->lexicon.words.size()); }
  std::int32_t bos_id() const override { return grammar_->lexicon.bos; }
  std::int32_t unknown_id() const override { return grammar_->lexicon.unknown; }
  std::int32_t mask_id() const override { return grammar_->lexicon.mask; }
  bool has_known_floor() const override { return true; }

  CorpusRow row(Stream stream, std::uint64_t seed, std::int64_t index, std::int64_t length) const override {
    check_row(index, length);
    RowRandom random = rows_of(stream, seed, index);
    Trace trace(*grammar_);
    Sampler sampler(random, &trace);
    CorpusRow row;
    // One word more than the row holds: links that are known only behind a word belong to it.
    std::int64_t left = length + 1;
    say_documents(*grammar_, sampler, &trace, [&](WordId word) {
      if (static_cast<std::int64_t>(row.ids.size()) < length) row.ids.push_back(word);
      return --left > 0;
    });
    trace.cut(length);
    row.links = std::move(trace.links);
    row.choices = std::move(trace.choices);
    Reader reader(*grammar_, grammar_->rules.start);
    row.surprisals.reserve(row.ids.size());
    for (const std::int32_t id : row.ids)
      row.surprisals.push_back(static_cast<float>(reader.read(static_cast<WordId>(id))));
    return row;
  }

  void row_ids(Stream stream, std::uint64_t seed, std::int64_t index, std::span<std::int32_t> ids) const override {
    check_row(index, static_cast<std::int64_t>(ids.size()));
    RowRandom random = rows_of(stream, seed, index);
    Sampler sampler(random, nullptr);
    std::size_t n = 0;
    say_documents(*grammar_, sampler, nullptr, [&](WordId word) {
      ids[n++] = word;
      return n < ids.size();
    });
  }

 private:
  static RowRandom rows_of(Stream stream, std::uint64_t seed, std::int64_t index) {
    return random_of(stream == Stream::kTraining ? RandomKind::kTrainingRows : RandomKind::kHeldOutRows, seed, index);
  }

  std::string name_ = "grammar";
  std::shared_ptr<const Grammar> grammar_;
  std::string json_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

class GrammarSentences final : public SentenceSource {
 public:
  explicit GrammarSentences(const std::shared_ptr<const Grammar>& grammar)
      : grammar_(grammar), corpus_(std::make_shared<GrammarCorpus>(grammar)), lexicon_(grammar->lexicon.entries()) {}

  std::shared_ptr<const Corpus> corpus() const override { return corpus_; }
  const std::vector<LexiconEntry>& lexicon() const override { return lexicon_; }

  SentenceTree sentence(Stream stream, std::uint64_t seed, std::int64_t index) const override {
    SentenceTree tree = unscored_sentence(stream, seed, index);
    Reader reader(*grammar_, grammar_->rules.sentence);
    for (const SentenceWord& word : tree.words)
      tree.surprisals.push_back(static_cast<float>(reader.read(static_cast<WordId>(word.id))));
    return tree;
  }

  SentenceTree unscored_sentence(Stream stream, std::uint64_t seed, std::int64_t index) const override {
    check_row(index, 1);
    RowRandom random =
        random_of(stream == Stream::kTraining ? RandomKind::kTrainingSentences : RandomKind::kHeldOutSentences, seed, index);
    Trace trace(*grammar_);
    trace.document_began(grammar_->lexicon.bos);
    trace.words.clear();
    Sampler sampler(random, &trace);
    MachineState state;
    state.begin(grammar_->rules.sentence);
    MachineRun<Sampler> run(*grammar_, state, sampler);
    while (run.next_word() != kEndOfRule) {
    }
    return {std::move(trace.words), std::move(trace.constituents), {}, std::move(trace.links), std::move(trace.choices)};
  }

 private:
  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const Corpus> corpus_;
  std::vector<LexiconEntry> lexicon_;
};

}  // namespace

SentenceSource::~SentenceSource() = default;

Grammar load_grammar(const std::filesystem::path& folder, const GrammarOptions& options) {
  Grammar grammar;
  grammar.lexicon = load_lexicon(folder);
  grammar.rules = load_rules(folder / "rules.txt", grammar.lexicon, options);
  // A document that never ends would hang whoever reads it; so long ones are cut, and what is wrong in a rule shows here.
  constexpr int kTrials = 300;
  constexpr int kTrialWords = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    RowRandom random = random_of(RandomKind::kTrial, 0, trial);
    Sampler sampler(random, nullptr);
    int left = kTrialWords;
    bool has_ended = false;
    MachineState state;
    state.begin(trial % 2 == 0 ? grammar.rules.start : grammar.rules.sentence);
    MachineRun<Sampler> run(grammar, state, sampler);
    bool has_words = false;
    while (!has_ended && left-- > 0) {
      has_ended = run.next_word() == kEndOfRule;
      has_words = has_words || !has_ended;
    }
    if (!has_ended) throw Error(grammar.rules.path + ": a document goes on for more than 2,000 words; give its rules a way to end");
    if (!has_words) throw Error(grammar.rules.path + ": a document can be empty; every one must say a word");
  }
  return grammar;
}

std::shared_ptr<const Corpus> open_grammar(const std::filesystem::path& folder, const GrammarOptions& options) {
  return std::make_shared<GrammarCorpus>(std::make_shared<Grammar>(load_grammar(folder, options)));
}

std::shared_ptr<const SentenceSource> open_sentences(const std::filesystem::path& folder, const GrammarOptions& options) {
  return std::make_shared<GrammarSentences>(std::make_shared<Grammar>(load_grammar(folder, options)));
}

}  // namespace headroom
