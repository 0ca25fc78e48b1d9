// The Decode stage's picture of one text as a value: what it says, where it lies, what a click does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/cost/thousands.h"
#include "core/figure/card_panels.h"
#include "core/figure/decode_csv.h"
#include "core/figure/decode_figures.h"
#include "core/figure/decode_panels.h"
#include "core/figure/number_text.h"
#include "core/session/decode_times.h"
#include "tests/figure/decode_steps_fixture.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Shown {
  Scene scene;
  DecodeState state;

  Figure figure(Size size = {1320, 800}) const { return decode_figure(input_of(scene, size), state); }
};

KvCacheOptions pages_of(std::int64_t rows) {
  KvCacheOptions cache;
  cache.layout = CacheLayout::kPaged;
  cache.page_rows = rows;
  return cache;
}
KvCacheOptions streaming() {
  KvCacheOptions cache;
  cache.eviction = Eviction::kStreaming;
  cache.n_first = 2;
  cache.window = 4;
  return cache;
}

Shown shown_of(const RunSpec& spec, std::optional<std::int64_t> step = {}) {
  Shown shown;
  shown.scene.session.view.head = HeadRef{1, 2};
  shown.scene.session.view.decode_step = step;
  shown.state.decoded = made_up_decoded(shown.scene.session, spec);
  return shown;
}

TEST(DecodeFigure, FitsEverySizeWhateverTheCache) {
  const EvenMeasurer measurer;
  for (const KvCacheOptions& cache : {KvCacheOptions{}, pages_of(4), pages_of(1), pages_of(64), streaming()}) {
    for (const Size size : {Size{1000, 607}, {1320, 790}, {2280, 1330}, {700, 520}, {420, 360}, {260, 200}}) {
      for (const bool has_times : {true, false}) {
        Shown shown = shown_of({.cache = cache, .has_times = has_times});
        if (has_times) shown.state.growth = made_up_decode_growth(shown.scene.session);
        EXPECT_THAT(layout_faults(shown.figure(size), measurer), IsEmpty())
            << cache_text(cache) << " at " << size.w << "x" << size.h << (has_times ? " with times" : "");
      }
    }
  }
}

TEST(DecodeFigure, SaysWhatTheStepWroteAndCost) {
  const Shown shown = shown_of({.cache = pages_of(4)}, 2);
  const Figure figure = shown.figure();
  const std::string text = text_of(figure);
  const DecodeStep& step = *shown.state.decoded->run->steps[2];
  EXPECT_THAT(text, HasSubstr("Step 3 of 10 writes “t8” as token 8"));
  EXPECT_THAT(text, HasSubstr("probability " + probability_text(step.probability)));
  EXPECT_THAT(text, HasSubstr("writes the same, exactly"));
  EXPECT_THAT(text, HasSubstr(flop_text(step.cached.flops)));
  EXPECT_THAT(text, HasSubstr(flop_text(step.whole->flops)));
  EXPECT_THAT(text, HasSubstr(ms_text(step.cached.ms)));
  EXPECT_THAT(text, HasSubstr(ms_text(step.whole->ms)));
  EXPECT_THAT(text, HasSubstr("∝ n^0.12"));
  EXPECT_THAT(text, HasSubstr("∝ n^1.04"));
  EXPECT_THAT(text, HasSubstr("pages of 4 tokens, float32"));
  EXPECT_THAT(text, HasSubstr(short_bytes_text(static_cast<double>(step.bytes_reserved)) + " reserved"));
  // One row of 8 keys against the triangle of 36 pairs.
  EXPECT_THAT(text, HasSubstr("pairs a head\n8\n36\n"));
}

TEST(DecodeFigure, ThePromptIsReadAsATriangle) {
  const std::string text = text_of(shown_of({}, 0).figure());
  EXPECT_THAT(text, HasSubstr("pairs a head\n21\n21\n"));
  KvCacheOptions cache = streaming();  // holds 6 of them at most
  const std::string later = text_of(shown_of({.cache = cache}, 5).figure());
  EXPECT_THAT(later, HasSubstr("pairs a head\n6\n66\n"));
}

TEST(DecodeFigure, AStepThatDiffersFromTheFullCacheSaysSo) {
  const std::string text = text_of(shown_of({}, 4).figure());
  EXPECT_THAT(text, HasSubstr("would write another"));
  EXPECT_THAT(text, HasSubstr("KL 0.031 nats"));
}

TEST(DecodeFigure, TokensLeadToTheirSteps) {
  const Figure figure = shown_of({}, 3).figure();
  for (int i = 0; i < 16; ++i) {
    const HitRegion* chip = find_hit(figure, "decode token " + std::to_string(i));
    ASSERT_NE(chip, nullptr) << i;
    ASSERT_TRUE(chip->click);
    EXPECT_EQ(std::get<DecodeStepSet>(*chip->click).step, std::max(0, i - 6)) << i;
  }
  EXPECT_THAT(find_hit(figure, "decode token 8")->tooltip, HasSubstr("4 of 4 K/V heads"));
  EXPECT_THAT(find_hit(figure, "decode token 12")->tooltip, HasSubstr("of a later step"));
}

TEST(DecodeFigure, SlotsAndPagesAreThoseOfTheCache) {
  const Shown shown = shown_of({.cache = pages_of(4)}, 3);  // 9 tokens: three pages, the last with one
  const Figure figure = shown.figure();
  for (int slot = 0; slot < 12; ++slot) {
    const HitRegion* hit = find_hit(figure, "decode slot " + std::to_string(slot));
    EXPECT_EQ(hit != nullptr, slot < 9) << slot;
  }
  EXPECT_THAT(find_hit(figure, "decode slot 7")->tooltip, HasSubstr("holds token 7 t7"));
  EXPECT_THAT(find_hit(figure, "decode page 12")->tooltip, HasSubstr("1 of 4 slots"));
  EXPECT_EQ(find_hit(figure, "decode page 13"), nullptr);
  EXPECT_THAT(find_hit(figure, "decode memory")->tooltip, HasSubstr(count_text(3 * 4 * 256) + " B reserved"));
  EXPECT_THAT(find_hit(figure, "decode memory")->tooltip, HasSubstr(count_text(9 * 256) + " B used"));
  EXPECT_THAT(find_hit(figure, "decode memory")->tooltip, HasSubstr(count_text(3 * 256) + " B stand empty"));
}

TEST(DecodeFigure, WhatIsGivenUpIsNamed) {
  const Figure figure = shown_of({.cache = streaming()}, 5).figure();  // 11 read: 0, 1 and 7 to 10 are held
  EXPECT_THAT(text_of(figure), HasSubstr("L1 K/V head 1 has given up 5 of 11 tokens, in this step 6 “t6”."));
  EXPECT_THAT(find_hit(figure, "decode given up")->tooltip, HasSubstr("2 t2, 3 t3, 4 t4, 5 t5, 6 t6"));
  EXPECT_THAT(find_hit(figure, "decode token 3")->tooltip, HasSubstr("0 of 4 K/V heads"));
  EXPECT_THAT(find_hit(figure, "decode row 3")->tooltip, HasSubstr("given up by L1 K/V head 1"));
  EXPECT_THAT(find_hit(figure, "decode row 1")->tooltip, HasSubstr("probability"));
}

TEST(DecodeFigure, TheRowIsTheChosenHeads) {
  const Shown shown = shown_of({}, 1);
  const LayerStep& layer = shown.state.decoded->run->steps[1]->layers[1];
  const Figure figure = shown.figure();
  EXPECT_THAT(text_of(figure), HasSubstr("L1 H2"));
  for (int i = 0; i < 7; ++i) {
    const std::string wanted = probability_text(layer.probs[static_cast<std::size_t>(2 * 7 + i)]);
    EXPECT_THAT(find_hit(figure, "decode row " + std::to_string(i))->tooltip, HasSubstr("probability " + wanted));
  }
}

TEST(DecodeFigure, BytesLeadToTheHeadThatReadsThem) {
  const Figure figure = shown_of({}, 1).figure();
  const HitRegion* cell = find_hit(figure, "decode bytes L0 1");
  ASSERT_NE(cell, nullptr);
  EXPECT_THAT(cell->tooltip, HasSubstr(count_text(7 * 64) + " B"));
  EXPECT_THAT(cell->tooltip, HasSubstr("read by H2, H3"));
  EXPECT_EQ(std::get<HeadSelected>(*cell->click).head, (HeadRef{0, 2}));
}

TEST(DecodeFigure, APrunedHeadGivesWayToTheFirstOneLeft) {
  Shown shown = shown_of({});
  auto decoded = std::make_shared<Decoded>(*shown.state.decoded);
  auto run = std::make_shared<DecodeRun>(*decoded->run);
  run->heads[1] = {0, 1, 3, 5};
  decoded->run = run;
  shown.state.decoded = decoded;
  EXPECT_THAT(text_of(shown.figure()), HasSubstr("L1 H0"));
  run->heads[1].clear();
  EXPECT_THAT(text_of(shown.figure()), HasSubstr("Every head of this layer is pruned"));
}

TEST(DecodeFigure, GrowthShowsExponentsAndWhereItEnds) {
  Shown shown = shown_of({});
  EXPECT_THAT(text_of(shown.figure()), HasSubstr("not measured yet"));
  shown.state.growth = made_up_decode_growth(shown.scene.session);
  const std::string text = text_of(shown.figure({1600, 900}));
  EXPECT_THAT(text, HasSubstr("∝ n^2.00"));
  EXPECT_THAT(text, HasSubstr("∝ n^1.00"));
  EXPECT_THAT(find_hit(shown.figure({1600, 900}), "decode growth note")->tooltip, HasSubstr("knows 512 positions"));
  EXPECT_THAT(text, Not(HasSubstr("of an earlier session")));
  shown.scene.session.decode.cache.type = KvType::kInt8;
  EXPECT_THAT(text_of(shown.figure({1600, 900})), HasSubstr("of an earlier session"));
}

TEST(DecodeFigure, AnotherSessionAndAFailureAreTold) {
  Shown shown = shown_of({});
  EXPECT_THAT(text_of(shown.figure()), Not(HasSubstr("session has changed")));
  shown.scene.session.decode.tokens = 5;
  EXPECT_THAT(text_of(shown.figure()), HasSubstr("The session has changed since"));
  shown.state.failures[0] = "The text leaves no room for a token.";
  EXPECT_THAT(text_of(shown.figure()), HasSubstr("The text leaves no room for a token."));
  shown.state.decoded = nullptr;
  EXPECT_THAT(text_of(shown.figure()), HasSubstr("The text leaves no room for a token."));
  shown.state.failures[0].clear();
  EXPECT_THAT(text_of(shown.figure()), HasSubstr("the model writes on after the sentence"));
}

TEST(DecodeFigure, WithoutTimesItSaysTheWorkInstead) {
  Shown shown = shown_of({}, 3);
  shown.state.decoded = without_times(*shown.state.decoded);
  const std::string text = text_of(shown.figure());
  EXPECT_THAT(text, HasSubstr("WORK A TOKEN"));
  EXPECT_THAT(text, Not(HasSubstr(" ms\n")));
  EXPECT_THAT(text, Not(HasSubstr("AVX2")));
  EXPECT_THAT(text, HasSubstr(flop_text(shown.state.decoded->run->steps[3]->cached.flops)));
}

TEST(DecodeCsv, HasALineForEachStepAndLength) {
  Shown shown = shown_of({.cache = pages_of(4)});
  const std::string steps = decode_csv(*shown.state.decoded, nullptr);
  EXPECT_EQ(std::count(steps.begin(), steps.end(), '\n'), 11);
  const auto n_cells = [](const std::string& line) { return std::count(line.begin(), line.end(), ','); };
  const std::size_t first = steps.find('\n'), second = steps.find('\n', first + 1);
  EXPECT_EQ(n_cells(steps.substr(0, first)), n_cells(steps.substr(first, second - first)));
  EXPECT_THAT(steps, HasSubstr("\n2,8,102,\"t8\",0.35,102,0.35,0,,8,2048,2048,2048,1,"));
  const auto growth = made_up_decode_growth(shown.scene.session);
  EXPECT_THAT(decode_csv(*shown.state.decoded, growth.get()), HasSubstr("\nwhole,2048,829.0304"));
  const std::string timeless = decode_csv(*without_times(*shown.state.decoded), nullptr);
  EXPECT_THAT(timeless, HasSubstr("\n2,8,102,\"t8\",0.35,102,0.35,0,,8,2048,2048,2048,1,,,1208000,"));
}

}  // namespace
}  // namespace headroom
