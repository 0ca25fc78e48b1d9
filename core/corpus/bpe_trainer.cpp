#include "core/corpus/bpe_trainer.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <unordered_map>
#include <utility>

#include "core/formats/byte_level.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;
constexpr std::size_t kMergesBetweenReports = 16;

using PairKey = std::uint64_t;
PairKey key_of(std::int32_t left, std::int32_t right) {
  return static_cast<PairKey>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}
std::int32_t left_of(PairKey key) { return static_cast<std::int32_t>(key >> 32); }
std::int32_t right_of(PairKey key) { return static_cast<std::int32_t>(key & 0xFFFFFFFF); }

struct PairCount {
  std::int64_t count = 0;
  std::vector<std::uint32_t> places;  ///< of the left symbol; some may have changed since
};

/// A pair with the count that it had when it was put in line.
struct Ranked {
  std::int64_t count = 0;
  PairKey key = 0;
  bool operator<(const Ranked& other) const { return count != other.count ? count < other.count : key > other.key; }
};

/// All words' symbols in one row, linked within each word, and the pairs among them.
class Symbols {
 public:
  Symbols(std::span<const CountedWord> words, const std::vector<std::int32_t>& byte_ids) {
    for (const CountedWord& word : words) {
      const auto begin = static_cast<std::uint32_t>(symbols_.size());
      for (const char c : word.bytes) {
        const auto at = static_cast<std::uint32_t>(symbols_.size());
        symbols_.push_back(byte_ids[static_cast<unsigned char>(c)]);
        counts_.push_back(word.count);
        previous_.push_back(at == begin ? kNone : at - 1);
        next_.push_back(at + 1);
      }
      if (begin < symbols_.size()) next_.back() = kNone;
    }
    for (std::uint32_t at = 0; at < symbols_.size(); ++at)
      if (next_[at] != kNone) add(at, counts_[at]);
    for (const auto& [key, pair] : pairs_)
      line_.push({pair.count, key});
    touched_.clear();
  }

  /// The most frequent pair, or a count of 0 when there is none.
  Ranked take_most_frequent() {
    while (!line_.empty()) {
      const Ranked top = line_.top();
      line_.pop();
      const auto found = pairs_.find(top.key);
      if (found == pairs_.end() || found->second.count == 0) continue;
      if (found->second.count == top.count) return top;
      line_.push({found->second.count, top.key});
    }
    return {};
  }

  void merge(PairKey key, std::int32_t merged) {
    std::vector<std::uint32_t> places = std::move(pairs_.extract(key).mapped().places);
    // Places come in order unless two different pairs spell the same piece.
    if (!std::is_sorted(places.begin(), places.end())) std::sort(places.begin(), places.end());
    for (const std::uint32_t at : places) {
      const std::uint32_t gone = next_[at];
      if (symbols_[at] != left_of(key) || gone == kNone || symbols_[gone] != right_of(key)) continue;
      const std::int64_t count = counts_[at];
      const std::uint32_t before = previous_[at], after = next_[gone];
      if (before != kNone) subtract(before, count);
      if (after != kNone) subtract(gone, count);
      symbols_[at] = merged;
      symbols_[gone] = -1;
      next_[at] = after;
      if (after != kNone) {
        previous_[after] = at;
        add(at, count);
      }
      if (before != kNone) add(before, count);
    }
    std::sort(touched_.begin(), touched_.end());
    touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
    for (const PairKey changed : touched_)
      if (const auto found = pairs_.find(changed); found != pairs_.end()) line_.push({found->second.count, changed});
    touched_.clear();
  }

 private:
  void add(std::uint32_t at, std::int64_t count) {
    const PairKey key = key_of(symbols_[at], symbols_[next_[at]]);
    PairCount& pair = pairs_[key];
    if (pair.places.empty() || pair.places.back() != at) pair.places.push_back(at);
    pair.count += count;
    touched_.push_back(key);
  }
  void subtract(std::uint32_t at, std::int64_t count) {
    // The pair that is being merged is out of the table already: "aaa" holds it twice.
    if (const auto found = pairs_.find(key_of(symbols_[at], symbols_[next_[at]])); found != pairs_.end())
      found->second.count -= count;
  }

  std::vector<std::int32_t> symbols_;  ///< -1 where one was merged into its left neighbour
  std::vector<std::int64_t> counts_;   ///< of the word
  std::vector<std::uint32_t> previous_, next_;
  std::unordered_map<PairKey, PairCount> pairs_;
  std::priority_queue<Ranked> line_;
  std::vector<PairKey> touched_;  ///< pairs whose count grew
};

/// Special tokens and the bytes, in the order of the characters that spell them.
TrainedBpe alphabet(const std::vector<std::string>& special_tokens) {
  TrainedBpe bpe;
  bpe.special_tokens = special_tokens;
  bpe.pieces = special_tokens;
  std::vector<int> bytes(256);
  std::iota(bytes.begin(), bytes.end(), 0);
  const std::array<char32_t, 256>& characters = byte_characters();
  std::sort(bytes.begin(), bytes.end(),
            [&](int a, int b) { return characters[static_cast<std::size_t>(a)] < characters[static_cast<std::size_t>(b)]; });
  bpe.byte_ids.resize(256);
  for (const int byte : bytes) {
    bpe.byte_ids[static_cast<std::size_t>(byte)] = static_cast<std::int32_t>(bpe.pieces.size());
    bpe.pieces.emplace_back(1, static_cast<char>(static_cast<unsigned char>(byte)));
  }
  return bpe;
}

}  // namespace

TrainedBpe train_bpe(std::span<const CountedWord> words, const BpeTrainerOptions& options) {
  TrainedBpe bpe = alphabet(options.special_tokens);
  const std::int64_t n_first = bpe.size();
  if (options.vocabulary < n_first)
    throw Error("a vocabulary of " + std::to_string(options.vocabulary) + " is too small: the 256 bytes and " +
                std::to_string(options.special_tokens.size()) + " special tokens take " + std::to_string(n_first));
  std::unordered_map<std::string, std::int32_t> ids;  // two pairs may spell one piece
  for (std::int64_t id = std::ssize(options.special_tokens); id < n_first; ++id)
    ids.emplace(bpe.pieces[static_cast<std::size_t>(id)], static_cast<std::int32_t>(id));

  Symbols symbols(words, bpe.byte_ids);
  while (bpe.size() < options.vocabulary) {
    if (options.stop.stop_requested()) throw Cancelled();
    if (options.on_progress && bpe.merges.size() % kMergesBetweenReports == 0)
      options.on_progress(static_cast<double>(bpe.size() - n_first) / static_cast<double>(options.vocabulary - n_first));
    const Ranked best = symbols.take_most_frequent();
    if (best.count < std::max<std::int64_t>(1, options.least_count)) {
      bpe.ran_out = true;
      break;
    }
    const std::int32_t left = left_of(best.key), right = right_of(best.key);
    std::string piece = bpe.pieces[static_cast<std::size_t>(left)] + bpe.pieces[static_cast<std::size_t>(right)];
    const auto [entry, is_new] = ids.try_emplace(piece, static_cast<std::int32_t>(bpe.size()));
    if (is_new) bpe.pieces.push_back(std::move(piece));
    bpe.merges.push_back({left, right, entry->second});
    symbols.merge(best.key, entry->second);
  }
  if (options.on_progress) options.on_progress(1);
  return bpe;
}

}  // namespace headroom
