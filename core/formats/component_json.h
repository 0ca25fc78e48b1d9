#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/formats/tokenizer_pipeline.h"

namespace headroom {

// What the readers of a tokenizer's components share. All errors are Errors that name file and field.

/// The member that names a component's type. Errors  Error when it has none.
const std::string& component_type(const JsonValue& json, const ComponentPlace& place);
/// A boolean member, or `fallback` when it is absent or null. Errors  Error when it is something else.
bool read_flag(const JsonValue& json, const char* name, bool fallback, const ComponentPlace& place);
/// A text member. Errors  Error when it is absent or something else.
const std::string& read_text(const JsonValue& json, const char* name, const ComponentPlace& place);
/// A text member of one code point.
char32_t read_character(const JsonValue& json, const char* name, const ComponentPlace& place);
/// A count up to `limit`.
std::size_t read_count(const JsonValue& json, const char* name, std::size_t limit, const ComponentPlace& place);
/// The list of a component of the type "Sequence". Errors  Error when there is none, or Sequences nest too deep.
const std::vector<JsonValue>& read_steps(const JsonValue& json, const char* name, const ComponentPlace& place);
/// A model's "vocab" of spelling to id. Errors  Error when it is none, empty or has an impossible id.
Vocabulary read_vocabulary(const JsonValue& json, const ComponentPlace& place);

/// The tokenizer of a whole document; `file` begins each message.
std::unique_ptr<Tokenizer> read_tokenizer(const JsonDocument& document, const std::string& file);

// The models, each from its own members.
std::unique_ptr<TokenModel> read_bpe(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts);
std::unique_ptr<TokenModel> read_word_piece(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts);
std::unique_ptr<TokenModel> read_unigram(const JsonValue& json, const ComponentPlace& place, TokenizerParts& parts);

// Normalizers with a file of their own.
std::unique_ptr<Normalizer> read_bert_normalizer(const JsonValue& json, const ComponentPlace& place);
/// Errors  Error when the map is no base64, shorter than it says, or points outside itself.
std::unique_ptr<Normalizer> read_precompiled(const JsonValue& json, const ComponentPlace& place);

}  // namespace headroom
