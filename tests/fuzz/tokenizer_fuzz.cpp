#include "core/formats/tokenizer.h"
#include "tests/fuzz/target.h"

using namespace headroom;

/// tokenizer.json, and when it is one, some texts through it.
HEADROOM_FUZZ_TARGET(tokenizer) {
  return fuzz::accepts([&] {
    const std::unique_ptr<Tokenizer> tokenizer = parse_tokenizer(bytes, "tokenizer.json");
    for (const std::string_view text : {"the Cat<s> s\xC3\xA4t, \xFF\xC4\xB0x\xCC\x81 12345 \xF0\x9F\x98\x80\n  ", "", " "}) {
      fuzz::accepts([&] {
        const Encoding encoding = tokenizer->encode(text, 64);
        for (const Token& token : encoding.tokens) {
          if (token.begin > token.end || token.end > text.size()) __builtin_trap();
          if (token.id < 0 || token.id >= tokenizer->vocab_size()) __builtin_trap();
        }
      });
    }
  });
}
