#pragma once

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/corpus/corpus.h"
#include "core/corpus/translation.h"
#include "core/training/network.h"
#include "tests/training/forms.h"

namespace headroom::test {

/// Rows of random words with random links of every relation and random questions: nothing about them is regular.
class FakeCorpus final : public Corpus {
 public:
  static constexpr std::int32_t kBos = 0, kUnknown = 1, kMask = 2, kVocabulary = 37;
  enum class Links { kRandom, kNone };
  explicit FakeCorpus(Links links = Links::kRandom) : links_(links) {}

  const std::string& name() const override { return name_; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return nullptr; }
  const std::string& tokenizer_json() const override { return name_; }
  std::int64_t vocab_size() const override { return kVocabulary; }
  std::int32_t bos_id() const override { return kBos; }
  std::int32_t unknown_id() const override { return kUnknown; }
  std::int32_t mask_id() const override { return has_mask ? kMask : -1; }
  bool has_known_floor() const override { return links_ == Links::kRandom; }

  CorpusRow row(Stream stream, std::uint64_t seed, std::int64_t index, std::int64_t length) const override {
    std::mt19937 random(
        static_cast<std::uint32_t>(seed * 1000 + static_cast<std::uint64_t>(index) * 2 + (stream == Stream::kHeldOut)));
    const auto below = [&](std::int64_t n) { return static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(n)); };
    CorpusRow row;
    for (std::int64_t i = 0; i < length; ++i)
      row.ids.push_back(i == 0 ? kBos : 3 + below(kVocabulary - 3));
    if (links_ == Links::kNone) return row;
    for (std::int64_t i = 0; i < length; ++i)
      row.surprisals.push_back(i == 0 ? 0 : static_cast<float>(below(1000)) / 400);
    for (std::size_t relation = 0; relation < kRelationCount; ++relation)
      for (int n = 0; n < 4; ++n) {
        const std::int32_t query = 1 + below(length - 1);
        row.links.push_back({static_cast<Relation>(relation), query, below(query)});
      }
    for (std::size_t question = 0; question < kQuestionCount; ++question) {
      const std::int32_t position = 1 + below(length - 1);
      std::vector<std::int32_t> ids{row.ids[static_cast<std::size_t>(position)]};
      while (std::ssize(ids) < 2 + static_cast<std::int64_t>(question % 3)) {
        const std::int32_t other = 3 + below(kVocabulary - 3);
        if (std::ranges::find(ids, other) == ids.end()) ids.push_back(other);
      }
      row.choices.push_back({static_cast<Question>(question), position, ids});
    }
    return row;
  }

  bool has_mask = true;

 private:
  Links links_;
  std::string name_ = "fake";
};

/// Pairs of random words of random lengths, every target word aligned with some source word.
class FakePairs final : public ParallelCorpus {
 public:
  const std::string& name() const override { return name_; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return nullptr; }
  const std::string& tokenizer_json() const override { return name_; }
  std::int64_t vocab_size() const override { return 37; }
  std::int32_t pad_id() const override { return 0; }
  std::int32_t bos_id() const override { return 1; }
  std::int32_t eos_id() const override { return 2; }
  std::int32_t unknown_id() const override { return 3; }
  std::int64_t max_source() const override { return 9; }
  std::int64_t max_target() const override { return 7; }
  ParallelRow row(Stream stream, std::uint64_t seed, std::int64_t index) const override {
    std::mt19937 random(
        static_cast<std::uint32_t>(seed * 1000 + static_cast<std::uint64_t>(index) * 2 + (stream == Stream::kHeldOut)));
    const auto below = [&](std::int64_t n) { return static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(n)); };
    ParallelRow row;
    row.source.resize(static_cast<std::size_t>(4 + below(6)));
    row.target.resize(static_cast<std::size_t>(3 + below(5)));
    for (std::vector<std::int32_t>* side : {&row.source, &row.target})
      for (std::int32_t& id : *side)
        id = 4 + below(33);
    for (std::int32_t i = std::ssize(row.target) - 1; i >= 0; --i)  // in no helpful order
      row.alignment.push_back({Relation::kCopy, i, below(std::ssize(row.source))});
    row.surprisals.assign(row.target.size() + 1, 0);
    const std::int32_t position = below(std::ssize(row.target));
    const std::int32_t right = row.target[static_cast<std::size_t>(position)];
    row.choices.push_back({Question::kAgreement, position, {right, right == 5 ? 6 : 5}});
    return row;
  }

 private:
  std::string name_ = "fake pairs";
};

/// A network with stirred parameters.
struct FakeModel {
  explicit FakeModel(const ModelConfig& config, int threads = 2) : pool(threads), network(config, pool) {
    std::ranges::copy(stirred_parameters(network.layout(), 5), network.parameters().begin());
    network.parameters_changed();
  }
  ThreadPool pool;
  Network network;
};

/// All probabilities of one evaluation, kept: [stack][layer][head][row] -> matrix [n_queries][n_keys].
struct KeptPicture {
  AttentionStack stack{};
  std::int64_t layer = 0, head = 0, row = 0, n_keys = 0;
  std::vector<float> probs;
  float at(std::int64_t query, std::int64_t key) const { return probs.at(static_cast<std::size_t>(query * n_keys + key)); }
};
inline KeptPicture keep(const AttentionPicture& picture) {
  KeptPicture kept{picture.stack, picture.layer, picture.head, picture.row, picture.n_keys, {}};
  for (std::int64_t query = 0; query < picture.n_queries; ++query)
    for (std::int64_t key = 0; key < picture.n_keys; ++key)
      kept.probs.push_back(picture.at(query, key));
  return kept;
}

}  // namespace headroom::test
