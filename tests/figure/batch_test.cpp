// The picture of many requests in one memory: its numbers are the simulation's, at every size.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "core/figure/batch_panels.h"
#include "core/figure/card_panels.h"
#include "core/figure/decode_figures.h"
#include "core/figure/number_text.h"
#include "tests/figure/decode_fixture.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::AllOf;
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

Session with_batch(const BatchPlan& plan, std::int64_t step = 20) {
  Session session;
  session.batch = settle(plan);
  session.view.batch_step = step;
  return session;
}

struct NamedSession {
  const char* name;
  Session session;
};
std::vector<NamedSession> sessions() {
  std::vector<NamedSession> all{{"default", with_batch({})},
                                {"shared, arriving", with_batch({.n_requests = 200, .shared_prefix = 16, .arrivals = 0.8})},
                                {"one", with_batch({.n_requests = 1}, 1'000'000)},
                                {"too small", with_batch({.memory_mib = 0.001})},
                                {"large", with_batch({.n_requests = 300, .memory_mib = 1e9})},
                                {"many pages", with_batch({.n_requests = 500, .memory_mib = 200}, 90)}};
  all.push_back({"stretches too large", with_batch({.memory_mib = 0.6})});
  all.back().session.decode.cache.page_rows = 1;
  all.push_back({"huge pages", with_batch({})});
  all.back().session.decode.cache.page_rows = kMaxPageRows;
  return all;
}

std::string text_at(const Session& session, const DecodeState& state, Size size = {1600, 900}) {
  return text_of(batch_figure(input_for(session, size), state));
}

TEST(BatchLayout, KeepsEverythingInsideAndApart) {
  const EvenMeasurer measurer;
  for (const NamedSession& one : sessions()) {
    const DecodeState state = batch_state(one.session);
    for (const Size size : {Size{400, 300}, Size{480, 640}, Size{640, 360}, Size{862, 556}, Size{1030, 620}, Size{1280, 720},
                            Size{1600, 900}, Size{2300, 1340}}) {
      SCOPED_TRACE(one.name);
      EXPECT_THAT(layout_faults(batch_figure(input_for(one.session, size), state), measurer), IsEmpty());
    }
  }
}

TEST(BatchLayout, TinySizesDoNotFail) {
  const Session session = with_batch({});
  const DecodeState state = batch_state(session);
  for (const Size size : {Size{1, 1}, Size{24, 16}, Size{60, 200}, Size{200, 40}, Size{240, 140}, Size{300, 160}})
    EXPECT_EQ(batch_figure(input_for(session, size), state).size, size);
}

TEST(BatchFigure, SaysWhatIsAwaitedAndWhyItFailed) {
  const Session session;
  DecodeState state;
  EXPECT_THAT(text_at(session, state), HasSubstr("Nothing simulated yet"));
  state.failures[static_cast<std::size_t>(DecodePart::kBatch)] = "A token takes no memory.";
  EXPECT_THAT(text_at(session, state), AllOf(HasSubstr("Not simulated"), HasSubstr("A token takes no memory.")));
  const std::string message = "A token takes no memory.";
  state.batch = batched_of(session);
  EXPECT_THAT(text_at(session, state), AllOf(HasSubstr("Not simulated again: " + message), HasSubstr("RESERVED")));
}

TEST(BatchFigure, ShowsTheNumbersOfBothWays) {
  const Session session = with_batch({.n_requests = 120, .shared_prefix = 16});
  const DecodeState state = batch_state(session);
  const BatchRun& run = *state.batch->run;
  ASSERT_GT(run.paged.most_running, run.contiguous.most_running);
  const Figure figure = batch_figure(input_for(session, {1600, 900}), state);
  const std::string text = text_of(figure);
  for (const BatchSide* side : {&run.contiguous, &run.paged}) {
    EXPECT_THAT(text, HasSubstr("\n" + count_text(side->most_running) + "\nrequests at once, at most\n"));
    EXPECT_THAT(text, HasSubstr("\n" + percent_text(side->mean_used) + "\nof what is reserved is used\n"));
    EXPECT_THAT(text, HasSubstr("\n" + count_text(std::ssize(side->steps)) + "\nsteps in all\n"));
    EXPECT_THAT(text, HasSubstr(count_text(side->n_finished) + " of 120\n"));
    EXPECT_THAT(text, HasSubstr(compact(side->mean_wait, 3) + " steps\n"));
  }
  const double ratio = static_cast<double>(run.paged.most_running) / static_cast<double>(run.contiguous.most_running);
  EXPECT_THAT(text, HasSubstr("simulated · " + compact(ratio, 2) + "×"));
  EXPECT_THAT(text, HasSubstr("120 requests · 8 MiB for K and V · 4 KiB a token in float32"));
  const HitRegion* assumptions = find_hit(figure, "batch/assumptions");
  ASSERT_NE(assumptions, nullptr);
  for (const std::string& sentence : batch_assumptions(run.plan))
    EXPECT_THAT(assumptions->tooltip, HasSubstr(sentence));
}

TEST(BatchFigure, ReadsTheStepThatIsLookedAt) {
  const Session session = with_batch({.n_requests = 120, .shared_prefix = 16}, 37);
  const DecodeState state = batch_state(session);
  const std::string text = text_at(session, state);
  for (const BatchSide* side : {&state.batch->run->contiguous, &state.batch->run->paged}) {
    const BatchStep& step = side->steps[37];
    const auto bytes = [](std::int64_t n) { return short_bytes_text(static_cast<double>(n)); };
    EXPECT_THAT(text, HasSubstr("used " + bytes(step.used) + "\n"));
    EXPECT_THAT(text, HasSubstr("empty " + bytes(step.wasted()) + "\n"));
    EXPECT_THAT(text, HasSubstr("saved " + bytes(step.shared) + "\n"));
    EXPECT_THAT(text, HasSubstr(count_text(step.n_running) + " running\n"));
    EXPECT_THAT(text, HasSubstr(count_text(step.n_waiting) + " waiting\n"));
  }
  EXPECT_THAT(text, HasSubstr("PAGES AT STEP 37"));
}

/// The areas' heights are the bytes, on one axis for both columns.
TEST(BatchFigure, DrawsBytesToScale) {
  const Session session = with_batch({.n_requests = 40});
  const DecodeState state = batch_state(session);
  const BatchPart reserved = batch_part(*state.batch->run, CacheLayout::kContiguous, 0),
                  paged = batch_part(*state.batch->run, CacheLayout::kPaged, 0);
  EXPECT_EQ(reserved.most_bytes, paged.most_bytes);
  EXPECT_EQ(reserved.n_steps, paged.n_steps);
  const Figure figure = batch_figure(input_for(session, {1600, 900}), state);
  const HitRegion* first = find_hit(figure, "batch/pages memory 0");
  ASSERT_NE(first, nullptr);
  const double bottom = first->shape.y + first->shape.h;
  const BatchStep& step = state.batch->run->paged.steps[0];
  const auto has_area = [&](double bytes) {
    for (const FilledRect& rect : items_of<FilledRect>(figure)) {
      if (std::abs(rect.rect.x - first->shape.x) < 1e-9 && std::abs(rect.rect.y + rect.rect.h - bottom) < 1e-6 &&
          std::abs(rect.rect.h - first->shape.h * bytes / paged.most_bytes) < 1e-6)
        return true;
    }
    return false;
  };
  EXPECT_TRUE(has_area(static_cast<double>(step.used)));
  EXPECT_TRUE(has_area(static_cast<double>(step.reserved)));
  EXPECT_FALSE(has_area(static_cast<double>(step.used) * 1.1));
}

TEST(BatchFigure, EveryAxisSaysWhatItCounts) {
  const Session session = with_batch({.n_requests = 120});
  const DecodeState state = batch_state(session);
  const Figure figure = batch_figure(input_for(session, {1030, 620}), state);
  std::size_t n_steps = 0;
  for (const TextRun& run : items_of<TextRun>(figure))
    n_steps += run.anchor == Anchor::kCentre && run.text.ends_with(" steps") ? 1 : 0;
  EXPECT_EQ(n_steps, 4u) << "memory and requests of both ways";
}

TEST(BatchFigure, EveryStepCanBeClicked) {
  const Session session = with_batch({.n_requests = 30});
  const DecodeState state = batch_state(session);
  const Figure figure = batch_figure(input_for(session, {2300, 1340}), state);
  const auto n = std::max(state.batch->run->contiguous.steps.size(), state.batch->run->paged.steps.size());
  std::set<std::int64_t> steps;
  for (const HitRegion& hit : figure.hits) {
    if (!hit.name.starts_with("batch/pages memory ")) continue;
    const auto* set = hit.click ? std::get_if<BatchStepSet>(&*hit.click) : nullptr;
    ASSERT_NE(set, nullptr);
    EXPECT_EQ(hit.name, "batch/pages memory " + std::to_string(set->step));
    steps.insert(set->step);
  }
  EXPECT_EQ(steps.size(), n);
  EXPECT_EQ(*steps.rbegin() + 1, static_cast<std::int64_t>(n));
}

TEST(BatchFigure, DrawsEveryPageOfTheStep) {
  const Session session = with_batch({.n_requests = 60, .memory_mib = 4, .shared_prefix = 16}, 12);
  const DecodeState state = batch_state(session);
  for (const CacheLayout layout : {CacheLayout::kContiguous, CacheLayout::kPaged}) {
    const BatchPart part = batch_part(*state.batch->run, layout, 12);
    const Figure figure = batch_figure(input_for(session, {1600, 900}), state);
    std::size_t n_held = 0;
    for (const BatchPage& page : batch_pages(part.side, 12)) {
      const HitRegion* hit = find_hit(figure, part.prefix() + "page " + std::to_string(page.page));
      ASSERT_NE(hit, nullptr) << page.page;
      ++n_held;
      EXPECT_THAT(hit->tooltip, HasSubstr("request " + count_text(page.request) + "\n" + count_text(page.rows_used) + " of " +
                                          count_text(part.side.page_rows)));
      const std::string shared = "Shared by " + count_text(page.n_sharers);
      if (page.n_sharers > 1) {
        EXPECT_THAT(hit->tooltip, HasSubstr(shared));
      }
      // The filled part is as wide as its tokens.
      const double width = hit->shape.w * static_cast<double>(page.rows_used) / static_cast<double>(part.side.page_rows);
      bool is_drawn = false;
      for (const FilledRect& rect : items_of<FilledRect>(figure))
        is_drawn |= rect.rect.x == hit->shape.x && rect.rect.y == hit->shape.y && std::abs(rect.rect.w - width) < 1e-9 &&
                    rect.fill == request_tint(theme(ThemeName::kDark), page.request);
      EXPECT_TRUE(is_drawn) << page.page;
    }
    EXPECT_GT(n_held, 3u);
    std::size_t n_free = 0;
    for (const HitRegion& hit : figure.hits)
      n_free += hit.name.starts_with(part.prefix() + "page ") && hit.tooltip.find("Free") != std::string::npos ? 1 : 0;
    EXPECT_LE(n_free + n_held, static_cast<std::size_t>(part.side.n_pages));
  }
}

TEST(BatchFigure, AWayThatEndedEarlierHoldsNothing) {
  const Session session = with_batch({.n_requests = 60, .memory_mib = 4}, 1'000'000);
  const DecodeState state = batch_state(session);
  const BatchRun& run = *state.batch->run;
  ASSERT_LT(run.paged.steps.size(), run.contiguous.steps.size());
  const BatchPart part = batch_part(run, CacheLayout::kPaged, 1'000'000);
  EXPECT_EQ(part.step, std::ssize(run.contiguous.steps) - 1);
  EXPECT_TRUE(part.has_ended());
  EXPECT_EQ(part.now().used, 0);
  EXPECT_EQ(part.now().n_finished, 60);
  EXPECT_THAT(text_at(session, state), AllOf(HasSubstr("all requests are done"), HasSubstr("used 0 B")));
}

TEST(BatchFigure, SaysWhatDoesNotFit) {
  const Session nothing = with_batch({.memory_mib = 0.001});
  EXPECT_THAT(text_at(nothing, batch_state(nothing)),
              AllOf(HasSubstr("Nothing fits: one stretch of 256 tokens takes 1 MiB"),
                    HasSubstr("Nothing fits: one page of 16 tokens takes 64 KiB"), HasSubstr("there is no room for one"),
                    Not(HasSubstr("all requests are done"))));
  const Session some = with_batch({.memory_mib = 0.3});
  const DecodeState state = batch_state(some);
  ASSERT_GT(state.batch->run->paged.n_refused, 0);
  EXPECT_THAT(text_at(some, state),
              HasSubstr(count_text(state.batch->run->paged.n_refused) + " of 64 requests would not fit alone"));
}

TEST(BatchFigure, SaysThatItIsOfAnotherPlan) {
  Session session = with_batch({});
  const DecodeState state = batch_state(session);
  EXPECT_THAT(text_at(session, state), AllOf(HasSubstr("Simulated: the same requests"), Not(HasSubstr("by now"))));
  session.batch.seed = 2;
  EXPECT_THAT(text_at(session, state), HasSubstr("other requests, another cache or another model by now"));
}

TEST(BatchFigure, TintsAreMutedAndTellNeighboursApart) {
  for (const ThemeName name : {ThemeName::kDark, ThemeName::kLight}) {
    const Theme& colors = theme(name);
    for (std::int64_t request = 0; request < 64; ++request) {
      const Color a = request_tint(colors, request), b = request_tint(colors, request + 1);
      EXPECT_GT(std::abs(a.r - b.r) + std::abs(a.g - b.g) + std::abs(a.b - b.b), 60) << request;
      EXPECT_GT(contrast(a, text_over(colors, a)), 4.5) << request;
    }
  }
}

}  // namespace
}  // namespace headroom
