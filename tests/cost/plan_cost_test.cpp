#include "core/cost/plan_cost.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/cost/thousands.h"
#include "core/tensor/parallel.h"

namespace headroom {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr double kGibibyte = 1073741824.0;

/// The sizes of LLaMA 2 7B, and with eight K/V heads those of a grouped model.
ModelCard llama(std::int64_t n_kv_heads = 32) {
  ModelCard card;
  card.name = "LLaMA 2 7B";
  card.kind = CardKind::kDecoder;
  card.positions = CardPositions::kRotary;
  card.d_model = 4096;
  card.d_head = 128;
  card.vocab = 32000;
  card.context = 4096;
  card.decoder = {.n_layers = 32, .n_heads = 32, .n_kv_heads = n_kv_heads, .d_ff = 11008, .windows = {}};
  card.block = CardBlock{};
  card.block->ties_output = false;
  return card;
}

Device round_device() {
  return {.id = "round",
          .name = "a round device",
          .memory_bytes = 80 * kGibibyte,
          .usable_share = 0.9,
          .bandwidth = 2e12,
          .flops_float32 = 20e12,
          .flops_16 = 400e12,
          .flops_int8 = 800e12,
          .link = 200e9,
          .basis = Basis::kCited,
          .source = "made up",
          .note = ""};
}

CostPlan plan_of(std::int64_t context, std::int64_t batch) { return {.context = context, .batch = batch, .page_rows = 16}; }

TEST(PlanCost, ByHandForLlama7b) {
  const PlanCost cost = plan_costs(llama(), plan_of(4096, 1), round_device());
  ASSERT_EQ(cost.problem, "");
  EXPECT_TRUE(cost.fits());
  EXPECT_EQ(cost.prefill.parameters, 6738415616);
  EXPECT_EQ(cost.memory.weights, 2 * 6738415616.0);
  EXPECT_EQ(cost.memory.kv, 2.0 * kGibibyte);  // 2 · 32 layers · 4,096 tokens · 32 heads · 128 · 2 B
  EXPECT_EQ(cost.memory.kv_used, cost.memory.kv);
  EXPECT_EQ(cost.memory.usable, 72 * kGibibyte);
  // A step reads all weights but the embedding, norms and the cache; at batch 1 nothing else counts.
  const double read = 2 * (6738415616.0 - 32000 * 4096 - 65 * 4096) + 2 * kGibibyte;
  EXPECT_NEAR(cost.decode_time.bandwidth, read / 2e12, 1e-5);
  EXPECT_EQ(cost.tokens_per_s_bandwidth, 1 / cost.decode_time.bandwidth);
  EXPECT_EQ(cost.decode_time.compute, cost.decode.flops() / 400e12);
  EXPECT_NEAR(cost.tokens_per_s, cost.tokens_per_s_bandwidth, 1e-9);
  EXPECT_GT(cost.tokens_per_s_compute, 50 * cost.tokens_per_s_bandwidth);
  // A prompt of 4,096 tokens is bound by arithmetic.
  EXPECT_NEAR(cost.first_token_s, cost.prefill.flops() / 400e12, 1e-6);
  EXPECT_EQ(cost.prompt_tokens_per_s, 4096 / cost.first_token_s);
}

TEST(PlanCost, PartsTakeTheLongerOfTheirBounds) {
  for (const std::int64_t batch : {1, 64, 512}) {
    const PlanCost cost = plan_costs(llama(8), plan_of(2000, batch), round_device());
    const PassTime& time = cost.decode_time;
    EXPECT_GE(time.total() * (1 + 1e-12), std::max(time.bandwidth, time.compute));
    EXPECT_LE(time.total(), time.bandwidth + time.compute);
    EXPECT_EQ(time.total(), time.linear + time.attention);
  }
}

TEST(PlanCost, TheLargestThatFitsFitsAndOneMoreDoesNot) {
  std::mt19937 random(5);
  const auto draw = [&](std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random);
  };
  for (int trial = 0; trial < 60; ++trial) {
    CostPlan plan = plan_of(draw(1, 20000), draw(1, 40));
    plan.kv = static_cast<KvType>(draw(0, 4));
    plan.weights = static_cast<KvType>(draw(1, 4));
    plan.page_rows = trial % 3 == 0 ? 0 : draw(1, 300);
    plan.window = trial % 4 == 0 ? draw(1, 9000) : 0;
    plan.tensor_parallel = draw(1, 5);
    const ModelCard card = llama(trial % 2 == 0 ? 8 : 32);
    const PlanCost cost = plan_costs(card, plan, round_device());
    ASSERT_EQ(cost.problem, "");
    const auto fits = [&](std::int64_t CostPlan::*field, std::int64_t value) {
      CostPlan other = plan;
      other.*field = value;
      return plan_costs(card, other, round_device()).fits();
    };
    ASSERT_GT(cost.largest_batch, 0);
    EXPECT_TRUE(fits(&CostPlan::batch, cost.largest_batch)) << trial;
    EXPECT_FALSE(fits(&CostPlan::batch, cost.largest_batch + 1)) << trial;
    EXPECT_EQ(cost.fits(), plan.batch <= cost.largest_batch);
    if (cost.largest_context == 0 || cost.largest_context == kMaxCardContext) continue;
    EXPECT_TRUE(fits(&CostPlan::context, cost.largest_context)) << trial;
    EXPECT_FALSE(fits(&CostPlan::context, cost.largest_context + 1)) << trial;
  }
}

TEST(PlanCost, AContextLargerThanMemoryIsPlannedAndRefusedWithTheNumber) {
  const PlanCost cost = plan_costs(llama(), plan_of(200'000, 1), round_device());
  EXPECT_EQ(cost.problem, "");
  EXPECT_FALSE(cost.fits());
  EXPECT_GT(cost.tokens_per_s, 0);
  EXPECT_EQ(cost.memory.kv, 200'000 * 524288.0);
  EXPECT_EQ(cost.largest_batch, 0);
  EXPECT_EQ(cost.fewest_devices, 2);
  EXPECT_THAT(cost.refusal, AllOf(HasSubstr("1 text of 200,000 tokens needs 110"), HasSubstr("97.66 GiB K and V"),
                                  HasSubstr("a round device has 72.00 GiB"),
                                  HasSubstr("at most " + grouped_digits(cost.largest_context) + " tokens of each fit"),
                                  HasSubstr("split over 2 devices")));
  EXPECT_THAT(cost.notices, Contains(HasSubstr("was made for 4,096 tokens")));
}

TEST(PlanCost, WeightsThatDoNotFitSayHowManyDevicesHoldThem) {
  Device small = round_device();
  small.memory_bytes = 8 * kGibibyte;
  const PlanCost cost = plan_costs(llama(), plan_of(100, 1), small);
  EXPECT_EQ(cost.largest_batch, 0);
  EXPECT_EQ(cost.largest_context, 0);
  EXPECT_EQ(cost.fewest_devices, 2);
  EXPECT_THAT(cost.refusal, HasSubstr("the weights alone do not fit; it fits when it is split over 2 devices."));
  small.memory_bytes = 1e6;  // norms alone take 0.5 MB on each, one head's share more than the rest
  EXPECT_EQ(plan_costs(llama(), plan_of(100, 1), small).fewest_devices, 0);
}

TEST(PlanCost, WithoutPagesTheWholeContextIsReserved) {
  CostPlan plan = plan_of(100, 4);
  const PlanCost paged = plan_costs(llama(), plan, round_device());
  EXPECT_EQ(paged.reserved_tokens, 112);
  EXPECT_EQ(paged.memory.kv, 4 * 112 * 524288.0);
  EXPECT_EQ(paged.memory.kv_used, 4 * 100 * 524288.0);
  plan.page_rows = 0;
  const PlanCost whole = plan_costs(llama(), plan, round_device());
  EXPECT_EQ(whole.reserved_tokens, 4096);
  EXPECT_EQ(whole.memory.kv, 4 * 4096 * 524288.0);
  EXPECT_GT(paged.largest_batch, 30 * whole.largest_batch);
  // A window of 50 keeps four pages of 16.
  plan = plan_of(1000, 1);
  plan.window = 50;
  const PlanCost windowed = plan_costs(llama(), plan, round_device());
  EXPECT_EQ(windowed.memory.kv, 64 * 524288.0);
  EXPECT_EQ(windowed.memory.kv_used, 50 * 524288.0);
}

TEST(PlanCost, AWindowOfTheCardIsNotMadeLonger) {
  ModelCard card = llama();
  card.decoder.windows.assign(32, 0);
  card.decoder.windows[0] = 10;
  CostPlan plan = plan_of(1000, 1);
  plan.page_rows = 1;
  plan.window = 100;
  EXPECT_EQ(plan_costs(card, plan, round_device()).memory.kv, (31 * 100 + 10) * 524288.0 / 32);
}

TEST(PlanCost, TheBatchAtWhichAStepTurns) {
  const Device device = round_device();
  CostPlan plan = plan_of(64, 1);
  const PlanCost cost = plan_costs(llama(8), plan, device);
  ASSERT_TRUE(cost.turning_batch);
  const auto computes_longer = [&](std::int64_t batch) {
    plan.batch = batch;
    const PlanCost at = plan_costs(llama(8), plan, device);
    return at.decode_time.compute >= at.decode_time.bandwidth;
  };
  EXPECT_TRUE(computes_longer(*cost.turning_batch));
  EXPECT_FALSE(computes_longer(*cost.turning_batch - 1));
  // Matrices: a row takes 2 FLOP for each weight of 2 B, so about peak / bandwidth = 200 rows, and some for the rows themselves.
  ASSERT_TRUE(cost.matrices_turning_batch);
  EXPECT_GE(*cost.matrices_turning_batch, 200);
  EXPECT_LE(*cost.matrices_turning_batch, 230);
  // Without sharing, each text's own K and V are two bytes for two operations: no batch helps.
  const PlanCost never = plan_costs(llama(), plan_of(8192, 1), device);
  EXPECT_FALSE(never.turning_batch);
  EXPECT_EQ(never.find("turning_batch")->result, "never");
  EXPECT_TRUE(never.matrices_turning_batch);
}

const PlanChoice& choice(const PlanCost& cost, PlanAxis axis, const std::string& name) {
  for (const PlanChoice& choice : cost.choices)
    if (choice.axis == axis && choice.name == name) return choice;
  ADD_FAILURE() << "no " << name;
  static const PlanChoice kNone;
  return kNone;
}

TEST(PlanCost, ChoicesSayWhatEachSaves) {
  const PlanCost cost = plan_costs(llama(), plan_of(4096, 8), round_device());
  const PlanChoice& all = choice(cost, PlanAxis::kKvHeads, "multi-head: 32 K/V heads (the card's)");
  const PlanChoice& grouped = choice(cost, PlanAxis::kKvHeads, "grouped: 8 K/V heads");
  const PlanChoice& one = choice(cost, PlanAxis::kKvHeads, "multi-query: 1 K/V head");
  EXPECT_TRUE(all.is_current);
  EXPECT_EQ(all.saved_bytes, 0);
  EXPECT_EQ(grouped.kv_bytes * 4, all.kv_bytes);
  EXPECT_EQ(one.kv_bytes * 32, all.kv_bytes);
  // W_K and W_V shrink as well: 32 layers · 2 · 4,096 · 24 heads · 128 · 2 B.
  EXPECT_EQ(grouped.saved_bytes, all.kv_bytes * 3 / 4 + 32.0 * 2 * 4096 * 24 * 128 * 2);
  EXPECT_GT(grouped.largest_batch, 4 * all.largest_batch);
  EXPECT_GT(one.tokens_per_s, grouped.tokens_per_s);

  const PlanChoice& eight = choice(cost, PlanAxis::kKvType, "int8");
  EXPECT_EQ(eight.kv_bytes, all.kv_bytes * (128 + 4) / 256);
  EXPECT_EQ(choice(cost, PlanAxis::kKvType, "int4").kv_bytes, all.kv_bytes * (64 + 4) / 256);
  EXPECT_EQ(choice(cost, PlanAxis::kWeights, "int8").kv_bytes, all.kv_bytes);
  EXPECT_LT(choice(cost, PlanAxis::kWeights, "int4").weight_bytes, 0.27 * all.weight_bytes);
  EXPECT_EQ(choice(cost, PlanAxis::kReserving, "reserved at once: 4,096 tokens").kv_bytes, all.kv_bytes);
  EXPECT_TRUE(choice(cost, PlanAxis::kReserving, "pages of 16 tokens").is_current);
  EXPECT_EQ(choice(cost, PlanAxis::kWindow, "last 1,024 tokens").kv_bytes * 4, all.kv_bytes);
  EXPECT_TRUE(choice(cost, PlanAxis::kWindow, "all tokens").is_current);
  for (const PlanAxis axis : {PlanAxis::kKvHeads, PlanAxis::kKvType, PlanAxis::kWeights, PlanAxis::kReserving, PlanAxis::kWindow})
    EXPECT_EQ(std::count_if(cost.choices.begin(), cost.choices.end(),
                            [&](const PlanChoice& c) { return c.axis == axis && c.is_current; }),
              1)
        << plan_axis_name(axis);
  for (const PlanChoice& each : cost.choices) {
    const PlanCost same = plan_costs(llama(), each.plan, round_device());
    EXPECT_EQ(same.largest_batch, each.largest_batch) << each.name;
    EXPECT_EQ(same.tokens_per_s, each.tokens_per_s) << each.name;
    EXPECT_EQ(same.memory.kv, each.kv_bytes) << each.name;
  }
}

TEST(PlanCost, CurvesPassThroughThePlan) {
  const PlanCost cost = plan_costs(llama(8), plan_of(3000, 5), round_device());
  const auto at = [](const std::vector<PlanPoint>& curve, std::int64_t x) {
    return *std::find_if(curve.begin(), curve.end(), [&](const PlanPoint& point) { return point.at == x; });
  };
  EXPECT_EQ(at(cost.by_batch, 5).tokens_per_s, cost.tokens_per_s);
  EXPECT_EQ(at(cost.by_context, 3000).tokens_per_s, cost.tokens_per_s);
  EXPECT_EQ(at(cost.by_context, 3000).first_token_s, cost.first_token_s);
  EXPECT_TRUE(at(cost.by_batch, cost.largest_batch).fits);
  for (const auto* curve : {&cost.by_batch, &cost.by_context}) {
    for (std::size_t i = 1; i < curve->size(); ++i) {
      EXPECT_LT((*curve)[i - 1].at, (*curve)[i].at);
      EXPECT_LE((*curve)[i - 1].kv_bytes, (*curve)[i].kv_bytes);
      EXPECT_GE((*curve)[i - 1].fits, (*curve)[i].fits);
      EXPECT_LE((*curve)[i].tokens_per_s,
                std::min((*curve)[i].tokens_per_s_bandwidth, (*curve)[i].tokens_per_s_compute) * (1 + 1e-12));
    }
  }
}

TEST(PlanCost, AnEncoderIsPlannedWithoutACache) {
  ModelCard card = llama();
  card.name = "an encoder";
  card.kind = CardKind::kEncoder;
  card.encoder = card.decoder;
  CostPlan plan = plan_of(512, 32);
  plan.window = 64;
  const PlanCost cost = plan_costs(card, plan, round_device());
  EXPECT_EQ(cost.problem, "");
  EXPECT_TRUE(cost.fits());
  EXPECT_EQ(cost.memory.kv, 0);
  EXPECT_EQ(cost.tokens_per_s, 0);
  EXPECT_GT(cost.first_token_s, 0);
  EXPECT_EQ(cost.find("step_s"), nullptr);
  EXPECT_THAT(cost.notices, Contains(HasSubstr("keeps no cache")));
  for (const PlanChoice& each : cost.choices)
    EXPECT_EQ(each.axis, PlanAxis::kWeights);
}

TEST(PlanCost, WhatCannotBeIsSaidInASentence) {
  CostPlan plan = plan_of(100, 1);
  plan.n_kv_heads = 5;
  EXPECT_EQ(plan_costs(llama(), plan, round_device()).problem, "5 K/V heads do not divide the 32 heads of LLaMA 2 7B.");
  EXPECT_EQ(plan_costs(llama(), plan_of(100, 1), Device{.name = "nothing"}).problem,
            "nothing tells no memory, bandwidth or rate of arithmetic to plan with.");
  ModelCard unknown = llama();
  unknown.block = std::nullopt;
  unknown.missing = {"The family is not known."};
  const PlanCost refused = plan_costs(unknown, plan_of(100, 1), round_device());
  EXPECT_EQ(refused.problem, "LLaMA 2 7B: its cost cannot be computed. The family is not known.");
  EXPECT_THAT(refused.sections, IsEmpty());
  EXPECT_FALSE(refused.fits());
  const PlanCost settled = plan_costs(llama(), plan_of(-3, 5'000'000), round_device());
  EXPECT_EQ(settled.plan.context, 1);
  EXPECT_EQ(settled.plan.batch, kMaxPlanBatch);
  EXPECT_THAT(settled.notices, Contains(HasSubstr("The context became 1.")));
}

TEST(PlanCost, HeadsThatDoNotDivideOverDevicesAreTold) {
  CostPlan plan = plan_of(100, 1);
  plan.tensor_parallel = 3;
  EXPECT_THAT(plan_costs(llama(), plan, round_device()).notices, Contains(HasSubstr("32 heads do not divide evenly over 3")));
  plan.tensor_parallel = 16;
  EXPECT_THAT(plan_costs(llama(8), plan, round_device()).notices, Contains(HasSubstr("each K/V head is kept on several")));
  const PlanCost split = plan_costs(llama(), plan, round_device());
  EXPECT_THAT(split.notices, IsEmpty());
  EXPECT_EQ(split.decode_time.exchange, split.decode.exchange_bytes / 200e9);
  Device alone = round_device();
  alone.link = 0;
  EXPECT_THAT(plan_costs(llama(), plan, alone).assumptions, Contains(HasSubstr("is not told")));
}

TEST(PlanCost, ComparesFigureByFigure) {
  CostPlan plan = plan_of(4096, 4);
  const PlanCost first = plan_costs(llama(), plan, round_device());
  plan.kv = KvType::kInt8;
  const PlanCost second = plan_costs(llama(), plan, round_device());
  const auto find = [differences = compare_plans(first, second)](const std::string& key) {
    return *std::find_if(differences.begin(), differences.end(), [&](const PlanDifference& d) { return d.key == key; });
  };
  EXPECT_EQ(find("memory_kv").text, "51.6 %");
  EXPECT_EQ(find("memory_kv").ratio, 132.0 / 256);
  EXPECT_EQ(find("memory_weights").text, "the same");
  EXPECT_EQ(find("memory_kv").first, "8.00 GiB");
  EXPECT_GT(find("largest_batch").ratio, 1.9);
  EXPECT_THAT(find("largest_batch").text, HasSubstr(" times"));
}

TEST(PlanCost, EveryFigureSaysWhereItIsFrom) {
  const PlanCost cost = plan_costs(llama(8), plan_of(2048, 16), round_device());
  const auto basis = [&](const char* key) { return cost.find(key)->basis; };
  EXPECT_EQ(basis("bandwidth"), Basis::kCited);
  EXPECT_EQ(basis("memory_weights"), Basis::kComputed);
  EXPECT_EQ(basis("tokens_per_s"), Basis::kEstimated);
  Device measured = round_device();
  measured.basis = Basis::kMeasured;
  EXPECT_EQ(plan_costs(llama(8), plan_of(2048, 16), measured).find("bandwidth")->basis, Basis::kMeasured);
  for (const PlanSection& section : cost.sections) {
    EXPECT_THAT(section.lines, Not(IsEmpty())) << section.title;
    for (const CostLine& line : section.lines)
      EXPECT_FALSE(line.label.empty() || line.result.empty()) << line.key;
  }
}

TEST(ThisMachine, IsMeasured) {
  ThreadPool pool(1);
  const Device device = measure_this_machine(pool, 0.02);
  EXPECT_EQ(device.id, kThisMachine);
  EXPECT_EQ(device.basis, Basis::kMeasured);
  EXPECT_GT(device.memory_bytes, 0);
  EXPECT_GT(device.bandwidth, 1e8);
  EXPECT_GT(device.flops_float32, 1e8);
  EXPECT_EQ(peak_flops(device, KvType::kInt4), device.flops_float32);
}

}  // namespace
}  // namespace headroom
