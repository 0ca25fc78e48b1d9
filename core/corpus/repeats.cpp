#include "core/corpus/repeats.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "core/corpus/random.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Rows that are searched for nouns and names: a few hundred show nearly all of them.
constexpr std::int64_t kSearchedRows = 256;
/// Streams of random numbers of their own, so that the corpus's rows stay what they were.
constexpr std::uint64_t kWhichRows = 21, kWhichWords = 22, kOrderOfWords = 23;

class RepeatingCorpus final : public Corpus {
 public:
  RepeatingCorpus(std::shared_ptr<const Corpus> corpus, const RepeatCurriculum& curriculum, std::vector<std::int32_t> words)
      : corpus_(std::move(corpus)), curriculum_(curriculum), words_(std::move(words)) {
    // Which words come first must not follow the vocabulary's order, where kinds of words stand together.
    RowRandom random(kOrderOfWords, 0, 0);
    for (std::size_t i = words_.size(); i > 1; --i)
      std::swap(words_[i - 1], words_[random.below(static_cast<std::uint32_t>(i))]);
  }

  const std::string& name() const override { return corpus_->name(); }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return corpus_->tokenizer(); }
  const std::string& tokenizer_json() const override { return corpus_->tokenizer_json(); }
  std::int64_t vocab_size() const override { return corpus_->vocab_size(); }
  std::int32_t bos_id() const override { return corpus_->bos_id(); }
  std::int32_t unknown_id() const override { return corpus_->unknown_id(); }
  std::int32_t mask_id() const override { return corpus_->mask_id(); }
  std::int32_t pad_id() const override { return corpus_->pad_id(); }
  bool has_known_floor() const override { return corpus_->has_known_floor(); }

  CorpusRow row(Stream stream, std::uint64_t seed, std::int64_t index, std::int64_t length) const override {
    if (length < 1 || !repeats(stream, seed, index)) return corpus_->row(stream, seed, index, length);
    CorpusRow row;
    row.ids.resize(static_cast<std::size_t>(length));
    const Segment segment = fill(seed, index, row.ids);
    for (std::int64_t i = 0; i < length; ++i)
      row.surprisals.push_back(surprisal(i, segment));
    for (std::int64_t i = segment.period + 2; i < length; ++i)
      row.links.push_back({Relation::kCopy, static_cast<std::int32_t>(i), static_cast<std::int32_t>(i - segment.period)});
    return row;
  }

  void row_ids(Stream stream, std::uint64_t seed, std::int64_t index, std::span<std::int32_t> ids) const override {
    if (ids.empty() || !repeats(stream, seed, index)) return corpus_->row_ids(stream, seed, index, ids);
    fill(seed, index, ids);
  }

 private:
  struct Segment {
    std::int64_t period = 0, n_words = 0;
  };

  /// 0 before the change, 1 after it.
  double change(std::int64_t index) const {
    if (index >= curriculum_.to_row) return 1;
    if (index <= curriculum_.from_row) return 0;
    return static_cast<double>(index - curriculum_.from_row) / static_cast<double>(curriculum_.to_row - curriculum_.from_row);
  }

  bool repeats(Stream stream, std::uint64_t seed, std::int64_t index) const {
    if (stream != Stream::kTraining || index < 0) return false;
    const double share = curriculum_.first_share + (curriculum_.last_share - curriculum_.first_share) * change(index);
    return static_cast<double>(RowRandom(kWhichRows, seed, static_cast<std::uint64_t>(index)).unit()) < share;
  }

  Segment fill(std::uint64_t seed, std::int64_t index, std::span<std::int32_t> ids) const {
    const auto all = static_cast<double>(words_.size()), few = std::min(static_cast<double>(curriculum_.first_words), all);
    Segment segment;
    segment.n_words = std::llround(few + (all - few) * change(index));
    RowRandom random(kWhichWords, seed, static_cast<std::uint64_t>(index));
    segment.period =
        curriculum_.min_period +
        static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(curriculum_.max_period - curriculum_.min_period + 1)));
    std::vector<std::int32_t> words(words_.begin(), words_.begin() + segment.n_words);
    for (std::int64_t i = 0; i < segment.period; ++i)
      std::swap(words[static_cast<std::size_t>(i)],
                words[static_cast<std::size_t>(i) + random.below(static_cast<std::uint32_t>(segment.n_words - i))]);
    const bool has_bos = corpus_->bos_id() >= 0;
    if (has_bos) ids[0] = corpus_->bos_id();
    for (std::size_t i = has_bos ? 1 : 0; i < ids.size(); ++i)
      ids[i] = words[(i - (has_bos ? 1 : 0)) % static_cast<std::size_t>(segment.period)];
    return segment;
  }

  /// After n different words the segment goes on with one of those not yet said, or begins again with its first, where its length may be n.
  float surprisal(std::int64_t position, const Segment& segment) const {
    const std::int64_t said = position - (corpus_->bos_id() >= 0 ? 1 : 0);
    if (said < 0 || said > segment.period) return 0;
    const auto left = static_cast<double>(curriculum_.max_period - said + 1);
    const double ends = said < curriculum_.min_period || said > curriculum_.max_period ? 0 : 1 / left;
    if (said == segment.period) return static_cast<float>(-std::log(ends));
    return static_cast<float>(-std::log((1 - ends) / static_cast<double>(segment.n_words - said)));
  }

  std::shared_ptr<const Corpus> corpus_;
  RepeatCurriculum curriculum_;
  std::vector<std::int32_t> words_;
};

}  // namespace

std::vector<std::int32_t> content_words(const Corpus& corpus, const SearchedRows& rows) {
  std::set<std::int32_t> words;
  for (std::int64_t index = 0; index < kSearchedRows; ++index) {
    const CorpusRow row = corpus.row(Stream::kHeldOut, rows.seed, index, rows.length);
    for (const Link& link : row.links) {
      const bool is_content = link.relation == Relation::kDeterminer || link.relation == Relation::kName ||
                              link.relation == Relation::kRepeatedName || link.relation == Relation::kRepeatedNoun;
      if (is_content) words.insert(row.ids[static_cast<std::size_t>(link.query)]);
    }
  }
  return {words.begin(), words.end()};
}

std::shared_ptr<const Corpus> with_repeats(std::shared_ptr<const Corpus> corpus, const RepeatCurriculum& curriculum) {
  for (const double share : {curriculum.first_share, curriculum.last_share})
    if (!(share >= 0 && share <= 1)) throw Error("the share of rows that repeat random words is a number from 0 to 1");
  if (curriculum.min_period < 2 || curriculum.max_period < curriculum.min_period || curriculum.max_period > curriculum.first_words)
    throw Error("repeated segments need 2 <= shortest <= longest <= the number of words in use");
  std::vector<std::int32_t> words = content_words(*corpus);
  if (std::ssize(words) < curriculum.first_words)
    throw Error("the corpus has " + std::to_string(words.size()) + " nouns and names; rows that repeat random words need " +
                std::to_string(curriculum.first_words));
  return std::make_shared<RepeatingCorpus>(std::move(corpus), curriculum, std::move(words));
}

}  // namespace headroom
