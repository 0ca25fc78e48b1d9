#include "core/cost/pass_cost.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/cost/kv_cache.h"
#include "core/cost/thousands.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// LLaMA's block with sizes small enough to count by hand.
ModelCard small_card() {
  ModelCard card;
  card.name = "small";
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

// Of a layer: W_Q 8 x 8, W_K and W_V 4 x 8 each, W_O 8 x 8, three MLP matrices of 8 x 16.
constexpr double kLayer = 64 + 32 + 32 + 64 + 3 * 128, kEmbedding = 80, kNorms = 56;

TEST(PassCost, PrefillByHand) {
  const PassCost cost = pass_cost(small_card(), {.context = 5, .batch = 2});
  EXPECT_EQ(cost.rows, 10);
  EXPECT_EQ(cost.parameters, 3 * kLayer + kEmbedding + kNorms);
  EXPECT_EQ(cost.weight_bytes, 2 * (3 * kLayer + kEmbedding + kNorms));
  EXPECT_EQ(cost.weight_read_bytes, 2 * (3 * kLayer + kEmbedding));      // the tied embedding is the output
  EXPECT_EQ(cost.linear_flops, 2 * (10 * 3 * kLayer + 2 * kEmbedding));  // two last rows get logits
  // Read: 8 for q, k and v together, 8 for W_O, 8 for gate and up, 16 for down. Written: 8 + 4 + 4, 8, 32, 8.
  EXPECT_EQ(cost.row_bytes, 2 * (10 * 3 * (8 + 16 + 8 + 8 + 8 + 32 + 16 + 8) + 2 * (8 + 10)));
  EXPECT_EQ(cost.pairs, 2 * 3 * 2 * 15);
  EXPECT_EQ(cost.attention_flops, 4 * 4 * 2 * 3 * 2 * 15);
  EXPECT_EQ(cost.query_bytes, 2 * 3 * 2 * 5 * 2 * 4 * 2);
  EXPECT_EQ(cost.kv_bytes, 2 * 3 * 1 * 2 * 5 * 4 * 2);
  EXPECT_EQ(cost.kv_read_bytes, cost.kv_bytes);
  EXPECT_EQ(cost.kv_written_bytes, cost.kv_bytes);
  EXPECT_EQ(cost.logsumexp_bytes, 2 * 2 * 5 * 4);
  EXPECT_EQ(cost.exchange_bytes, 0);
  EXPECT_EQ(cost.naive.attention_flops, 4 * 4 * 2 * 3 * 2 * 25);
  EXPECT_EQ(cost.naive.kv_read_bytes, 2 * cost.kv_read_bytes);
  EXPECT_EQ(cost.naive.score_bytes, 2 * 2 * 25 * 4);
  EXPECT_EQ(cost.naive.score_traffic_bytes, 2 * 3 * 2 * 25 * 16);
  // Residual stream, normed copy, and the MLP's two rows of 16; then two rows of logits.
  EXPECT_EQ(cost.activation_bytes, 10 * (2 * 8 + 2 * 16) * 2 + 2 * 10 * 4);
  EXPECT_EQ(cost.flops(), cost.linear_flops + cost.attention_flops);
  EXPECT_EQ(cost.intensity(), cost.flops() / cost.traffic());
}

TEST(PassCost, DecodeByHand) {
  PassPlan plan{.kind = PassKind::kDecode, .context = 50, .batch = 3, .kv = KvType::kInt8};
  const PassCost cost = pass_cost(small_card(), plan);
  EXPECT_EQ(cost.rows, 3);
  EXPECT_EQ(cost.linear_flops, 2 * 3 * (3 * kLayer + kEmbedding));
  EXPECT_EQ(cost.attention_flops, 4 * 4 * 3 * 3 * 2 * 50);
  EXPECT_EQ(cost.kv_bytes, 3 * kv_bytes({{1, 1, 1}, 4, 50, 1, KvType::kInt8}));
  EXPECT_EQ(cost.kv_read_bytes, cost.kv_bytes);
  EXPECT_EQ(cost.kv_written_bytes, cost.kv_bytes / 50);
  EXPECT_EQ(cost.naive.score_bytes, 3 * 2 * 50 * 4);
  plan.context = 1;
  EXPECT_EQ(pass_cost(small_card(), plan).pairs, 3 * 3 * 2);
}

TEST(PassCost, WindowsBoundWhatIsSeenAndHeld) {
  ModelCard card = small_card();
  card.decoder.windows = {0, 16, 16};
  const PassCost prefill = pass_cost(card, {.context = 50});
  EXPECT_EQ(prefill.pairs, 2 * (causal_pairs(50, 0) + 2 * causal_pairs(50, 16)));
  EXPECT_EQ(prefill.kv_bytes, static_cast<double>(card_cache(card, KvType::kFloat16, 50)->bytes));
  EXPECT_EQ(prefill.kv_read_bytes, 3 * 2 * 50 * 8);  // every row was seen by some query
  const PassCost step = pass_cost(card, {.kind = PassKind::kDecode, .context = 50});
  EXPECT_EQ(step.kv_read_bytes, 2 * (50 + 16 + 16) * 8);
  EXPECT_EQ(step.pairs, 2 * (50 + 16 + 16));
}

TEST(PassCost, LogitsOfEveryRowCostMore) {
  const PassCost last = pass_cost(small_card(), {.context = 7});
  const PassCost every = pass_cost(small_card(), {.context = 7, .logits = LogitRows::kEvery});
  EXPECT_EQ(every.linear_flops - last.linear_flops, 2 * 6 * kEmbedding);
}

TEST(PassCost, AgreesWithTheCardsOwnWork) {
  for (const std::int64_t n : {1, 33, 100}) {
    const auto work = card_work(small_card(), n);
    const PassCost cost = pass_cost(small_card(), {.context = n, .logits = LogitRows::kEvery});
    EXPECT_EQ(cost.attention_flops, work->qk + work->pv);
    EXPECT_EQ(cost.linear_flops, work->projections + *work->mlp + *work->output);
  }
}

TEST(PassCost, IntegersKeepAScaleForEach128Values) {
  EXPECT_EQ(matrix_bytes(KvType::kFloat32, 3, 5), 60);
  EXPECT_EQ(matrix_bytes(KvType::kBFloat16, 3, 5), 30);
  EXPECT_EQ(matrix_bytes(KvType::kInt8, 3, 5), 3 * (5 + 2));
  EXPECT_EQ(matrix_bytes(KvType::kInt4, 3, 5), 3 * (3 + 2));
  EXPECT_EQ(matrix_bytes(KvType::kInt8, 2, 128), 2 * 130);
  EXPECT_EQ(matrix_bytes(KvType::kInt4, 2, 129), 2 * (65 + 4));
  const PassCost cost = pass_cost(small_card(), {.context = 1, .weights = KvType::kInt8});
  // Rows of 8 and 16 values have one scale each: 8 + 4 + 4 + 8 + 16 + 16 + 8 rows a layer, and 10 words.
  EXPECT_EQ(cost.weight_bytes, 3 * kLayer + kEmbedding + 2 * (3 * 64 + 10) + 2 * kNorms);
}

TEST(PassCost, DevicesShareHeadsColumnsAndWords) {
  ModelCard card = small_card();
  card.decoder.n_kv_heads = 2;
  const PassCost whole = pass_cost(card, {.context = 6}), half = pass_cost(card, {.context = 6, .tensor_parallel = 2});
  EXPECT_EQ(2 * half.linear_flops, whole.linear_flops);
  EXPECT_EQ(2 * half.attention_flops, whole.attention_flops);
  EXPECT_EQ(2 * half.kv_bytes, whole.kv_bytes);
  EXPECT_EQ(2 * (half.weight_bytes - 2 * kNorms), whole.weight_bytes - 2 * kNorms);  // norms lie on both
  EXPECT_EQ(half.parameters, whole.parameters);
  EXPECT_EQ(half.exchange_bytes, 2 * 0.5 * 6 * 3 * 2 * 8 * 2);
  // Three devices: the fullest has one of two heads, and 6 of 16 columns.
  const PassCost third = pass_cost(card, {.context = 1, .tensor_parallel = 3});
  EXPECT_EQ(third.linear_flops, 2 * (3 * (4 * 8 * 4 + 3 * 6 * 8) + 4 * 8));
  EXPECT_EQ(third.exchange_bytes, 2 * (2.0 / 3) * 1 * 3 * 2 * 8 * 2);
}

TEST(PassCost, ExpertsTakeTurns) {
  ModelCard card = small_card();
  card.block->n_experts = 4;
  card.block->n_experts_used = 2;
  const double mlp = 3 * 128, others = kLayer - mlp + 4 * 8;
  const PassCost one = pass_cost(card, {.kind = PassKind::kDecode, .context = 9});
  EXPECT_EQ(one.linear_flops, 2 * (3 * (others + 2 * mlp) + kEmbedding));
  EXPECT_EQ(one.weight_read_bytes, 2 * (3 * (others + 2 * mlp) + kEmbedding));
  EXPECT_EQ(one.weight_bytes, 2 * (3 * (others + 4 * mlp) + kEmbedding + kNorms));
  EXPECT_EQ(one.experts_read, 2);
  // Two rows miss an expert with probability 1/2 each.
  const PassCost two = pass_cost(card, {.kind = PassKind::kDecode, .context = 9, .batch = 2});
  EXPECT_DOUBLE_EQ(two.experts_read, 3);
  EXPECT_DOUBLE_EQ(two.weight_read_bytes, 2 * (3 * (others + 3 * mlp) + kEmbedding));
  const auto lines = pass_lines(card, {.kind = PassKind::kDecode, .context = 9, .batch = 2});
  const auto basis = [&](const std::string& key) {
    return std::find_if(lines.begin(), lines.end(), [&](const CostLine& line) { return line.key == key; })->basis;
  };
  EXPECT_EQ(basis("weight_read_bytes"), Basis::kEstimated);
  EXPECT_EQ(basis("linear_flops"), Basis::kComputed);
}

TEST(PassCost, EncodersReadAndDoNotDecode) {
  ModelCard card = small_card();
  card.kind = CardKind::kEncoder;
  card.encoder = card.decoder;
  const PassCost cost = pass_cost(card, {.context = 6});
  EXPECT_EQ(cost.pairs, 3 * 2 * 36);
  EXPECT_EQ(cost.kv_bytes, 0);
  EXPECT_EQ(cost.kv_written_bytes, 0);
  EXPECT_EQ(cost.kv_read_bytes, 3 * 2 * 6 * 8);
  EXPECT_THROW(pass_cost(card, {.kind = PassKind::kDecode, .context = 6}), Error);
}

TEST(PassCost, AnEncoderDecoderKeepsBothCaches) {
  ModelCard card = small_card();
  card.kind = CardKind::kEncoderDecoder;
  card.encoder = card.decoder;
  const double heads = 64 + 32 + 32 + 64;
  const PassCost step = pass_cost(card, {.kind = PassKind::kDecode, .context = 20});
  EXPECT_EQ(step.linear_flops, 2 * (3 * (kLayer + 64 + 64) + kEmbedding));  // W_K and W_V of the source are done
  EXPECT_EQ(step.kv_bytes, 2 * 3 * 2 * 20 * 8);
  EXPECT_EQ(step.kv_written_bytes, 3 * 2 * 8);
  const PassCost first = pass_cost(card, {.context = 20});
  EXPECT_EQ(first.linear_flops, 2 * (20 * 3 * kLayer + 3 * (kLayer + 64 + 64) + 20 * 3 * 64 + kEmbedding));
  EXPECT_EQ(first.pairs, 3 * 2 * (400 + 1 + 20));
  EXPECT_EQ(first.kv_bytes, 3 * 2 * (1 + 20) * 8);
  EXPECT_EQ(first.parameters, 6 * kLayer + 3 * heads + kEmbedding + (2 * kNorms + 3 * 8));
}

TEST(PassCost, LinesSayTheFiguresWithTheirNumbers) {
  const PassPlan plan{.context = 4096, .batch = 2, .weights = KvType::kInt4, .tensor_parallel = 1};
  const PassCost cost = pass_cost(small_card(), plan);
  const auto find = [lines = pass_lines(small_card(), plan)](const std::string& key) {
    for (const CostLine& line : lines)
      if (line.key == key) return line;
    ADD_FAILURE() << "no " << key;
    return CostLine{};
  };
  EXPECT_EQ(find("pairs").formula, "2 texts · 3 layers · 2 heads · 4,096 · (4,096 + 1) / 2");
  EXPECT_EQ(find("pairs").value, cost.pairs);
  EXPECT_EQ(find("kv_bytes").formula, "2 · 2 texts · 3 layers · 1 kv_head · 4,096 tokens · 4 d_k · 2 B");
  EXPECT_EQ(find("kv_bytes").result, "384.00 KiB");
  EXPECT_EQ(find("linear_flops").formula, "2 · (8,192 rows · 1,728 + 2 rows · 80)");
  EXPECT_EQ(find("weight_bytes").formula, "1,808 in matrices · ½ B + 202 scales · 2 B + 56 others · 2 B");
  EXPECT_EQ(find("attention_flops").formula, "4 · 4 d_k · 100,687,872 pairs");
  EXPECT_EQ(find("score_bytes").formula, "one layer: 2 texts · 2 heads · 4,096 · 4,096 · 4 B");
  EXPECT_EQ(find("flops").value, cost.flops());
  EXPECT_EQ(find("traffic_bytes").value, cost.traffic());
  EXPECT_EQ(find("activation_bytes").basis, Basis::kEstimated);
}

TEST(PassCost, ACardThatTellsTooLittleIsRefusedWithWhatIsMissing) {
  ModelCard card = small_card();
  card.block = std::nullopt;
  card.missing = {"The family is not known here."};
  try {
    pass_cost(card, {.context = 4});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "small: its cost cannot be computed. The family is not known here.");
  }
}

TEST(PassCost, NumbersBeyondIntegersStayNumbers) {
  ModelCard card = small_card();
  card.decoder.n_layers = 1000;
  card.decoder.n_heads = card.decoder.n_kv_heads = 4096;
  card.d_head = 8192;
  const PassPlan plan{.context = kMaxCardContext, .batch = 1'000'000, .kv = KvType::kFloat32};
  const PassCost cost = pass_cost(card, plan);
  EXPECT_DOUBLE_EQ(cost.kv_bytes, 2.0 * 1e3 * 4096 * 8192 * 4 * 1e7 * 1e6);
  for (const CostLine& line : pass_lines(card, plan))
    EXPECT_FALSE(line.result.empty());
  EXPECT_EQ(bytes_amount(1.5 * 1024 * 1024 * 1024 * 1024 * 1024), "1.50 PiB");
}

TEST(NumberText, OfAnySize) {
  EXPECT_EQ(decimal_text(1234567.891, 2), "1,234,567.89");
  EXPECT_EQ(decimal_text(-1234.5, 1), "-1,234.5");
  EXPECT_EQ(decimal_text(999, 0), "999");
  EXPECT_EQ(whole_text(1e15), "1,000,000,000,000,000");
  EXPECT_EQ(whole_text(1.234e20), "1.23e+20");
  EXPECT_EQ(metric_text(3.35e12, "B/s"), "3.35 TB/s");
  EXPECT_EQ(metric_text(989.4e12, "FLOP/s"), "989 TFLOP/s");
  EXPECT_EQ(metric_text(0.004, "x"), "4.00e-03 x");
  EXPECT_EQ(duration_text(0), "0 s");
  EXPECT_EQ(duration_text(12.34e-3), "12.3 ms");
  EXPECT_EQ(duration_text(4.56e-6), "4.56 µs");
  EXPECT_EQ(duration_text(90), "90.0 s");
  EXPECT_EQ(duration_text(180), "3.00 min");
  EXPECT_EQ(duration_text(7200), "2.00 h");
}

}  // namespace
}  // namespace headroom
