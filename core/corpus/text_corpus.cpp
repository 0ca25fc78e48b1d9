#include "core/corpus/text_corpus.h"

#include <algorithm>
#include <span>

#include "core/corpus/bpe_trainer.h"
#include "core/corpus/random.h"
#include "core/corpus/text_words.h"
#include "core/formats/file.h"
#include "core/formats/plain_text.h"
#include "core/formats/tokenizer.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::int64_t kBlocks = 20;        // one of so many is held out
constexpr std::int64_t kMaxBlock = 1024;    // tokens
constexpr std::uint64_t kDraws = 0x7e97c0;  // a stream of random numbers of its own
constexpr std::size_t kWordsBetweenLooks = 4096;
/// What merges are learned from: words of so many bytes, each counted once, take about half a gigabyte while they are.
constexpr std::size_t kMaxLearnedBytes = 16u << 20;

struct Bytes {
  std::string text;
  std::uint64_t file_size = 0;
};

/// The file, or of a large one the lines that fit.
Bytes read_lines(const std::filesystem::path& path, std::uint64_t max_bytes) {
  const InputFile file(path);
  Bytes bytes{{}, file.size()};
  bytes.text.resize(static_cast<std::size_t>(std::min(file.size(), max_bytes)));
  file.read(0, std::as_writable_bytes(std::span(bytes.text)));
  if (bytes.text.size() == file.size()) return bytes;
  if (const std::size_t line = bytes.text.rfind('\n'); line != std::string::npos) {
    bytes.text.resize(line + 1);
  } else {  // not through a code point
    while (!bytes.text.empty() && (static_cast<unsigned char>(bytes.text.back()) & 0xC0) == 0x80)
      bytes.text.pop_back();
    if (!bytes.text.empty() && static_cast<unsigned char>(bytes.text.back()) >= 0xC0) bytes.text.pop_back();
  }
  return bytes;
}

/// A run of tokens in which a row may lie.
struct Run {
  std::int64_t begin = 0, end = 0;
};

class BlockedText : public TextCorpus {
 public:
  BlockedText(std::string name, TextFacts facts, const TrainedBpe& bpe, std::vector<std::uint16_t> tokens)
      : name_(std::move(name)), facts_(std::move(facts)), tokens_(std::move(tokens)), json_(tokenizer_json_of(bpe, "<bos>")) {
    tokenizer_ = parse_tokenizer(json_, name_);
    facts_.vocabulary = bpe.size();
    facts_.n_tokens = std::ssize(tokens_);
    facts_.block = std::min(kMaxBlock, facts_.n_tokens / kBlocks);
    n_periods_ = facts_.n_tokens / (facts_.block * kBlocks);
    facts_.n_held_out = n_periods_ * facts_.block;
    const std::int64_t rest = facts_.n_tokens - n_periods_ * facts_.block * kBlocks;
    // Less than a block would make rows of a few words.
    facts_.n_training = n_periods_ * facts_.block * (kBlocks - 1) + (rest >= facts_.block ? rest : 0);
  }

  const std::string& name() const override { return name_; }
  std::shared_ptr<const Tokenizer> tokenizer() const override { return tokenizer_; }
  const std::string& tokenizer_json() const override { return json_; }
  std::int64_t vocab_size() const override { return facts_.vocabulary; }
  std::int32_t bos_id() const override { return 0; }
  std::int32_t unknown_id() const override { return -1; }
  std::int32_t mask_id() const override { return 1; }
  bool has_known_floor() const override { return false; }
  const TextFacts& facts() const override { return facts_; }

  CorpusRow row(Stream stream, std::uint64_t seed, std::int64_t index, std::int64_t length) const override {
    if (length < 1) throw ShapeError("a row of " + std::to_string(length) + " tokens cannot be made");
    CorpusRow row;
    row.ids.resize(static_cast<std::size_t>(length));
    row_ids(stream, seed, index, row.ids);
    return row;
  }

  void row_ids(Stream stream, std::uint64_t seed, std::int64_t index, std::span<std::int32_t> ids) const override {
    if (index < 0 || ids.empty())
      throw ShapeError("row " + std::to_string(index) + " of " + std::to_string(ids.size()) + " tokens cannot be made");
    RowRandom random(kDraws + static_cast<std::uint64_t>(stream), seed, static_cast<std::uint64_t>(index));
    const auto below = [&](std::int64_t n) { return static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(n))); };
    for (std::size_t at = 0; at < ids.size();) {
      ids[at++] = bos_id();
      const Run run = run_of(stream, below(stream == Stream::kTraining ? facts_.n_training : facts_.n_held_out));
      const auto wanted = static_cast<std::int64_t>(ids.size() - at);
      const std::int64_t n = std::min(wanted, run.end - run.begin);
      const std::int64_t begin = run.begin + below(run.end - run.begin - n + 1);
      std::copy_n(tokens_.begin() + begin, n, ids.begin() + static_cast<std::ptrdiff_t>(at));
      at += static_cast<std::size_t>(n);
    }
  }

 private:
  /// The run that holds token `token` of the stream: nineteen blocks are trained on, the twentieth is held out.
  Run run_of(Stream stream, std::int64_t token) const {
    const std::int64_t block = facts_.block, period = block * kBlocks, trained = period - block;
    if (stream == Stream::kHeldOut) {
      const std::int64_t begin = token / block * period + trained;
      return {begin, begin + block};
    }
    const std::int64_t begin = std::min(token / trained, n_periods_) * period;
    return {begin, begin / period < n_periods_ ? begin + trained : facts_.n_tokens};
  }

  std::string name_;
  TextFacts facts_;
  std::int64_t n_periods_ = 0;  ///< of kBlocks blocks each
  std::vector<std::uint16_t> tokens_;
  std::string json_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

void check_vocabulary(std::int64_t vocabulary) {
  if (vocabulary >= kLeastTextVocabulary && vocabulary <= kMaxTextVocabulary) return;
  throw Error("a vocabulary of " +
              (vocabulary < 0 ? std::to_string(vocabulary) : with_thousands(static_cast<std::uint64_t>(vocabulary))) +
              " pieces cannot be learned from a text; from " + with_thousands(kLeastTextVocabulary) +
              " (the bytes and two special tokens) to " + with_thousands(kMaxTextVocabulary) + " can");
}

/// The words that merges are learned from.
std::span<const CountedWord> learned_words(const TextWords& words) {
  std::size_t n = 0, n_bytes = 0;
  while (n < words.words.size() && n_bytes + words.words[n].bytes.size() <= kMaxLearnedBytes)
    n_bytes += words.words[n++].bytes.size();
  return std::span(words.words).first(n);
}

/// The text in tokens: each word is cut once.
std::vector<std::uint16_t> tokens_of(const TextWords& words, const TrainedBpe& bpe, const TextCorpusOptions& options) {
  BpeMerges merges;
  for (const BpeMerges::Merge& merge : bpe.merges)
    merges.add(merge);
  std::vector<std::uint16_t> cut;
  std::vector<std::size_t> begins{0};
  std::vector<std::int32_t> symbols;
  for (const CountedWord& word : words.words) {
    if (begins.size() % kWordsBetweenLooks == 0) {
      if (options.stop.stop_requested()) throw Cancelled();
      if (options.on_progress)
        options.on_progress("cutting the text", static_cast<double>(begins.size()) / static_cast<double>(words.words.size()));
    }
    symbols.clear();
    for (const char c : word.bytes)
      symbols.push_back(bpe.byte_id(static_cast<unsigned char>(c)));
    merges.apply(symbols);
    for (const std::int32_t symbol : symbols)
      cut.push_back(static_cast<std::uint16_t>(symbol));
    begins.push_back(cut.size());
  }
  std::size_t n = 0;
  for (const std::uint32_t word : words.order)
    n += begins[word + 1] - begins[word];
  std::vector<std::uint16_t> tokens;
  tokens.reserve(n);
  for (const std::uint32_t word : words.order)
    tokens.insert(tokens.end(), cut.begin() + static_cast<std::ptrdiff_t>(begins[word]),
                  cut.begin() + static_cast<std::ptrdiff_t>(begins[word + 1]));
  return tokens;
}

}  // namespace

std::shared_ptr<const TextCorpus> open_text(const std::filesystem::path& txt, const TextCorpusOptions& options) {
  check_vocabulary(options.vocabulary);
  const std::string file = shown_path(txt);
  const auto stage = [&](const char* name) -> std::function<void(double)> {
    if (!options.on_progress) return {};
    return [&options, name](double share) { options.on_progress(name, share); };
  };

  TextFacts facts;
  Bytes bytes = read_lines(txt, std::min(options.max_bytes, kMaxTextCorpusBytes));
  facts.file_bytes = bytes.file_size;
  if (bytes.text.size() < bytes.file_size)
    facts.notices.push_back(file + " has " + counted(bytes.file_size, "byte") + "; the first " + with_thousands(bytes.text.size()) +
                            " are read.");
  const std::string text = plain_text(std::move(bytes.text), file);
  facts.n_bytes = text.size();

  const TextWords words = count_words(text, stage("counting words"), options.stop);
  const std::span<const CountedWord> learned = learned_words(words);
  if (learned.size() < words.words.size())
    facts.notices.push_back("The vocabulary is learned from the first " + with_thousands(learned.size()) + " of the text's " +
                            with_thousands(words.words.size()) + " different words.");
  const TrainedBpe bpe = train_bpe(learned, {.vocabulary = options.vocabulary,
                                             .special_tokens = {"<bos>", "<mask>"},
                                             .on_progress = stage("learning the vocabulary"),
                                             .stop = options.stop});
  if (bpe.ran_out)
    facts.notices.push_back("The text gives a vocabulary of " + with_thousands(static_cast<std::uint64_t>(bpe.size())) +
                            " pieces, not " + with_thousands(static_cast<std::uint64_t>(options.vocabulary)) +
                            ": after that no two neighbouring pieces occur together twice.");
  std::vector<std::uint16_t> tokens = tokens_of(words, bpe, options);
  if (std::ssize(tokens) < kLeastTextTokens)
    throw Error(file + ": is too short to train on: it gives " + counted(tokens.size(), "token") + ", and at least " +
                with_thousands(kLeastTextTokens) + " are needed (three to four thousand letters)");
  return std::make_shared<BlockedText>(escape_for_display(txt.filename().native()), std::move(facts), bpe, std::move(tokens));
}

}  // namespace headroom
