#include "core/session/costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/session/plan_command.h"
#include "core/session/reduce.h"

namespace headroom {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kAssets = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets";

Session session_of(const std::string& card) {
  Session session;
  session.cost.card = card;
  return session;
}

CostState computed(const Session& session, const CostState& known = {}) {
  return compute_costs(cost_request(session, known), kAssets, known);
}

TEST(Costs, OfTheOpenModelTheLibraryAndFiles) {
  const CostState open = computed(session_of(""));
  ASSERT_EQ(open.plan->cost.problem, "");
  EXPECT_EQ(open.plan->cost.card_name, "grammar-base");
  EXPECT_EQ(open.plan->cost.memory.kv_used, 2.0 * 4 * 8 * 16 * 2 * 4096);  // K and V, layers, heads, d_k, bytes, tokens
  const CostState library = computed(session_of("card:llama-2-70b"), open);
  EXPECT_EQ(library.plan->cost.card_name, "LLaMA 2 70B");
  EXPECT_EQ(library.cards, open.cards) << "the libraries are read once";
  EXPECT_EQ(library.devices, open.devices);
  const CostState file = computed(session_of((kAssets / "models" / "grammar-gqa").string()), open);
  EXPECT_EQ(file.plan->cost.card_name, "grammar-gqa");
  EXPECT_EQ(plan_card_name(library, "card:llama-2-70b"), "LLaMA 2 70B");
  EXPECT_EQ(plan_card_name(library, ""), "the open model");
  EXPECT_EQ(plan_card_name(library, "/x/y/config.json"), "y");
}

TEST(Costs, ACardIsReadAgainOnlyWhereItIsAnother) {
  const CostState first = computed(session_of(""));
  Session session = session_of("");
  session.cost.batch = 9;
  EXPECT_EQ(computed(session, first).plan->card, first.plan->card);
  session.compute.model = "grammar-gqa";
  const CostState other = computed(session, first);
  EXPECT_NE(other.plan->card, first.plan->card);
  EXPECT_EQ(other.plan->cost.card_name, "grammar-gqa");
}

TEST(Costs, RequestsSayWhatTheyDependOn) {
  Session session = session_of("card:gpt2"), other = session;
  other.compute.model = "grammar-gqa";
  EXPECT_EQ(cost_request(session, {}), cost_request(other, {})) << "of a library's card the open model changes nothing";
  session.cost.card = other.cost.card = "";
  EXPECT_NE(cost_request(session, {}), cost_request(other, {}));
  CostState measured;
  measured.this_machine = Device{};
  EXPECT_EQ(cost_request(session, {}), cost_request(session, measured)) << "the plan is not of this machine";
  session.cost.device = kThisMachine;
  EXPECT_NE(cost_request(session, {}), cost_request(session, measured));
  session.view.cost_beside = CostBeside::kPlan;
  EXPECT_TRUE(cost_request(session, {}).beside);
}

TEST(Costs, WhatIsMissingIsOneSentence) {
  Session session = session_of("card:nobody");
  EXPECT_THAT(computed(session).plan->cost.problem, HasSubstr("There is no card named \"nobody\""));
  session = session_of("card:gpt2");
  session.cost.device = "abacus";
  EXPECT_THAT(computed(session).plan->cost.problem, HasSubstr("There is no device named \"abacus\""));
  session.cost.device = kThisMachine;
  EXPECT_THAT(computed(session).plan->cost.problem, HasSubstr("not measured yet"));
  const CostState nothing = compute_costs(cost_request(session_of("card:gpt2"), {}), kAssets / "no such folder");
  EXPECT_FALSE(nothing.library_problem.empty());
  EXPECT_FALSE(nothing.plan->cost.problem.empty());
}

TEST(Costs, ThisMachineTakesItsPlace) {
  Session session = session_of("card:gpt2");
  session.cost.device = kThisMachine;
  CostState known;
  known.this_machine = Device{.id = kThisMachine,
                              .name = "this machine",
                              .memory_bytes = 8e9,
                              .bandwidth = 1e10,
                              .flops_float32 = 1e11,
                              .flops_16 = 1e11,
                              .basis = Basis::kMeasured,
                              .source = "",
                              .note = ""};
  const CostState state = computed(session, known);
  ASSERT_EQ(state.plan->cost.problem, "");
  EXPECT_EQ(state.plan->cost.device, *known.this_machine);
  EXPECT_GT(state.plan->cost.tokens_per_s, 0);
}

TEST(Costs, APlanIsACommand) {
  CostPlan plan;
  plan.card = "card:llama-3-8b";
  plan.context = 8192;
  plan.kv = KvType::kInt8;
  EXPECT_EQ(plan_command(plan, {}),
            "headroom cost --model-card llama-3-8b --context 8192 --batch 1 --dtype float16 --kv-dtype int8 --device h100-sxm");
  plan.card = "/my models/it's";
  plan.tensor_parallel = 8;
  plan.n_kv_heads = 1;
  plan.window = 1024;
  plan.page_rows = 16;
  EXPECT_THAT(plan_command(plan, {}), HasSubstr("--model-card '/my models/it'\\''s' --context"));
  EXPECT_THAT(plan_command(plan, {}), testing::EndsWith("--tensor-parallel 8 --kv-heads 1 --window 1024 --page 16"));
  Compute compute;
  plan.card = "";
  EXPECT_THAT(plan_command(plan, compute), HasSubstr("--model-card grammar-base "));
  compute.model_source = ModelSource::kCapture;
  EXPECT_EQ(plan_command(plan, compute), "");
  plan.card = "{}";
  EXPECT_EQ(plan_command(plan, {}), "");
}

TEST(Costs, TheTableHoldsEveryPointAndFigureOfBothPlans) {
  Session session = session_of("card:llama-3-8b");
  session.beside = session.cost;
  session.beside.kv = KvType::kInt4;
  session.view.cost_beside = CostBeside::kPlan;
  const CostState state = computed(session);
  const std::string csv = cost_csv(state);
  std::istringstream lines(csv);
  std::string line;
  std::size_t n = 0;
  while (std::getline(lines, line)) {
    ++n;
    // Nine commas outside quotes part ten fields.
    bool is_quoted = false;
    int commas = 0;
    for (const char c : line) {
      if (c == '"') is_quoted = !is_quoted;
      if (c == ',' && !is_quoted) ++commas;
    }
    EXPECT_EQ(commas, 9) << line;
  }
  std::size_t expected = 1;
  for (const PlanCost& cost : {state.plan->cost, state.beside->cost}) {
    expected += 6 * (cost.by_batch.size() + cost.by_context.size());
    for (const PlanSection& section : cost.sections)
      expected += section.lines.size();
  }
  EXPECT_EQ(n, expected);
  EXPECT_THAT(csv, HasSubstr("first,LLaMA 3 8B,NVIDIA H100"));
  EXPECT_THAT(csv, HasSubstr("second,LLaMA 3 8B"));
  const PlanPoint& point = state.plan->cost.by_batch.front();
  EXPECT_THAT(csv, HasSubstr("batch," + std::to_string(point.at) + ",kv_bytes," +
                             std::to_string(static_cast<std::int64_t>(point.kv_bytes)) + ",B,computed"));
}

}  // namespace
}  // namespace headroom
