// The Cost stage's figures as values: many cards on many devices at many sizes, what does not fit, and two plans side by side.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/figure/cost_figures.h"
#include "core/figure/cost_panels.h"
#include "core/figure/number_text.h"
#include "core/figure/short_text.h"
#include "core/session/reduce.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

FigureInput input_for(const Session& session, Size size, ThemeName name = ThemeName::kDark) {
  static const EvenMeasurer measurer;
  return {.session = session,
          .snapshot = nullptr,
          .size = size,
          .theme = theme(name),
          .measurer = measurer,
          .hovered_query = {},
          .hovered_key = {}};
}

/// The libraries are read once.
CostState planned(const Session& session) {
  static const std::filesystem::path assets = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets";
  static const CostState read = compute_costs(cost_request(Session{}, {}), assets);
  CostState known;
  known.cards = read.cards;
  known.devices = read.devices;
  return compute_costs(cost_request(session, known), assets, known);
}

Session session_of(const char* card, std::int64_t context, std::int64_t batch) {
  Session session;
  session.cost.card = std::string(kLibraryPrefix) + card;
  session.cost.context = context;
  session.cost.batch = batch;
  return session;
}

/// Llama 3 8B in 16 bits on one H100, in pages: 15.0 GiB of weights and 1 GiB of K and V for each text of 8,192 tokens.
Session usual() {
  Session session = session_of("llama-3-8b", 8192, 8);
  session.cost.page_rows = 16;
  return session;
}

Session compared() {
  Session session = usual();
  session.beside = session.cost;
  session.beside.kv = KvType::kInt8;
  session.view.cost_beside = CostBeside::kPlan;
  return session;
}

constexpr std::array<Size, 7> kSizes{{{1000, 610}, {1060, 640}, {640, 500}, {1900, 1300}, {1320, 820}, {420, 700}, {300, 200}}};

TEST(CostFigure, EveryCardOfTheLibraryIsSoundAtEverySize) {
  for (const LibraryCard& item : *planned(Session{}).cards) {
    for (const std::int64_t batch : {std::int64_t{1}, std::int64_t{999'999}}) {
      const Session session = session_of(item.id.c_str(), 4096, batch);
      const CostState state = planned(session);
      for (const Size size : kSizes) {
        const FigureInput input = input_for(session, size);
        const Figure figure = cost_figure(input, state);
        EXPECT_THAT(layout_faults(figure, input.measurer), IsEmpty()) << item.id << ", " << size.w << " x " << size.h;
      }
    }
  }
}

TEST(CostFigure, EveryDeviceIsSound) {
  for (const Device& device : *planned(Session{}).devices) {
    Session session = session_of("llama-3-70b", 131072, 3);
    session.cost.device = device.id;
    session.cost.tensor_parallel = 2;
    session.cost.weights = KvType::kInt4;
    for (const Size size : kSizes) {
      const FigureInput input = input_for(session, size);
      const Figure figure = cost_figure(input, planned(session));
      EXPECT_THAT(layout_faults(figure, input.measurer), IsEmpty()) << device.id << ", " << size.w << " x " << size.h;
      if (size.w > 600) {
        EXPECT_THAT(text_of(figure), HasSubstr("2 × " + device.name.substr(0, 4))) << device.id;
      }
    }
  }
}

TEST(CostFigure, SaysWhatThePlanComesTo) {
  const Session session = usual();
  const CostState state = planned(session);
  ASSERT_EQ(state.plan->cost.problem, "");
  const PlanCost& cost = state.plan->cost;
  // 2 · 32 layers · 8 K/V heads · 128 · 2 B · 8,192 tokens · 8 texts
  ASSERT_EQ(cost.memory.kv, 2.0 * 32 * 8 * 128 * 2 * 8192 * 8);
  const std::string text = text_of(cost_figure(input_for(session, {1320, 820}), state));
  for (const std::string& part :
       {std::string("LLaMA 3 8B on NVIDIA H100"),
        std::string("8 texts at once · 8,192 tokens each · weights float16 · K/V float16"), std::string("K 4 GiB"),
        std::string("V 4 GiB"), std::string("weights 15.0 GiB"), std::string("at best, estimated"), count_text(cost.largest_batch),
        count_text(cost.largest_context), std::string("tokens/s, all texts"), std::string("multi-query"), std::string("int4")})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("over by")));
}

TEST(CostFigure, LargePicturesHaveTheArithmeticOfAStep) {
  const Session session = usual();
  const CostState state = planned(session);
  const std::string text = text_of(cost_figure(input_for(session, {1520, 1000}), state));
  EXPECT_THAT(text, HasSubstr("ONE STEP OF DECODING"));
  EXPECT_THAT(text, HasSubstr(state.plan->cost.find("linear_flops")->formula));
  EXPECT_THAT(text_of(cost_figure(input_for(session, {1000, 610}), state)), Not(HasSubstr("ONE STEP OF DECODING")));
}

TEST(CostFigure, TheBarIsToScale) {
  const Session session = usual();
  const CostState state = planned(session);
  const PlanCost& cost = state.plan->cost;
  const Figure figure = cost_figure(input_for(session, {1320, 820}), state);
  const auto width = [&](const char* key) {
    const HitRegion* hit = find_hit(figure, std::string("cost/memory ") + key);
    return hit == nullptr ? 0 : hit->shape.w;
  };
  const double unit = (1320 - 28) / cost.device.memory_bytes;
  EXPECT_NEAR(width("weights"), cost.memory.weights * unit, 1e-6);
  EXPECT_NEAR(width("keys"), cost.memory.kv / 2 * unit, 1e-6);
  EXPECT_NEAR(width("values"), cost.memory.kv / 2 * unit, 1e-6);
  EXPECT_NEAR(width("free"), (cost.memory.usable - cost.memory.total()) * unit, 1e-6);
  EXPECT_NEAR(width("system"), (cost.device.memory_bytes - cost.memory.usable) * unit, 1e-6);
}

TEST(CostFigure, WhatDoesNotFitIsSaidWithTheNumber) {
  Session session = usual();
  session.cost.batch = 500;
  const CostState state = planned(session);
  const PlanCost& cost = state.plan->cost;
  ASSERT_FALSE(cost.refusal.empty());
  const Figure figure = cost_figure(input_for(session, {1320, 820}), state);
  const std::string text = text_of(figure);
  EXPECT_THAT(text, HasSubstr("over by " + short_bytes_text(cost.memory.total() - cost.memory.usable)));
  EXPECT_THAT(text, HasSubstr("500 texts of 8,192 tokens"));
  EXPECT_EQ(find_hit(figure, "cost/memory free"), nullptr);
}

TEST(CostFigure, MemoryReservedButEmptyIsSeen) {
  Session session = usual();
  session.cost.page_rows = 0;
  session.cost.context = 1024;  // of 8,192 that the model was made for
  const CostState state = planned(session);
  const Figure figure = cost_figure(input_for(session, {1320, 820}), state);
  ASSERT_GT(state.plan->cost.memory.kv, state.plan->cost.memory.kv_used);
  EXPECT_THAT(text_of(figure), HasSubstr("reserved, still empty"));
  const HitRegion* hit = find_hit(figure, "cost/memory reserved");
  ASSERT_NE(hit, nullptr);
  EXPECT_THAT(hit->tooltip, HasSubstr("8,192 tokens"));
}

TEST(CostFigure, ChoicesAndPointsAreClicks) {
  const Session session = usual();
  const CostState state = planned(session);
  const Figure figure = cost_figure(input_for(session, {1320, 820}), state);
  const HitRegion* choice = nullptr;
  for (const HitRegion& hit : figure.hits)
    if (hit.name.starts_with("cost/choice K/V type int8")) choice = &hit;
  ASSERT_NE(choice, nullptr);
  ASSERT_TRUE(choice->click);
  EXPECT_EQ(std::get<CostPlanSet>(*choice->click).plan.kv, KvType::kInt8);
  EXPECT_EQ(std::get<CostPlanSet>(*choice->click).beside, session.beside);
  const HitRegion* point = find_hit(figure, "cost/batch 4");
  ASSERT_NE(point, nullptr);
  EXPECT_EQ(std::get<CostPlanSet>(*point->click).plan.batch, 4);
  EXPECT_THAT(point->tooltip, HasSubstr("4 texts at once"));
}

TEST(CostFigure, TwoPlansSideBySide) {
  const Session session = compared();
  const CostState state = planned(session);
  for (const Size size : kSizes) {
    const FigureInput input = input_for(session, size);
    EXPECT_THAT(layout_faults(cost_figure(input, state), input.measurer), IsEmpty()) << size.w << " x " << size.h;
  }
  const Figure figure = cost_figure(input_for(session, {1320, 820}), state);
  const std::string text = text_of(figure);
  EXPECT_THAT(text, HasSubstr("K/V float16"));
  EXPECT_THAT(text, HasSubstr("K/V int8"));
  EXPECT_THAT(text, HasSubstr("first plan"));
  // On one scale: 128 B and a scale of 4 B are 132 of 256.
  const HitRegion *first = find_hit(figure, "cost/memory keys"), *second = find_hit(figure, "cost/second memory keys");
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_NEAR(second->shape.w / first->shape.w, 132.0 / 256, 1e-9);
  const HitRegion* point = find_hit(figure, "cost/second batch 4");
  ASSERT_NE(point, nullptr);
  EXPECT_EQ(std::get<CostPlanSet>(*point->click).plan, session.cost);
  EXPECT_EQ(std::get<CostPlanSet>(*point->click).beside.batch, 4);
  for (const PlanDifference& difference : compare_plans(state.plan->cost, state.beside->cost))
    EXPECT_NE(find_hit(figure, "cost/difference " + difference.key), nullptr) << difference.key;
}

TEST(CostFigure, ProblemsAreWrittenNotDrawn) {
  Session session = usual();
  session.cost.device = "abacus";
  EXPECT_THAT(text_of(cost_figure(input_for(session, {1000, 610}), planned(session))),
              HasSubstr("There is no device named \"abacus\""));
  session.cost.device = kThisMachine;
  EXPECT_THAT(text_of(cost_figure(input_for(session, {1000, 610}), planned(session))),
              HasSubstr("This machine is not measured yet"));
  session = session_of("nobody", 4096, 1);
  EXPECT_THAT(text_of(cost_figure(input_for(session, {1000, 610}), planned(session))),
              HasSubstr("There is no card named \"nobody\""));
  EXPECT_THAT(text_of(cost_figure(input_for(session, {1000, 610}), CostState{})), HasSubstr("Computing the plan"));
  session = compared();
  session.beside.device = "abacus";
  const FigureInput input = input_for(session, {1000, 610});
  const Figure figure = cost_figure(input, planned(session));
  EXPECT_THAT(text_of(figure), HasSubstr("There is no device named \"abacus\""));
  EXPECT_THAT(layout_faults(figure, input.measurer), IsEmpty());
}

TEST(CostFigure, ThisMachineIsMeasured) {
  Session session = usual();
  session.cost.device = kThisMachine;
  CostState known = planned(usual());
  Device machine = known.devices->front();
  machine.id = kThisMachine;
  machine.name = "this machine";
  machine.basis = Basis::kMeasured;
  known.this_machine = machine;
  const CostState state = compute_costs(cost_request(session, known), std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets", known);
  const std::string text = text_of(cost_figure(input_for(session, {1320, 820}), state));
  EXPECT_THAT(text, HasSubstr("LLaMA 3 8B on this machine"));
  EXPECT_THAT(text, HasSubstr("measured on this machine"));
  EXPECT_THAT(text, Not(HasSubstr("its maker's")));
}

TEST(CostArithmetic, HoldsEveryLineAtEveryWidth) {
  for (const Session& session : {usual(), compared(), session_of("t5-base", 512, 2), session_of("bert-base", 512, 2)}) {
    const CostState state = planned(session);
    for (const double width : {400.0, 1000.0, 1900.0}) {
      const FigureInput input = input_for(session, {width, 300});
      const Figure figure = cost_arithmetic_figure(input, state);
      EXPECT_THAT(layout_faults(figure, input.measurer), IsEmpty()) << state.plan->cost.card_name << ", " << width;
      for (const PlanSection& section : state.plan->cost.sections)
        for (const CostLine& line : section.lines)
          EXPECT_NE(find_hit(figure, "cost/line " + line.key), nullptr) << line.key;
      EXPECT_GE(figure.size.h, 300);
    }
  }
  const Session session = usual();
  const std::string text = text_of(cost_arithmetic_figure(input_for(session, {1900, 300}), planned(session)));
  EXPECT_THAT(text, HasSubstr("ASSUMPTIONS"));
  EXPECT_THAT(text, HasSubstr("32 layers"));
}

TEST(CostText, Numbers) {
  EXPECT_EQ(rate_text(1240.4), "1,240 tokens/s");
  EXPECT_EQ(rate_text(0.853), "0.853 tokens/s");
  EXPECT_EQ(rate_text(12.0e6), "12.0 M tokens/s");
  CostPlan plan;
  plan.batch = 1;
  plan.context = 1;
  plan.page_rows = 16;
  plan.n_kv_heads = 1;
  plan.window = 4096;
  plan.tensor_parallel = 8;
  EXPECT_EQ(
      plan_choices_text(plan),
      "1 text at once · 1 token each · weights float16 · K/V float16 · each layer split over 8 devices · pages of 16 tokens · "
      "1 K/V head · last 4,096 tokens kept");
}

}  // namespace
}  // namespace headroom
