#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/corpus/corpus.h"
#include "core/corpus/random.h"
#include "core/corpus/word_tokenizer.h"
#include "core/formats/tokenizer.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr int kLetters = 26;

class LettersCorpus final : public Corpus {
 public:
  LettersCorpus(int min_period, int max_period) : min_period_(min_period), max_period_(max_period) {
    std::vector<std::string> words{"<bos>"};
    for (char letter = 'a'; letter <= 'z'; ++letter)
      words.emplace_back(1, letter);
    words.emplace_back("<unk>");
    words.emplace_back("<mask>");
    json_ = word_tokenizer_json(words, {"<bos>", "<unk>", {"<mask>"}});
    tokenizer_ = parse_tokenizer(json_, "the letters' tokenizer.json");
  }

  const std::string& name() const override { return name_; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return tokenizer_; }
  const std::string& tokenizer_json() const override { return json_; }
  std::int64_t vocab_size() const override { return kLetters + 3; }
  std::int32_t bos_id() const override { return 0; }
  std::int32_t unknown_id() const override { return kLetters + 1; }
  std::int32_t mask_id() const override { return kLetters + 2; }
  bool has_known_floor() const override { return true; }

  CorpusRow row(Stream stream, std::uint64_t seed, std::int64_t index, std::int64_t length) const override {
    if (length < 1) throw ShapeError("a row must have at least 1 token, but its length is " + std::to_string(length));
    CorpusRow row;
    row.ids.resize(static_cast<std::size_t>(length));
    const int period = fill(stream, seed, index, row.ids);
    for (std::int64_t i = 0; i < length; ++i)
      row.surprisals.push_back(surprisal(i, period));
    // From the second letter of the second saying on, the letter before tells which one comes: there is one right place to look at.
    for (std::int64_t i = period + 2; i < length; ++i) {
      const auto here = static_cast<std::int32_t>(i);
      row.links.push_back({Relation::kCopy, here, here - period});
      Choice choice{Question::kCopying, here, {row.ids[static_cast<std::size_t>(i)]}};
      for (int letter = 1; letter <= kLetters; ++letter)
        if (letter != choice.ids.front()) choice.ids.push_back(letter);
      row.choices.push_back(std::move(choice));
    }
    return row;
  }

  void row_ids(Stream stream, std::uint64_t seed, std::int64_t index, std::span<std::int32_t> ids) const override {
    if (ids.empty()) throw ShapeError("a row must have at least 1 token");
    fill(stream, seed, index, ids);
  }

 private:
  /// Writes the row; gives its period.
  int fill(Stream stream, std::uint64_t seed, std::int64_t index, std::span<std::int32_t> ids) const {
    if (index < 0) throw ShapeError("rows are counted from 0, but the index is " + std::to_string(index));
    RowRandom random(stream == Stream::kTraining ? 11 : 12, seed, static_cast<std::uint64_t>(index));
    const int period = min_period_ + static_cast<int>(random.below(static_cast<std::uint32_t>(max_period_ - min_period_ + 1)));
    std::array<std::int32_t, kLetters> letters{};
    std::iota(letters.begin(), letters.end(), 1);
    for (int i = 0; i < period; ++i)
      std::swap(letters[static_cast<std::size_t>(i)],
                letters[static_cast<std::size_t>(i) + random.below(static_cast<std::uint32_t>(kLetters - i))]);
    ids[0] = 0;
    for (std::size_t i = 1; i < ids.size(); ++i)
      ids[i] = letters[(i - 1) % static_cast<std::size_t>(period)];
    return period;
  }

  /// Exact: after n different letters the segment goes on with one of 26 - n new ones, or begins again with its first, if its length may be
  /// n: p(length = n | length >= n) is uniform over what is left. Afterwards every letter is certain.
  float surprisal(std::int64_t i, int period) const {
    if (i == 0) return 0;
    const std::int64_t n = i - 1;  // letters before
    if (n > period) return 0;
    const double p_ends = n < min_period_ ? 0.0 : 1.0 / static_cast<double>(max_period_ - n + 1);
    return static_cast<float>(n == period ? -std::log(p_ends) : -std::log((1 - p_ends) / static_cast<double>(kLetters - n)));
  }

  std::string name_ = "letters";
  int min_period_, max_period_;
  std::string json_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace

std::shared_ptr<const Corpus> open_letters(int min_period, int max_period) {
  if (min_period < 2 || max_period > kLetters || min_period > max_period)
    throw Error("letters are repeated after 2 to 26, the shortest first, but these are " + std::to_string(min_period) + " to " +
                std::to_string(max_period));
  return std::make_shared<LettersCorpus>(min_period, max_period);
}

}  // namespace headroom
