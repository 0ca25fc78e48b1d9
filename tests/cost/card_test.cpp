#include "core/cost/card.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/attention/mask.h"
#include "core/cost/thousands.h"
#include "core/cost/work.h"

namespace headroom {
namespace {

using testing::HasSubstr;

/// LLaMA's block with sizes small enough to count by hand.
ModelCard small_card() {
  ModelCard card;
  card.kind = CardKind::kDecoder;
  card.positions = CardPositions::kRotary;
  card.d_model = 8;
  card.d_head = 4;
  card.vocab = 10;
  card.context = 100;
  card.decoder = {.n_layers = 3, .n_heads = 2, .n_kv_heads = 1, .d_ff = 16, .windows = {}};
  card.block = CardBlock{};
  return card;
}

const CardLine& line(const std::vector<CardLine>& lines, const std::string& label) {
  for (const CardLine& line : lines)
    if (line.label == label) return line;
  static const CardLine kNone;
  ADD_FAILURE() << "no line " << label;
  return kNone;
}

TEST(Card, CountsASmallModelByHand) {
  const CardParameters count = count_parameters(small_card());
  EXPECT_EQ(count.find(CardPart::kEmbedding)->n, 80);
  EXPECT_EQ(count.find(CardPart::kQuery)->n, 3 * 8 * 8);
  EXPECT_EQ(count.find(CardPart::kKey)->n, 3 * 8 * 4);
  EXPECT_EQ(count.find(CardPart::kValue)->n, 3 * 8 * 4);
  EXPECT_EQ(count.find(CardPart::kOutProjection)->n, 3 * 8 * 8);
  EXPECT_EQ(count.find(CardPart::kMlp)->n, 3 * 3 * 8 * 16);
  EXPECT_EQ(count.find(CardPart::kNorms)->n, (3 * 2 + 1) * 8);
  EXPECT_EQ(count.find(CardPart::kOutput)->n, 0);  // tied
  EXPECT_EQ(count.find(CardPart::kPositions), nullptr);
  EXPECT_EQ(count.total, 80 + 192 + 96 + 96 + 192 + 1152 + 56);
  EXPECT_EQ(count.active, count.total);
}

TEST(Card, CountsWhatTheBlockAdds) {
  ModelCard card = small_card();
  const std::int64_t plain = *count_parameters(card).total;
  const auto more = [&](auto change) {
    card.block = CardBlock{};
    change(*card.block);
    return *count_parameters(card).total - plain;
  };
  EXPECT_EQ(more([](CardBlock& b) { b.has_qkv_bias = true; }), 3 * (8 + 4 + 4));
  EXPECT_EQ(more([](CardBlock& b) { b.has_o_bias = true; }), 3 * 8);
  EXPECT_EQ(more([](CardBlock& b) { b.has_mlp_bias = true; }), 3 * (2 * 16 + 8));
  EXPECT_EQ(more([](CardBlock& b) { b.is_gated = false; }), -3 * 8 * 16);
  EXPECT_EQ(more([](CardBlock& b) { b.norm = NormKind::kLayer; }), 56);
  EXPECT_EQ(more([](CardBlock& b) { b.has_qk_norm = true; }), 3 * 2 * 4);
  EXPECT_EQ(more([](CardBlock& b) { b.ties_output = false; }), 80);
  EXPECT_EQ(more([](CardBlock& b) { b.has_pooler = true; }), 72);
  EXPECT_EQ(more([](CardBlock& b) { b.position_rows = 7; }), 56);
  EXPECT_EQ(more([](CardBlock& b) { b.has_final_norm = false; }), -8);
  EXPECT_EQ(more([](CardBlock& b) { b.n_experts = 4; }), 3 * (3 * 3 * 8 * 16 + 4 * 8));
}

TEST(Card, AnUnknownFamilyHasNoTotalAndSaysWhy) {
  ModelCard card = small_card();
  card.block = std::nullopt;
  const CardParameters count = count_parameters(card);
  EXPECT_EQ(count.total, std::nullopt);
  EXPECT_EQ(count.find(CardPart::kQuery)->n, 192);  // shapes alone decide the matrices
  EXPECT_EQ(count.find(CardPart::kMlp)->n, std::nullopt);
  EXPECT_EQ(card_work(card, 10)->mlp, std::nullopt);
  EXPECT_TRUE(card_cache(card, KvType::kFloat16, 10));
  card.decoder.n_kv_heads = std::nullopt;
  EXPECT_FALSE(card_cache(card, KvType::kFloat16, 10));
  EXPECT_FALSE(card_work(card, 10));
}

TEST(Card, CacheIsTheOneOfTheLiveModel) {
  const ModelCard card = small_card();
  for (const KvType type : {KvType::kFloat32, KvType::kFloat16, KvType::kInt8}) {
    const auto cache = card_cache(card, type, 50);
    EXPECT_EQ(cache->bytes, kv_bytes({{1, 1, 1}, 4, 50, 1, type}));
    EXPECT_EQ(cache->bytes_per_token * 50, cache->bytes);
    EXPECT_EQ(cache->unshared_bytes, 2 * cache->bytes);
  }
}

TEST(Card, WindowsAreHonoured) {
  ModelCard card = small_card();
  card.decoder.windows = {0, 16, 16};
  const auto cache = card_cache(card, KvType::kInt8, 50);
  EXPECT_EQ(cache->bytes, 2 * (4 + 4) * (50 + 16 + 16));  // four values and a scale
  EXPECT_EQ(cache->bytes_per_token, 2 * 3 * (4 + 4));
  Mask window;
  window.pattern = {.kind = PatternKind::kLocalWindow, .window = 16};
  EXPECT_EQ(card_work(card, 50)->scores,
            2.0 * static_cast<double>(count_visible({}, 0, 50, 50) + 2 * count_visible(window, 0, 50, 50)));
  EXPECT_THAT(line(card_lines(card, KvType::kInt8, 50).cache, "50 tokens").formula,
              HasSubstr("(2 layers · 16 tokens + 1 layer · 50 tokens)"));
}

TEST(Card, PairsAgreeWithTheMask) {
  for (const std::int64_t n : {1, 2, 17, 64}) {
    EXPECT_EQ(causal_pairs(n, 0), count_visible({}, 0, n, n));
    for (const std::int64_t window : {1, 3, 17, 100}) {
      Mask mask;
      mask.pattern = {.kind = PatternKind::kLocalWindow, .window = window};
      EXPECT_EQ(causal_pairs(n, window), count_visible(mask, 0, n, n)) << n << ", " << window;
    }
  }
}

TEST(Card, WorkAgreesWithThePassOfARealModel) {
  const ModelCard card = small_card();
  PassShape pass;
  pass.model.shape = {
      .n_layers = 3, .d_model = 8, .n_heads = 2, .n_kv_heads = 1, .d_head = 4, .d_ff = 16, .vocab_size = 10, .max_positions = 100};
  pass.n_heads = {2, 2, 2};
  pass.n_kv_heads = {1, 1, 1};
  pass.seq = 33;
  double qkvo = 0, attention = 0, mlp = 0, logits = 0;
  for (const StageWork& stage : pass_work(pass)) {
    if (stage.stage == "q k v" || stage.stage == "W_O") qkvo += stage.flops;
    if (stage.stage == "attention") attention = stage.flops;
    if (stage.stage == "MLP") mlp = stage.flops;
    if (stage.stage == "logits") logits = stage.flops;
  }
  const auto work = card_work(card, 33);
  EXPECT_EQ(work->qk + work->pv, attention);
  EXPECT_EQ(work->projections, qkvo);
  EXPECT_EQ(work->mlp, mlp);
  EXPECT_EQ(work->output, logits);
  EXPECT_EQ(work->maps, 6);
  EXPECT_EQ(work->scores_unmasked, 6.0 * 33 * 33);
}

TEST(Card, EncodersSeeAllAndKeepNothing) {
  ModelCard card = small_card();
  card.kind = CardKind::kEncoder;
  card.encoder = card.decoder;
  EXPECT_EQ(card_work(card, 20)->scores, 6.0 * 20 * 20);
  EXPECT_FALSE(card_cache(card, KvType::kFloat16, 20));
  EXPECT_TRUE(card_lines(card, KvType::kFloat16, 20).cache.empty());
}

TEST(Card, EncoderDecodersHaveThreeKindsOfMaps) {
  ModelCard card = small_card();
  card.kind = CardKind::kEncoderDecoder;
  card.encoder = {.n_layers = 2, .n_heads = 2, .n_kv_heads = 2, .d_ff = 16, .windows = {}};
  const auto work = card_work(card, 20);
  EXPECT_EQ(work->maps, 2 * 2 + 3 * 2 + 3 * 2);
  EXPECT_EQ(work->scores, 4.0 * 400 + 6.0 * 210 + 6.0 * 400);
  EXPECT_EQ(count_parameters(card).find(CardPart::kCross)->n, 3 * (64 + 2 * 32 + 64));
}

TEST(Card, ArithmeticIsWrittenOut) {
  ModelCard card = small_card();
  card.d_model = 4096;
  card.d_head = 128;
  card.vocab = 128256;
  card.decoder = {.n_layers = 32, .n_heads = 32, .n_kv_heads = 8, .d_ff = 14336, .windows = {}};
  const CardLines lines = card_lines(card, KvType::kFloat16, 8192);
  EXPECT_EQ(line(lines.shape, "d_k").formula, "4,096 d_model / 32 heads");
  EXPECT_EQ(line(lines.shape, "d_k").result, "128");
  EXPECT_EQ(line(lines.shape, "sharing").result, "4 heads each");
  EXPECT_EQ(line(lines.cache, "a token").formula, "2 (K and V) · 32 layers · 8 kv_heads · 128 d_k · 2 B");
  EXPECT_EQ(line(lines.cache, "a token").result, "131,072 B = 128.00 KiB");
  EXPECT_EQ(line(lines.cache, "8,192 tokens").result, "1,073,741,824 B = 1.00 GiB");
  EXPECT_EQ(line(lines.cache, "without sharing").result, "4,294,967,296 B = 4.00 GiB");
  EXPECT_EQ(line(lines.parameters, "W_K").formula, "32 layers · 4,096 · (8 · 128)");
  EXPECT_EQ(line(lines.parameters, "W_K").result, "134,217,728");
  EXPECT_EQ(line(lines.work, "attention maps").result, "1,024");
  EXPECT_EQ(line(lines.work, "pairs of a map").result, "33,558,528");
  EXPECT_EQ(line(lines.work, "Q·Kᵀ").result, "8.80 TFLOP");  // 2 · 128 · 1,024 · 33,558,528 = 8.797e12
  card.tells_d_head = true;
  card.d_head = 256;
  EXPECT_THAT(line(card_lines(card, KvType::kFloat16, 10).shape, "d_k").formula,
              HasSubstr("not 4,096 / 32: the heads are 32 · 256 = 8,192 wide"));
}

TEST(Card, SharingHasAName) {
  EXPECT_EQ(sharing_text({.n_layers = 1, .n_heads = 64, .n_kv_heads = 8, .d_ff = {}, .windows = {}}),
            "grouped: 8 query heads read one K/V head");
  EXPECT_EQ(sharing_text({.n_layers = 1, .n_heads = 8, .n_kv_heads = 1, .d_ff = {}, .windows = {}}),
            "multi-query: all 8 query heads read one K/V head");
  EXPECT_EQ(sharing_text({.n_layers = 1, .n_heads = 12, .n_kv_heads = 12, .d_ff = {}, .windows = {}}),
            "multi-head: each of the 12 heads has K and V of its own");
  EXPECT_EQ(sharing_text({}), "");
}

TEST(Card, TheLargestSizesDoNotOverflow) {
  ModelCard card = small_card();
  card.d_model = 65536;
  card.d_head = 8192;
  card.vocab = 10000000;
  card.decoder = {.n_layers = 1000, .n_heads = 4096, .n_kv_heads = 4096, .d_ff = 1048576, .windows = {}};
  card.block->n_experts = 4096;
  EXPECT_GT(*count_parameters(card).total, 0);
  const auto cache = card_cache(card, KvType::kFloat32, std::int64_t{1} << 60);
  EXPECT_EQ(cache->bytes, cache->bytes_per_token * kMaxCardContext);
  EXPECT_GT(card_work(card, kMaxCardContext)->qk, 0);
  EXPECT_FALSE(card_lines(card, KvType::kFloat32, kMaxCardContext).work.empty());
}

TEST(Thousands, AreTheSameEverywhere) {
  EXPECT_EQ(grouped_digits(0), "0");
  EXPECT_EQ(grouped_digits(999), "999");
  EXPECT_EQ(grouped_digits(1000), "1,000");
  EXPECT_EQ(grouped_digits(-1234567), "-1,234,567");
  EXPECT_EQ(flop_text(0), "0 FLOP");
  EXPECT_EQ(flop_text(999.4), "999 FLOP");
  EXPECT_EQ(flop_text(999.6), "1.00 kFLOP");
  EXPECT_EQ(flop_text(28.149e12), "28.1 TFLOP");
  EXPECT_EQ(flop_text(1.005e9), "1.00 GFLOP");
  EXPECT_EQ(flop_text(999.96e6), "1.00 GFLOP");
}

}  // namespace
}  // namespace headroom
