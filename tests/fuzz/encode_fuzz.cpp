#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/formats/tokenizer.h"
#include "tests/fuzz/target.h"

using namespace headroom;

namespace {

/// One tokenizer of each kind, as the reference library wrote them.
const std::vector<std::unique_ptr<Tokenizer>>& tokenizers() {
  static const std::vector<std::unique_ptr<Tokenizer>> all = [] {
    std::vector<std::unique_ptr<Tokenizer>> list;
    for (const char* family : {"gpt2", "llama3", "llama2", "gemma", "bert_uncased", "t5", "roberta"}) {
      const std::filesystem::path path = std::filesystem::path(HEADROOM_FUZZ_TOKENIZERS) / family / "tokenizer.json";
      if (std::filesystem::exists(path)) list.push_back(load_tokenizer(path));
    }
    if (list.size() < 5) __builtin_trap();
    return list;
  }();
  return all;
}

}  // namespace

/// Any text through each of them: offsets lie inside it and ascend, and ids exist.
HEADROOM_FUZZ_TARGET(encode) {
  return fuzz::accepts([&] {
    for (const auto& tokenizer : tokenizers()) {
      const Encoding encoding = tokenizer->encode(bytes, 4096);
      for (const Token& token : encoding.tokens) {
        if (token.begin > token.end || token.end > bytes.size()) __builtin_trap();
        if (token.id < 0 || token.id >= tokenizer->vocab_size()) __builtin_trap();
      }
    }
  });
}
