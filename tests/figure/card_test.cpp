// The Card stage's figures as values: every card of the library at many sizes, what is missing, and two side by side.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/figure/card_figures.h"
#include "core/figure/card_panels.h"
#include "core/formats/card_reader.h"
#include "core/session/reduce.h"
#include "tests/figure/figure_fixture.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

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

const CardState& library() {
  static const CardState state = read_cards(Session{}, std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets");
  return state;
}

CardState showing(const ModelCard& card) {
  auto shown = std::make_shared<ShownCard>();
  shown->card = card;
  shown->has_config = true;
  CardState state = library();
  state.shown = shown;
  return state;
}

const ModelCard& card_of(const char* id) { return find_library_card(*library().library, id)->card; }

Session session_of(KvType type, std::int64_t context) {
  Session session;
  session.view.kv_type = type;
  session.view.kv_context = context;
  return session;
}

TEST(CardFigure, EveryCardOfTheLibraryIsSoundAtEverySize) {
  const Session session = session_of(KvType::kFloat16, 0);
  for (const LibraryCard& item : *library().library) {
    for (const Size size : {Size{1000, 610}, Size{640, 500}, Size{1900, 1300}, Size{300, 200}}) {
      const FigureInput input = input_for(session, size);
      const Figure figure = card_figure(input, showing(item.card));
      EXPECT_THAT(layout_faults(figure, input.measurer), IsEmpty()) << item.id << ", " << size.w << " x " << size.h;
    }
  }
}

TEST(CardFigure, SaysTheArithmetic) {
  const Session session = session_of(KvType::kFloat16, 0);
  const std::string text = text_of(card_figure(input_for(session, {1600, 1000}), showing(card_of("llama-3-8b"))));
  for (const char* part :
       {"LLaMA 3 8B", "8,030,261,248", "131,072 B = 128.00 KiB", "2 (K and V) · 32 layers · 8 kv_heads · 128 d_k · 2 B",
        "grouped: 4 query heads read one K/V head", "1,024", "32 layers · 4,096 · (8 · 128)", "Grattafiori", "nothing is measured"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(CardFigure, TotalsStayWhenRoomIsShort) {
  const Session session = session_of(KvType::kFloat16, 0);
  for (const double height : {560.0, 610.0, 700.0})
    EXPECT_THAT(text_of(card_figure(input_for(session, {1000, height}), showing(card_of("t5-base")))), HasSubstr("222,903,552"))
        << height;
}

TEST(CardFigure, TypesOfTheTableAreClicks) {
  const Session session = session_of(KvType::kFloat16, 4096);
  const Figure figure = card_figure(input_for(session, {1600, 1000}), showing(card_of("llama-2-70b")));
  const HitRegion* hit = find_hit(figure, "card/kv int8 4096");
  ASSERT_NE(hit, nullptr);
  ASSERT_TRUE(hit->click);
  EXPECT_EQ(std::get<KvTypeSet>(*hit->click).type, KvType::kInt8);
  EXPECT_THAT(hit->tooltip, HasSubstr("692,060,160 B"));  // 2 · 80 · 8 · (128 + 4) · 4,096
}

TEST(CardFigure, EncodersSayThatTheyKeepNothing) {
  const Session session = session_of(KvType::kFloat16, 0);
  const std::string text = text_of(card_figure(input_for(session, {1000, 700}), showing(card_of("bert-base"))));
  EXPECT_THAT(text, HasSubstr("An encoder reads a whole text at once"));
  EXPECT_THAT(text, HasSubstr("109,482,240"));
}

TEST(CardFigure, WhatIsMissingIsSaid) {
  const Session session = session_of(KvType::kFloat16, 0);
  const ModelCard card =
      read_card_text(R"({"model_type": "frobnicator", "hidden_size": 64, "num_attention_heads": 4})", "config.json");
  CardState state = showing(card);
  auto shown = std::make_shared<ShownCard>(*state.shown);
  shown->not_run = "its parameters are quantised";
  state.shown = shown;
  for (const Size size : {Size{1000, 700}, Size{420, 400}}) {
    const FigureInput input = input_for(session, size);
    const Figure figure = card_figure(input, state);
    EXPECT_THAT(layout_faults(figure, input.measurer), IsEmpty());
    EXPECT_THAT(text_of(figure), HasSubstr("Not run here: its parameters are quantised"));
  }
  const std::string text = text_of(card_figure(input_for(session, {1000, 700}), state));
  EXPECT_THAT(text, HasSubstr("\"frobnicator\" is not known here"));
  EXPECT_THAT(text, HasSubstr("not told"));
}

TEST(CardFigure, EmptyStatesAreWritten) {
  const Session session;
  EXPECT_THAT(text_of(card_figure(input_for(session, {800, 600}), CardState{.is_reading = true})),
              HasSubstr("Reading the configuration"));
  EXPECT_THAT(text_of(card_figure(input_for(session, {800, 600}), CardState{})), HasSubstr("No card is chosen yet"));
  CardState broken;
  auto shown = std::make_shared<ShownCard>();
  shown->card.name = "x";
  shown->problem = "x/config.json: is not valid JSON";
  broken.shown = shown;
  EXPECT_THAT(text_of(card_figure(input_for(session, {800, 600}), broken)), HasSubstr("is not valid JSON"));
}

TEST(CardFigure, TwoCardsSideBySide) {
  const Session session = session_of(KvType::kFloat16, 4096);
  CardState state = showing(card_of("llama-2-7b"));
  state.beside = showing(card_of("llama-2-70b")).shown;
  for (const Size size : {Size{1000, 700}, Size{640, 500}, Size{1900, 1300}}) {
    const FigureInput input = input_for(session, size);
    const Figure figure = card_figure(input, state);
    EXPECT_THAT(layout_faults(figure, input.measurer), IsEmpty()) << size.w;
  }
  const std::string text = text_of(card_figure(input_for(session, {1900, 1300}), state));
  EXPECT_THAT(text, HasSubstr("0.625×"));  // 320 KiB of 512 KiB a token
  EXPECT_THAT(text, HasSubstr("10.2×"));
  EXPECT_THAT(text, HasSubstr("same"));
}

TEST(CardFigure, ShortNumbers) {
  EXPECT_EQ(short_count(68976648192.0), "69.0 B");
  EXPECT_EQ(short_count(124439808.0), "124 M");
  EXPECT_EQ(short_count(999.0), "999");
  EXPECT_EQ(short_count(174604259328.0), "175 B");
  EXPECT_EQ(short_bytes_text(327680), "320 KiB");
  EXPECT_EQ(short_bytes_text(1342177280), "1.25 GiB");
  EXPECT_EQ(short_bytes_text(512), "512 B");
}

}  // namespace
}  // namespace headroom
