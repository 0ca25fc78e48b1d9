#include "core/session/texts.h"

#include <algorithm>
#include <array>

#include "core/tensor/error.h"

namespace headroom {
namespace {

/// The end that a tokenizer's template puts behind every text: nothing could be written after it.
void leave_out_end(ReadText& text, const GenerationIds& ids) {
  while (!text.tokens.empty()) {
    const Token& last = text.tokens.back();
    if (!last.is_special || last.begin != last.end || std::ranges::find(ids.ends, last.id) == ids.ends.end()) return;
    text.tokens.pop_back();
    text.ids.pop_back();
  }
}

}  // namespace

Token bare_token(const Tokenizer& tokenizer, std::int32_t id) {
  Token token;
  token.id = id;
  token.text = tokenizer.token_text(id);
  if (token.text.empty()) token.text = "id " + std::to_string(id);
  const std::array one{id};
  token.source = tokenizer.decode(one);
  token.is_special = token.source.empty();
  return token;
}

bool takes_ids(const Tokenizer& tokenizer) {
  const std::int64_t last = tokenizer.vocab_size() - 1;
  // No vocabulary spells its words by their own ids.
  return last >= 0 && last <= INT32_MAX && tokenizer.token_text(0) == "0" &&
         tokenizer.token_text(static_cast<std::int32_t>(last)) == std::to_string(last);
}

ReadText read_first(const TextSource& from, const Compute& compute, std::stop_token stop) {
  const bool is_pair = from.config.kind == ModelKind::kMasked && !compute.second.empty();
  ReadText read;
  if (is_pair && from.tokenizer.has_pair_template()) {
    read = read_encoding(from.tokenizer, from.tokenizer.encode_pair(compute.text, compute.second, from.max_tokens, stop), stop);
  } else {
    read = read_text(from.tokenizer, compute.text, from.max_tokens, stop);
    if (read.ids.empty() && takes_ids(from.tokenizer))
      throw Error("This model's tokenizer could not be read, so the sentence is token ids: type some, such as 12 55 901.");
    if (is_pair) read.notices.push_back("The tokenizer has no template for two sentences: the second one was not read.");
  }
  const bool writes_here = from.config.kind == ModelKind::kCausal;
  if (writes_here && !compute.continuation.empty()) append_written(read, from, compute.continuation);
  const std::size_t all = read.ids.size();
  cut_to_positions(read, from.config);
  read.n_written -= std::min(read.n_written, all - read.ids.size());
  return read;
}

ReadText read_target(const TextSource& from, const Compute& compute, std::stop_token stop) {
  if (!from.ids.decoder_start)
    throw Error("The model's config.json names no decoder_start_token_id: with what its decoder begins is not known.");
  ReadText read;
  if (!compute.second.empty()) {
    read = read_text(from.tokenizer, compute.second, from.max_tokens, stop);
    leave_out_end(read, from.ids);
  }
  if (read.ids.empty() || read.ids.front() != *from.ids.decoder_start) {
    read.ids.insert(read.ids.begin(), *from.ids.decoder_start);
    read.tokens.insert(read.tokens.begin(), bare_token(from.tokenizer, *from.ids.decoder_start));
    for (UnknownWord& word : read.unknown)
      ++word.token;
  }
  if (!compute.continuation.empty()) append_written(read, from, compute.continuation);
  return read;
}

void append_written(ReadText& text, const TextSource& from, const std::vector<std::int32_t>& written) {
  leave_out_end(text, from.ids);
  const std::int64_t vocabulary = from.config.shape.vocab_size;
  const std::size_t end = text.tokens.empty() ? 0 : text.tokens.back().end;
  for (const std::int32_t id : written) {
    if (id < 0 || id >= vocabulary)
      throw Error("The written token " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(vocabulary) +
                  ": take away what was written.");
    Token token = bare_token(from.tokenizer, id);
    token.begin = token.end = end;
    text.ids.push_back(id);
    text.tokens.push_back(std::move(token));
  }
  text.n_written += written.size();
}

}  // namespace headroom
