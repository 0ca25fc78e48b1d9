// Deterministic mutations of valid small files: whatever comes, there is an Error or a success, never anything else. Under the
// address and undefined-behaviour sanitizers this is a search for memory errors.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "core/formats/inspect.h"
#include "core/formats/model_folder.h"
#include "core/formats/safetensors.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using testing_files::kModels;
using testing_files::little_endian;
using testing_files::safetensors_bytes;
using testing_files::TemporaryFolder;

/// xorshift64*: the same numbers on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 2685821657736338717u + 1) {}
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 2685821657736338717u;
  }
  std::size_t below(std::size_t n) { return static_cast<std::size_t>((next() >> 33) % n); }

 private:
  std::uint64_t state_;
};

std::string mutate(std::string bytes, Random& random) {
  static const std::vector<std::string> kPieces = {"{",
                                                   "}",
                                                   "[",
                                                   "]",
                                                   ",",
                                                   ":",
                                                   "\"",
                                                   "null",
                                                   "true",
                                                   "-0",
                                                   "-1",
                                                   "0",
                                                   "1e400",
                                                   "18446744073709551615",
                                                   "9223372036854775808",
                                                   "4294967296",
                                                   "0.5",
                                                   "\\u0000",
                                                   "\\ud800",
                                                   "\xFF",
                                                   std::string(1, '\0'),
                                                   "\xED\xA0\x80",
                                                   "{}",
                                                   "[]",
                                                   "\"type\"",
                                                   "\"shape\"",
                                                   "\"dtype\"",
                                                   "F64",
                                                   "BOOL",
                                                   "__metadata__",
                                                   "\n",
                                                   "[[[[[[[[",
                                                   "<s>",
                                                   "\"x\":1,",
                                                   "qwen2",
                                                   "Sequence"};
  const std::size_t n_changes = 1 + random.below(4);
  for (std::size_t i = 0; i < n_changes; ++i) {
    const std::size_t at = bytes.empty() ? 0 : random.below(bytes.size());
    const std::size_t n = std::min<std::size_t>(bytes.size() - at, 1 + random.below(12));
    switch (random.below(6)) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(static_cast<unsigned char>(random.next() >> 40));
        break;
      case 1:
        bytes.erase(at, n);
        break;
      case 2:
        bytes.insert(at, kPieces[random.below(kPieces.size())]);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, n));
        break;
      case 4:
        bytes.replace(at, n, kPieces[random.below(kPieces.size())]);
        break;
      default:
        if (!bytes.empty() && bytes[at] >= '0' && bytes[at] <= '9') bytes[at] = static_cast<char>('0' + random.below(10));
        break;
    }
  }
  return bytes;
}

struct Tally {
  int n_errors = 0;
  int n_accepted = 0;
};

/// Any exception that is no Error gets out of here and fails the test.
Tally replay(const std::string& valid, int n_runs, const std::function<void(const std::string&)>& read) {
  Random random(valid.size());
  Tally tally;
  for (int i = 0; i < n_runs; ++i) {
    const std::string bytes = mutate(valid, random);
    try {
      read(bytes);
      ++tally.n_accepted;
    } catch (const Error& error) {
      EXPECT_STRNE(error.what(), "");
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      ++tally.n_errors;
    }
  }
  EXPECT_GT(tally.n_errors, n_runs / 10) << "the mutations must reach the checks";
  EXPECT_GT(tally.n_accepted, n_runs / 100) << "and some must get through to what lies behind them";
  return tally;
}

TEST(FuzzReplay, SafetensorsHeader) {
  const TemporaryFolder folder;
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]},"c":{"dtype":"I64","shape":[1],"x":[{}],"data_offsets":[22,30]}})";
  replay(header, 4000, [&](const std::string& mutated) {
    const SafetensorsFile file(folder.file("f", safetensors_bytes(mutated, std::string(30, '\x3f'))));
    for (const TensorEntry& entry : file.tensors()) {
      try {
        const Tensor values = file.read_float(entry);
        EXPECT_LE(static_cast<std::uint64_t>(values.size()), entry.end - entry.begin);
      } catch (const Error&) {
        EXPECT_LE(file.read_integers(entry).size(), entry.end - entry.begin);
      }
    }
  });
}

TEST(FuzzReplay, SafetensorsWholeFile) {
  const TemporaryFolder folder;
  const std::string bytes = safetensors_bytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}   )", "abcd");
  replay(bytes, 4000, [&](const std::string& mutated) {
    const SafetensorsFile file(folder.file("f", mutated));
    for (const TensorEntry& entry : file.tensors()) {
      if (entry.dtype != DType::kU8) continue;
      EXPECT_EQ(file.read_integers(entry).size(), entry.end - entry.begin);
    }
  });
}

TEST(FuzzReplay, Config) {
  const TemporaryFolder folder;
  replay(testing_files::bytes_of(kModels / "grammar-gqa" / "config.json"), 4000, [&](const std::string& mutated) {
    const ModelShape shape = read_model_config(folder.file("config.json", mutated)).shape;
    EXPECT_TRUE(shape.n_heads >= 1 && shape.n_kv_heads >= 1 && shape.n_heads % shape.n_kv_heads == 0);
    EXPECT_TRUE(shape.d_head >= 2 && shape.d_head % 2 == 0 && shape.d_head <= 256);
    EXPECT_TRUE(shape.n_layers >= 1 && shape.n_layers <= 1000 && shape.vocab_size >= 1 && shape.vocab_size <= 10000000);
  });
}

TEST(FuzzReplay, TokenizerAndText) {
  const TemporaryFolder folder;
  const std::string json =
      R"({"version":"1.0","added_tokens":[{"id":2,"content":"<s>","special":true,"normalized":false,"lstrip":true},{"id":3,"content":"Cat","normalized":true,"single_word":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Lowercase"},{"type":"StripAccents"}]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Punctuation","behavior":"MergedWithNext"}]},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"id":"<s>","ids":[2],"tokens":["<s>"]}}},"model":{"type":"WordLevel","vocab":{"u":0,"cat":1,"<s>":2,"sat":4},"unk_token":"u"}})";
  const std::string text = "the Cat<s> sät, \xFF\u0130x\u0301 \u1100\u1161 fi ½ ";
  Random random(7);
  replay(json, 4000, [&](const std::string& mutated) {
    const auto tokenizer = load_tokenizer(folder.file("tokenizer.json", mutated));
    const std::string any = mutate(text, random);
    const Encoding encoding = tokenizer->encode(any, 100);
    for (const Token& token : encoding.tokens) {
      EXPECT_TRUE(token.begin <= token.end && token.end <= any.size());
      EXPECT_EQ(token.source, any.substr(token.begin, token.end - token.begin));
      EXPECT_TRUE(token.id >= 0 && token.id < tokenizer->vocab_size());
    }
    tokenizer->nearest_words(any, 3);
  });
}

TEST(FuzzReplay, InspectNeverThrows) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "model");
  Random random(11);
  const std::vector<std::string> names = {"config.json", "tokenizer.json", "model.safetensors"};
  const std::string small = safetensors_bytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}   )", "abcd");
  for (int i = 0; i < 300; ++i) {
    for (const std::string& name : names) {
      const std::string valid = name == "model.safetensors" ? small : testing_files::bytes_of(kModels / "grammar-base" / name);
      folder.file("model/" + name, mutate(valid, random));
      inspect_path(folder / ("model/" + name));
    }
    EXPECT_NE(inspect_path(folder / "model").problem, "") << "the tensors never fit";
  }
}

}  // namespace
}  // namespace headroom
