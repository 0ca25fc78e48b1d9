#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/corpus/corpus.h"

namespace headroom {

/// A sentence of the grammar's English and its translation.
struct ParallelRow {
  std::vector<std::int32_t> source;  ///< English, no special tokens
  std::vector<std::int32_t> target;  ///< the invented language, no special tokens
  /// Target token `query` says what source token `key` says. Every target token has one, no source token more than one ("the" has none).
  /// The relation means nothing here, and key may lie behind query. No fixed distance key - query fits more than 24 % of them.
  std::vector<Link> alignment;
  /// [target.size() + 1] -log p of each target token and of <eos>, given the source: all 0, for the translation is a function of the source.
  std::vector<float> surprisals;
  /// Which marks a word of the target bears: the position is of the target, ids.front() is the word with the right marks, the others
  /// the same word with wrong ones. The decoder answers at input `position`, where <bos> is input 0.
  std::vector<Choice> choices;
};

/// Sentences in two languages over one vocabulary. Immutable and shared by threads.
class ParallelCorpus {
 public:
  virtual ~ParallelCorpus();
  virtual const std::string& name() const = 0;
  /// Reads both languages; puts nothing before or after a text.
  virtual std::shared_ptr<const Tokenizer> tokenizer() const = 0;
  virtual const std::string& tokenizer_json() const = 0;
  virtual std::int64_t vocab_size() const = 0;
  virtual std::int32_t pad_id() const = 0;
  virtual std::int32_t bos_id() const = 0;
  virtual std::int32_t eos_id() const = 0;
  virtual std::int32_t unknown_id() const = 0;
  /// No source and no target is longer, special tokens not counted.
  virtual std::int64_t max_source() const = 0;
  virtual std::int64_t max_target() const = 0;
  /// Row `index` of a stream: a pure function of its arguments.
  virtual ParallelRow row(Stream stream, std::uint64_t seed, std::int64_t index) const = 0;
};

/// The grammar's English and the invented language that its folder describes (assets/grammar).
/// Errors  Error, one sentence with file and line.
std::shared_ptr<const ParallelCorpus> open_translation(const std::filesystem::path& folder);

}  // namespace headroom
