#include "core/formats/capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "core/formats/safetensors.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing_files::little_endian;
using testing_files::message_of;
using testing_files::TemporaryFolder;

const std::filesystem::path kFolder = std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests" / "golden" / "captures";

std::vector<std::string> texts_of(const std::vector<Token>& tokens) {
  std::vector<std::string> texts;
  for (const Token& token : tokens)
    texts.push_back(token.text);
  return texts;
}

/// Probabilities of a row, from what is stored or from q and k: plain sums in double.
std::vector<double> row_of(const LayerTrace& layer, std::int64_t head, std::int64_t query) {
  const std::int64_t n = layer.seq_k();
  std::vector<double> scores(static_cast<std::size_t>(n), -std::numeric_limits<double>::infinity());
  if (layer.stored) {
    std::vector<float> row(static_cast<std::size_t>(n));
    layer.stored->read(head, query, 1, row.data());
    if (!layer.stored->holds_scores()) return {row.begin(), row.end()};
    scores.assign(row.begin(), row.end());
  } else {
    for (std::int64_t j = 0; j < n; ++j) {
      if (!is_visible(layer.mask, 0, query, j)) continue;
      double score = 0;
      for (std::int64_t c = 0; c < layer.d_head; ++c)
        score += static_cast<double>(layer.attention.q.row(query)[static_cast<std::size_t>(head * layer.d_head + c)]) *
                 static_cast<double>(layer.attention.k.row(
                     j)[static_cast<std::size_t>(layer.kv_head_of[static_cast<std::size_t>(head)] * layer.d_head + c)]);
      score *= static_cast<double>(layer.scale);
      if (layer.soft_cap > 0) score = layer.soft_cap * std::tanh(score / static_cast<double>(layer.soft_cap));
      scores[static_cast<std::size_t>(j)] = score;
    }
  }
  double sum = 0;
  for (const double score : scores)
    sum += std::exp(score);
  for (double& score : scores)
    score = std::exp(score) / sum;
  return scores;
}

/// Every number of every layer of a golden capture's text.
void expect_golden(const CapturePass& pass, const std::string& key) {
  static const SafetensorsFile expected(kFolder / "expected.safetensors");
  for (std::size_t l = 0; l < pass.trace->layers.size(); ++l) {
    const LayerTrace& layer = pass.trace->layers[l];
    const TensorEntry* entry = expected.find(key + "/" + std::to_string(l));
    if (entry == nullptr) {
      EXPECT_THAT(layer.heads, IsEmpty()) << key << " layer " << l;
      continue;
    }
    const Tensor probs = expected.read_float(*entry);
    ASSERT_EQ(std::ssize(layer.heads), probs.dim(0)) << key;
    ASSERT_EQ(layer.seq_q(), probs.dim(1)) << key;
    ASSERT_EQ(layer.seq_k(), probs.dim(2)) << key;
    ASSERT_EQ(std::ssize(pass.tokens), probs.dim(1)) << key;
    for (std::int64_t h = 0; h < probs.dim(0); ++h) {
      for (std::int64_t i = 0; i < probs.dim(1); ++i) {
        const std::vector<double> row = row_of(layer, h, i);
        for (std::int64_t j = 0; j < probs.dim(2); ++j) {
          const auto wanted = static_cast<double>(probs.data()[(h * probs.dim(1) + i) * probs.dim(2) + j]);
          const double found = row[static_cast<std::size_t>(j)];
          if (std::isnan(wanted)) {
            EXPECT_TRUE(std::isnan(found)) << key << " layer " << l << " " << h << " " << i << " " << j;
          } else {
            EXPECT_NEAR(found, wanted, 1e-6) << key << " layer " << l << " " << h << " " << i << " " << j;
          }
        }
      }
    }
  }
}

TEST(Capture, ABatchHasATextEach) {
  const Capture capture(kFolder / "batched.safetensors");
  EXPECT_EQ(capture.facts().n_entries, 2);
  EXPECT_EQ(capture.facts().n_layers, 2);
  EXPECT_EQ(capture.facts().n_heads, 3);
  EXPECT_EQ(capture.facts().kind, ModelKind::kCausal);
  const CapturePass first = capture.read({.entry = 0}), second = capture.read({.entry = 1});
  EXPECT_THAT(texts_of(first.tokens), ElementsAre("<s>", "The", "cat", "sat", "on", "the", "mat"));
  EXPECT_THAT(texts_of(second.tokens), ElementsAre("<s>", "a", "b", "c", "d"));
  EXPECT_EQ(second.tokens[1].id, 11);
  EXPECT_TRUE(second.tokens[0].is_special);
  EXPECT_FALSE(second.tokens[1].is_special);
  EXPECT_THAT(first.notices, IsEmpty());
  EXPECT_THAT(second.notices, ElementsAre(HasSubstr("2 tokens of padding")));
  expect_golden(first, "batched.safetensors/self/0");
  expect_golden(second, "batched.safetensors/self/1");
  EXPECT_THAT(message_of([&] { (void)capture.read({.entry = 2}); }), HasSubstr("2 texts, counted from 0; there is no text 2"));
}

TEST(Capture, AnEncoderDecoderHasThreeStacks) {
  const Capture capture(kFolder / "cross.safetensors");
  EXPECT_EQ(capture.facts().kind, ModelKind::kEncoderDecoder);
  EXPECT_EQ(capture.facts().n_encoder_layers, 2);
  const CapturePass own = capture.read({.stack = AttentionStack::kSelf}),
                    encoder = capture.read({.stack = AttentionStack::kEncoder}),
                    cross = capture.read({.stack = AttentionStack::kCross});
  expect_golden(own, "cross.safetensors/self/0");
  expect_golden(encoder, "cross.safetensors/encoder/0");
  expect_golden(cross, "cross.safetensors/cross/0");
  EXPECT_EQ(cross.tokens.size(), 5U);
  EXPECT_EQ(cross.key_tokens.size(), 9U);
  EXPECT_EQ(cross.key_tokens[2].text, "cat");
  EXPECT_EQ(encoder.tokens[2].text, "cat");
  EXPECT_EQ(own.tokens[2].text, "Katze");
  EXPECT_THAT(own.key_tokens, IsEmpty());
  EXPECT_EQ(own.trace->mask.direction, Direction::kCausal);
  EXPECT_EQ(encoder.trace->mask.direction, Direction::kBidirectional);
  EXPECT_EQ(cross.trace->mask.direction, Direction::kBidirectional);
}

TEST(Capture, ACachesQueriesStandBehindItsKeys) {
  const CapturePass pass = Capture(kFolder / "cached.safetensors").read({});
  expect_golden(pass, "cached.safetensors/self/0");
  EXPECT_EQ(pass.trace->layers[0].mask.query_offset, 5);
  EXPECT_THAT(texts_of(pass.tokens), ElementsAre("the", "mat", "and"));
  EXPECT_EQ(pass.key_tokens.size(), 8U);
  EXPECT_EQ(pass.report.n_hidden, 0);
  EXPECT_THAT(pass.notices, IsEmpty());
}

TEST(Capture, SixteenBitsAndLayersThatAreMissing) {
  const CapturePass pass = Capture(kFolder / "half.safetensors").read({});
  expect_golden(pass, "half.safetensors/self/0");
  EXPECT_EQ(pass.trace->layers.size(), 4U);
  EXPECT_EQ(pass.trace->layers[2].seq_q(), 6);
  EXPECT_EQ(pass.trace->mask.direction, Direction::kCausal);  // by its values
  EXPECT_THAT(pass.notices, Contains("Layer 2 is not in the capture."));
  EXPECT_THAT(pass.notices, Contains("The layers have from 2 to 3 heads."));
  EXPECT_EQ(pass.report.n_wrong_rows, 0);
}

TEST(Capture, NamesOfTransformerLens) {
  const CapturePass pass = Capture(kFolder / "transformer_lens.safetensors").read({});
  expect_golden(pass, "transformer_lens.safetensors/self/0");
  EXPECT_TRUE(pass.trace->layers[1].stored->holds_scores());
  EXPECT_EQ(pass.trace->layers[2].stored, nullptr);
  EXPECT_FALSE(pass.trace->layers[2].attention.v.empty());
}

TEST(Capture, QueriesAndKeysBecomeAnOrdinaryTrace) {
  const Capture capture(kFolder / "queries.safetensors");
  EXPECT_EQ(capture.facts().n_kv_heads, 2);
  EXPECT_EQ(capture.facts().d_head, 6);
  const CapturePass pass = capture.read({});
  expect_golden(pass, "queries.safetensors/self/0");
  EXPECT_EQ(pass.trace->layers[0].row_sums, nullptr);
  ASSERT_NE(pass.trace->layers[1].row_sums, nullptr);
  EXPECT_EQ(pass.trace->layers[1].mask.pattern.window, 3);
  EXPECT_LT(pass.report.worst_logsumexp, 1e-5);
  EXPECT_THAT(pass.report.summary(), HasSubstr("logsumexp agrees"));
  EXPECT_THAT(pass.notices, IsEmpty());
}

TEST(Capture, ArraysOfNumpy) {
  const CapturePass stack = Capture(kFolder / "stack.npz").read({});
  expect_golden(stack, "stack.npz/self/0");
  EXPECT_EQ(stack.text, "The cat sat on");
  EXPECT_THAT(texts_of(stack.tokens), ElementsAre("<s>", "The", "cat", "sat", "on"));
  EXPECT_THAT(stack.notices, ElementsAre(HasSubstr("read as 3 layers x 2 heads x 5 queries x 5 keys")));
  const CapturePass layers = Capture(kFolder / "layers.npz").read({});
  expect_golden(layers, "layers.npz/self/0");
  EXPECT_EQ(layers.trace->mask.direction, Direction::kBidirectional);
  const CapturePass fortran = Capture(kFolder / "fortran.npy").read({});
  expect_golden(fortran, "fortran.npy/self/0");
  EXPECT_EQ(fortran.tokens[4].text, "on");
  const Capture batch(kFolder / "batch.npy");
  expect_golden(batch.read({.entry = 0}), "batch.npy/self/0");
  expect_golden(batch.read({.entry = 1}), "batch.npy/self/1");
  EXPECT_THAT(batch.read({}).notices, Contains(HasSubstr("read as 2 texts x 3 layers x 2 heads")));
}

// N4 and N6: rows that do not sum to one, NaN, negative, above one, rows of zeros; a list of tokens of another length.
TEST(Capture, N4TellsWhatTheRowsHold) {
  const CapturePass pass = Capture(kFolder / "broken.safetensors").read({});
  expect_golden(pass, "broken.safetensors/self/0");  // shown as it is
  const CaptureReport& report = pass.report;
  EXPECT_EQ(report.n_rows, 42);
  EXPECT_EQ(report.n_rows_total, 42);
  EXPECT_EQ(report.n_nan, 1);
  EXPECT_EQ(report.first_nan.layer, 1);
  EXPECT_EQ(report.first_nan.query, 2);
  EXPECT_EQ(report.n_negative, 1);
  EXPECT_EQ(report.n_above_one, 1);
  EXPECT_EQ(report.n_empty_rows, 1);
  EXPECT_GE(report.n_wrong_rows, 2);
  EXPECT_GT(report.worst_sum, 1.5);
  EXPECT_EQ(report.worst.head, 1);
  EXPECT_EQ(report.worst.query, 5);
  EXPECT_THAT(pass.notices, Contains(HasSubstr("NaN in the 42 rows looked at (of 42), first at L1 H0, row 2")));
  EXPECT_THAT(pass.notices, Contains(AllOf(HasSubstr("not sum to one"), HasSubstr("L1 H1, row 5"))));
  EXPECT_THAT(pass.notices, Contains(HasSubstr("all zero, as padding is")));
}

TEST(Capture, N6NumbersTokensWhoseListHasAnotherLength) {
  const CapturePass pass = Capture(kFolder / "broken.safetensors").read({});
  EXPECT_THAT(pass.notices, Contains(HasSubstr("names 5 tokens, but its attention has 7 queries")));
  EXPECT_THAT(texts_of(pass.tokens), ElementsAre("0", "1", "2", "3", "4", "5", "6"));
}

TEST(Capture, N7TellsHowToConvertAPickle) {
  const TemporaryFolder folder;
  const auto path = folder.file("attention.pt", std::string("\x80\x02}q.", 5));
  EXPECT_THAT(message_of([&] { Capture capture(path); }),
              AllOf(HasSubstr("never opened"), HasSubstr("weights_only=True"), HasSubstr("save_file")));
}

/// A safetensors file of float32 arrays that are all `value`, with metadata.
std::string arrays_of(const std::vector<std::pair<std::string, std::vector<int>>>& arrays, const std::string& metadata,
                      float value = 0.5F) {
  std::ostringstream header, data;
  header << "{\"__metadata__\":{" << metadata << '}';
  std::size_t at = 0;
  for (const auto& [name, shape] : arrays) {
    std::size_t n = 1;
    header << ",\"" << name << "\":{\"dtype\":\"F32\",\"shape\":[";
    for (std::size_t d = 0; d < shape.size(); ++d) {
      n *= static_cast<std::size_t>(shape[d]);
      header << (d == 0 ? "" : ",") << shape[d];
    }
    for (std::size_t i = 0; i < n; ++i)
      data << little_endian(std::bit_cast<std::uint32_t>(value), 4);
    header << "],\"data_offsets\":[" << at << ',' << at + 4 * n << "]}";
    at += 4 * n;
  }
  header << '}';
  return testing_files::safetensors_bytes(header.str(), data.str());
}

CapturePass read_arrays(const std::vector<std::pair<std::string, std::vector<int>>>& arrays, const std::string& metadata) {
  const TemporaryFolder folder;
  return Capture(folder.file("x.safetensors", arrays_of(arrays, metadata))).read({});
}

// N5: ranks, batches, layers of other sizes.
TEST(Capture, N5ReadsTheAxesOfOneArray) {
  const auto read = [](std::vector<int> shape, const std::string& metadata = "") {
    return read_arrays({{"attentions", std::move(shape)}}, metadata);
  };
  EXPECT_THAT(read({2, 2}).notices, Contains(HasSubstr("one layer of 1 head x 2 queries x 2 keys")));
  EXPECT_THAT(read({3, 2, 2}).notices, Contains(HasSubstr("one layer of 3 heads")));
  EXPECT_THAT(read({3, 4, 2, 2}).notices, Contains(HasSubstr("3 layers x 4 heads")));
  EXPECT_THAT(read({1, 3, 4, 2, 2}).notices, Contains(HasSubstr("1 text x 3 layers x 4 heads")));
  EXPECT_THAT(read({3, 1, 4, 2, 2}).notices, Contains(HasSubstr("3 layers x 1 text x 4 heads")));
  EXPECT_THAT(read({3, 2, 4, 2, 2}).notices, Contains(HasSubstr("3 texts x 2 layers x 4 heads")));
  EXPECT_THAT(read({3, 2, 4, 2, 2}, "\"axes\":\"layers batch heads q k\"").notices,
              Contains(HasSubstr("3 layers x 2 texts x 4 heads")));
  EXPECT_THAT(message_of([&] { read({1, 1, 1, 1, 2, 2}); }), HasSubstr("three to five dimensions"));
}

TEST(Capture, N5LeavesOutLayersOfOtherSizes) {
  const CapturePass pass = read_arrays(
      {{"attn.000", {2, 4, 4}}, {"attn.001", {2, 5, 5}}, {"attn.002", {2, 2, 4, 4}}, {"attn.003", {4}}}, "\"causal\":\"false\"");
  EXPECT_EQ(pass.trace->layers[0].heads.size(), 2U);
  EXPECT_THAT(pass.trace->layers[1].heads, IsEmpty());
  EXPECT_THAT(pass.trace->layers[2].heads, IsEmpty());
  EXPECT_THAT(pass.notices, Contains(HasSubstr("Layer 1 is left out: it has 5 x 5")));
  EXPECT_THAT(pass.notices, Contains(HasSubstr("Layer 2 is left out")));
  EXPECT_THAT(pass.notices, Contains(HasSubstr("\"attn.003\" [4] is left out")));
}

TEST(Capture, WhatLiesBehindTheDiagonalIsToldAndShown) {
  const CapturePass pass = read_arrays({{"attn.000", {1, 2, 2}}}, "\"causal\":\"true\"");
  EXPECT_EQ(pass.report.n_hidden, 1);
  EXPECT_EQ(pass.trace->layers[0].mask.direction, Direction::kBidirectional);
  EXPECT_THAT(pass.notices, Contains(HasSubstr("cannot see the key")));
}

TEST(Capture, AWrongLogsumexpIsToldAndComputedAnew) {
  const CapturePass pass =
      read_arrays({{"q.000", {3, 1, 4}}, {"k.000", {3, 1, 4}}, {"logsumexp.000", {1, 3}}}, "\"causal\":\"true\"");
  EXPECT_THAT(pass.notices, Contains(HasSubstr("logsumexp differs")));
  EXPECT_NE(pass.trace->layers[0].row_sums, nullptr);
  EXPECT_TRUE(pass.trace->layers[0].attention.logsumexp.empty());
}

TEST(Capture, QueriesWithoutKeysAreNoCapture) {
  EXPECT_THAT(message_of([&] { read_arrays({{"q.000", {3, 1, 4}}}, ""); }), HasSubstr("holds no attention"));
  EXPECT_THAT(message_of([&] { read_arrays({{"model.layers.0.self_attn.q_proj.weight", {4, 4}}}, ""); }), HasSubstr("q_proj"));
  EXPECT_THAT(message_of([&] {
                read_arrays({{"q.000", {3, 3, 4}}, {"k.000", {3, 2, 4}}}, "");
              }),
              HasSubstr("do not fit each other"));
}

TEST(Capture, ANewerVersionIsRefused) {
  const std::string metadata = "\"format\":\"attention-capture\",\"version\":\"2\"";
  EXPECT_THAT(message_of([&] { read_arrays({{"attn.000", {1, 2, 2}}}, metadata); }), HasSubstr("version 2"));
}

TEST(Capture, MetadataThatAreNotUnderstoodAreTold) {
  const std::string metadata =
      R"("causal":"perhaps","window":"wide","query_start":"-3","tokens":"[1,2]","pattern":"{\"kind\":\"dense\"}","scale":"nan")";
  const CapturePass pass = read_arrays({{"q.000", {2, 1, 2}}, {"k.000", {2, 1, 2}}}, metadata);
  EXPECT_THAT(pass.notices, Contains(HasSubstr("causal is \"perhaps\"")));
  EXPECT_THAT(pass.notices, Contains(HasSubstr("query_start is \"-3\"")));
  EXPECT_THAT(pass.notices, Contains(HasSubstr("list of tokens was not read")));
  EXPECT_THAT(pass.notices, Contains(HasSubstr("scale is \"nan\"")));
}

TEST(Capture, MissingTokensAreTheirIdsOrNumbers) {
  EXPECT_THAT(texts_of(read_arrays({{"attn.000", {1, 2, 2}}}, "").tokens), ElementsAre("0", "1"));
  const CapturePass pass = Capture(kFolder / "half.safetensors").read({});
  EXPECT_THAT(pass.notices, Not(Contains(HasSubstr("numbers"))));
}

TEST(Capture, GigabytesOpenWithoutBeingRead) {
  // 16 layers of [8, 8192, 8192] float32: 32 GiB of which the file system stores nothing.
  const TemporaryFolder folder;
  constexpr std::uint64_t kLayerBytes = std::uint64_t{8} * 8192 * 8192 * 4;
  std::string header = R"({"__metadata__":{"causal":"true"})";
  for (std::uint64_t l = 0; l < 16; ++l)
    header += ",\"attn." + std::to_string(l) + R"(":{"dtype":"F32","shape":[8,8192,8192],"data_offsets":[)" +
              std::to_string(l * kLayerBytes) + "," + std::to_string((l + 1) * kLayerBytes) + "]}";
  header += "}";
  const auto path = folder.file("large.safetensors", testing_files::safetensors_bytes(header, ""));
  std::filesystem::resize_file(path, 8 + header.size() + 16 * kLayerBytes);
  const Capture capture(path);
  const CapturePass pass = capture.read({});
  EXPECT_EQ(pass.trace->layers.size(), 16U);
  EXPECT_EQ(pass.report.n_rows_total, 16 * 8 * 8192);
  EXPECT_LT(pass.report.n_values, 10000000);
  EXPECT_EQ(pass.report.n_empty_rows, pass.report.n_rows);
  std::vector<float> row(8192, 1);
  pass.trace->layers[15].stored->read(7, 8191, 1, row.data());
  EXPECT_EQ(row.back(), 0);
  EXPECT_THROW(pass.trace->layers[15].stored->read(8, 0, 1, row.data()), ShapeError);
}

TEST(Capture, LargeQueriesAndKeysAreReadAsTheyAreLookedAt) {
  // 2 layers of q and k [262144, 8, 64]: 2 GiB as float32, all zero.
  const TemporaryFolder folder;
  constexpr std::uint64_t kBytes = std::uint64_t{262144} * 8 * 64 * 4;
  std::string header = R"({"__metadata__":{"causal":"true"})";
  std::uint64_t at = 0;
  for (const char* name : {"q.000", "k.000", "q.001", "k.001"}) {
    header += std::string(",\"") + name + R"(":{"dtype":"F32","shape":[262144,8,64],"data_offsets":[)" + std::to_string(at) + "," +
              std::to_string(at + kBytes) + "]}";
    at += kBytes;
  }
  header += "}";
  const auto path = folder.file("large.safetensors", testing_files::safetensors_bytes(header, ""));
  std::filesystem::resize_file(path, 8 + header.size() + at);
  const CapturePass pass = Capture(path).read({});
  ASSERT_NE(pass.trace->layers[0].stored, nullptr);
  EXPECT_TRUE(pass.trace->layers[0].stored->holds_scores());
  EXPECT_TRUE(pass.trace->layers[0].attention.q.empty());
  EXPECT_THAT(pass.notices, Contains(HasSubstr("computed from the file as they are looked at")));
}

TEST(CaptureNames, AreUnderstood) {
  const auto layer_of = [](const char* name) { return read_capture_name(name).value().layer.value_or(-1); };
  EXPECT_EQ(layer_of("attn.000"), 0);
  EXPECT_EQ(layer_of("attn_12"), 12);
  EXPECT_EQ(layer_of("attentions/7"), 7);
  EXPECT_EQ(layer_of("arr_3"), 3);
  EXPECT_EQ(layer_of("attention_weights"), -1);
  EXPECT_EQ(layer_of("blocks.31.attn.hook_pattern"), 31);
  EXPECT_EQ(read_capture_name("decoder.2.cross_attn.hook_pattern")->stack, AttentionStack::kCross);
  EXPECT_EQ(read_capture_name("encoder_q.004")->stack, AttentionStack::kEncoder);
  EXPECT_EQ(read_capture_name("blocks.0.attn.hook_q")->turned, CaptureName::Turned::kBefore);
  EXPECT_EQ(read_capture_name("blocks.0.attn.hook_rot_q")->turned, CaptureName::Turned::kAsUsed);
  EXPECT_EQ(read_capture_name("layers.0.q")->axes, CaptureName::Axes::kHeadsFirst);
  for (const char* other : {"model.layers.0.self_attn.q_proj.weight", "blocks.0.hook_resid_post", "h.0.attn.c_attn.weight",
                            "wte.weight", "input_ids", "attn.123456", "", "0", "blocks.0.attn.W_Q"})
    EXPECT_FALSE(read_capture_name(other).has_value()) << other;
}

}  // namespace
}  // namespace headroom
