#include "core/training/batches.h"

#include <algorithm>
#include <span>
#include <string>

#include "core/attention/counter_hash.h"
#include "core/corpus/corpus.h"
#include "core/corpus/translation.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// What a random number decides, so that no two decisions share one.
enum class Draw : std::uint32_t { kUnknown, kChosen, kShown, kWord, kFallback };

/// The random numbers of one row.
class RowDraws {
 public:
  RowDraws(const BatchRows& rows, std::int64_t row) {
    const auto index = static_cast<std::uint64_t>(rows.first + row);
    // Another stream of numbers than a corpus's own, which may hash the same seed and index.
    constexpr std::uint32_t kOwn = 0xba7c4e5;
    key_ = counter_hash(rows.seed, {kOwn, static_cast<std::uint32_t>(rows.stream), static_cast<std::uint32_t>(index),
                                    static_cast<std::uint32_t>(index >> 32)});
  }
  std::uint32_t bits(Draw draw, std::int64_t position) const {
    return counter_hash(key_, {static_cast<std::uint32_t>(draw), static_cast<std::uint32_t>(position)});
  }
  /// True in a share of the positions.
  bool is(Draw draw, std::int64_t position, double share) const { return uniform(draw, position) < share; }
  /// In [0, 1).
  double uniform(Draw draw, std::int64_t position) const { return bits(draw, position) * 0x1p-32; }
  /// In [0, n), n < 2^31.
  std::int64_t below(Draw draw, std::int64_t position, std::int64_t n) const {
    return static_cast<std::int64_t>(bits(draw, position) * static_cast<std::uint64_t>(n) >> 32);
  }

 private:
  std::uint64_t key_ = 0;
};

void check_share(double share, const char* name) {
  if (!(share >= 0 && share <= 1))
    throw ShapeError(std::string(name) + " is " + std::to_string(share) + ", where a share from 0 to 1 is needed");
}

void check_rows(const BatchRows& rows, std::int64_t length) {
  if (rows.n_rows < 1 || rows.first < 0 || length < 1)
    throw ShapeError("a batch of " + std::to_string(rows.n_rows) + " rows of " + std::to_string(length) + " tokens from row " +
                     std::to_string(rows.first) + " cannot be made");
}

/// Rows as they are, without targets.
Batch plain_rows(const Corpus& corpus, const BatchRows& rows, std::int64_t length) {
  check_rows(rows, length);
  Batch batch;
  batch.n_rows = rows.n_rows;
  batch.seq = length;
  batch.inputs.resize(static_cast<std::size_t>(batch.n_tokens()));
  batch.targets.assign(batch.inputs.size(), kIgnored);
  for (std::int64_t row = 0; row < rows.n_rows; ++row)
    corpus.row_ids(rows.stream, rows.seed, rows.first + row,
                   std::span(batch.inputs).subspan(static_cast<std::size_t>(row * length), static_cast<std::size_t>(length)));
  return batch;
}

/// The special tokens of a corpus, which are never asked for, and the words, from which random ones are drawn.
class Words {
 public:
  explicit Words(const Corpus& corpus) : n_(corpus.vocab_size()) {
    for (const std::int32_t id : {corpus.bos_id(), corpus.unknown_id(), corpus.mask_id(), corpus.pad_id()})
      if (id >= 0) special_.push_back(id);
    std::sort(special_.begin(), special_.end());
    special_.erase(std::unique(special_.begin(), special_.end()), special_.end());
    if (size() < 1) throw Error("the corpus " + corpus.name() + " has no words beside its special tokens");
  }
  bool is_special(std::int32_t id) const { return std::binary_search(special_.begin(), special_.end(), id); }
  std::int64_t size() const { return n_ - std::ssize(special_); }
  std::int32_t at(std::int64_t index) const {
    auto id = static_cast<std::int32_t>(index);
    for (const std::int32_t special : special_)
      if (special <= id) ++id;
    return id;
  }

 private:
  std::int64_t n_;
  std::vector<std::int32_t> special_;  ///< ascending
};

}  // namespace

Batch causal_batch(const Corpus& corpus, const BatchRows& rows, const CausalOptions& options) {
  check_share(options.unknown_share, "unknown_share");
  Batch batch = plain_rows(corpus, rows, options.length);
  const std::int32_t unknown = corpus.unknown_id();
  const bool has_unknown = unknown >= 0 && options.unknown_share > 0;
  for (std::int64_t row = 0; row < batch.n_rows; ++row) {
    std::int32_t* inputs = batch.inputs.data() + row * batch.seq;
    std::copy(inputs + 1, inputs + batch.seq, batch.targets.data() + row * batch.seq);
    if (!has_unknown) continue;
    const RowDraws draws(rows, row);
    for (std::int64_t i = 1; i < batch.seq; ++i)
      if (draws.is(Draw::kUnknown, i, options.unknown_share)) inputs[i] = unknown;
  }
  return batch;
}

Batch masked_batch(const Corpus& corpus, const BatchRows& rows, const MaskedOptions& options) {
  check_share(options.unknown_share, "unknown_share");
  check_share(options.chosen_share, "chosen_share");
  check_share(options.masked_share, "masked_share");
  check_share(options.random_share, "random_share");
  check_share(options.masked_share + options.random_share, "the sum of masked_share and random_share");
  const std::int32_t mask = corpus.mask_id(), unknown = corpus.unknown_id();
  if (mask < 0) throw Error("the corpus " + corpus.name() + " has no <mask>, which a model that fills gaps needs");
  const Words words(corpus);
  Batch batch = plain_rows(corpus, rows, options.length);
  for (std::int64_t row = 0; row < batch.n_rows; ++row) {
    const RowDraws draws(rows, row);
    std::int32_t* inputs = batch.inputs.data() + row * batch.seq;
    std::int32_t* targets = batch.targets.data() + row * batch.seq;
    const auto choose = [&](std::int64_t i) {
      targets[i] = inputs[i];
      const double shown = draws.uniform(Draw::kShown, i);
      if (shown < options.masked_share) {
        inputs[i] = mask;
      } else if (shown < options.masked_share + options.random_share) {
        inputs[i] = words.at(draws.below(Draw::kWord, i, words.size()));
      }
    };
    std::int64_t n_chosen = 0, n_words = 0;
    for (std::int64_t i = 0; i < batch.seq; ++i) {
      if (words.is_special(inputs[i])) continue;
      ++n_words;
      if (draws.is(Draw::kChosen, i, options.chosen_share)) {
        choose(i);
        ++n_chosen;
      }
    }
    if (n_chosen == 0 && n_words > 0) {
      std::int64_t left = draws.below(Draw::kFallback, 0, n_words);
      for (std::int64_t i = 0; i < batch.seq; ++i)
        if (!words.is_special(inputs[i]) && left-- == 0) {
          choose(i);
          break;
        }
    }
    if (unknown < 0 || options.unknown_share == 0) continue;
    for (std::int64_t i = 0; i < batch.seq; ++i)
      if (targets[i] == kIgnored && !words.is_special(inputs[i]) && draws.is(Draw::kUnknown, i, options.unknown_share))
        inputs[i] = unknown;
  }
  return batch;
}

Batch parallel_batch(const ParallelCorpus& corpus, const BatchRows& rows, const ParallelOptions& options) {
  check_share(options.unknown_share, "unknown_share");
  check_rows(rows, 1);
  std::vector<ParallelRow> pairs;
  Batch batch;
  batch.n_rows = rows.n_rows;
  for (std::int64_t row = 0; row < rows.n_rows; ++row) {
    ParallelRow pair = corpus.row(rows.stream, rows.seed, rows.first + row);
    if (options.unknown_share > 0) {
      const RowDraws draws(rows, row);
      const auto is_unknown = [&](std::int32_t i) { return draws.is(Draw::kUnknown, i, options.unknown_share); };
      for (const Link& link : pair.alignment)
        if (is_unknown(link.key)) pair.target[static_cast<std::size_t>(link.query)] = corpus.unknown_id();
      for (std::size_t i = 0; i < pair.source.size(); ++i)
        if (is_unknown(static_cast<std::int32_t>(i))) pair.source[i] = corpus.unknown_id();
    }
    batch.source_seq = std::max(batch.source_seq, std::ssize(pair.source));
    batch.seq = std::max(batch.seq, std::ssize(pair.target) + 1);
    pairs.push_back(std::move(pair));
  }
  batch.sources.assign(static_cast<std::size_t>(batch.n_rows * batch.source_seq), corpus.pad_id());
  batch.inputs.assign(static_cast<std::size_t>(batch.n_tokens()), corpus.pad_id());
  batch.targets.assign(batch.inputs.size(), kIgnored);
  for (std::int64_t row = 0; row < batch.n_rows; ++row) {
    const ParallelRow& pair = pairs[static_cast<std::size_t>(row)];
    std::copy(pair.source.begin(), pair.source.end(), batch.sources.begin() + row * batch.source_seq);
    batch.source_lengths.push_back(static_cast<std::int32_t>(pair.source.size()));
    const auto inputs = batch.inputs.begin() + row * batch.seq, targets = batch.targets.begin() + row * batch.seq;
    *inputs = corpus.bos_id();
    std::copy(pair.target.begin(), pair.target.end(), inputs + 1);
    std::copy(pair.target.begin(), pair.target.end(), targets);
    *(targets + std::ssize(pair.target)) = corpus.eos_id();
  }
  return batch;
}

}  // namespace headroom
