#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/corpus/corpus.h"

namespace headroom {

inline constexpr std::uint64_t kMaxTextCorpusBytes = 64u << 20;
inline constexpr std::int64_t kLeastTextTokens = 1000;
inline constexpr std::int64_t kLeastTextVocabulary = 258;  ///< the 256 bytes, <bos> and <mask>
inline constexpr std::int64_t kMaxTextVocabulary = 65536;

struct TextCorpusOptions {
  std::int64_t vocabulary = 512;                  ///< pieces to learn at most, special tokens and bytes included
  std::uint64_t max_bytes = kMaxTextCorpusBytes;  ///< of a larger file the beginning is read, up to a line's end
  /// Called on the calling thread; share in [0, 1] of the stage.
  std::function<void(const std::string& stage, double share)> on_progress = {};
  std::stop_token stop = {};
};

struct TextFacts {
  std::uint64_t file_bytes = 0;
  std::uint64_t n_bytes = 0;  ///< read
  std::int64_t n_tokens = 0;
  std::int64_t n_training = 0, n_held_out = 0;  ///< tokens; fewer than a block may be left over
  std::int64_t block = 0;                       ///< tokens: every 20th block is held out
  std::int64_t vocabulary = 0;                  ///< pieces that were learned, special tokens and bytes included
  std::vector<std::string> notices;             ///< one sentence each, e.g. that the vocabulary stayed smaller than asked
};

/// A text file with a vocabulary of its own. A row is <bos> and a stretch of the text that begins anywhere; a stretch that ends early
/// (at a held-out block) is followed by <bos> and another one. There are no links, no choices and no known floor; no word is unknown.
class TextCorpus : public Corpus {
 public:
  virtual const TextFacts& facts() const = 0;
};

/// Reads a UTF-8 file, learns a byte-level BPE vocabulary on it (the held-out blocks included: only their words, not their order) and cuts
/// it into tokens. Deterministic. Takes about a second a megabyte at most.
/// Errors  Error, one sentence: a file that is missing, unreadable, no text, no UTF-8, empty, or too short for kLeastTextTokens; a vocabulary
///         outside kLeastTextVocabulary .. kMaxTextVocabulary; Cancelled.
std::shared_ptr<const TextCorpus> open_text(const std::filesystem::path& txt, const TextCorpusOptions& options = {});

}  // namespace headroom
