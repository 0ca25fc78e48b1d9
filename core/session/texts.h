#pragma once

#include "core/formats/generation_ids.h"
#include "core/session/picture.h"
#include "core/session/session.h"

namespace headroom {

// The texts of a Session as the tokens that a model reads.

/// A token that no text spelled: the model wrote it, or begins with it.
Token bare_token(const Tokenizer& tokenizer, std::int32_t id);

/// Whether texts are ids, for the model's own tokenizer could not be read (make_ids_tokenizer).
bool takes_ids(const Tokenizer& tokenizer);

/// How a Session's texts are read.
struct TextSource {
  const Tokenizer& tokenizer;
  const ModelConfig& config;
  const GenerationIds& ids;
  std::size_t max_tokens;
};

/// What a model with one stack reads: the text, the second sentence of a pair beside it, what was written after it; of an encoder-decoder
/// what its encoder reads. Errors  Error; Cancelled.
ReadText read_first(const TextSource& from, const Compute& compute, std::stop_token stop);

/// What an encoder-decoder's decoder reads of what a person typed: its start token, then the second text without its end token.
/// Errors  Error where the model's files name no start token; Cancelled.
ReadText read_target(const TextSource& from, const Compute& compute, std::stop_token stop);

/// Adds what the model wrote, after leaving out an end token that the tokenizer put behind the text.
/// Errors  Error when an id is outside the vocabulary.
void append_written(ReadText& text, const TextSource& from, const std::vector<std::int32_t>& written);

}  // namespace headroom
