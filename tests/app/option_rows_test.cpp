#include "app/views/option_rows.h"

#include <gtest/gtest.h>

#include <vector>

namespace headroom {
namespace {

constexpr OptionSpaces kSpaces{.wide = 14, .tight = 8};

TEST(OptionRows, StayInOneRowAsLongAsTheyFit) {
  const std::vector<float> widths{100, 50, 60, 70};
  EXPECT_EQ(row_width(widths, 14), 322);
  EXPECT_EQ(row_width({}, 14), 0);
  EXPECT_EQ(rows_for(widths, 322, kSpaces).space, 14);
  EXPECT_EQ(rows_for(widths, 321, kSpaces).space, 8) << "a little too long: closer together";
  EXPECT_EQ(rows_for(widths, 304, kSpaces).space, 8);
  for (const float room : {322.0f, 321.0f, 304.0f})
    EXPECT_GE(rows_for(widths, room, kSpaces).second, widths.size());
}

TEST(OptionRows, TakeWhatTheFirstCanGive) {
  const std::vector<float> widths{100, 50, 60, 70};
  const OptionSpaces spaces{.wide = 14, .tight = 8, .give = 20};
  EXPECT_EQ(rows_for(widths, 304, spaces).less, 0);
  EXPECT_EQ(rows_for(widths, 290, spaces).less, 14);
  EXPECT_GE(rows_for(widths, 284, spaces).second, widths.size());
  EXPECT_EQ(rows_for(widths, 283, spaces).second, 2u);
  EXPECT_EQ(rows_for(widths, 283, spaces).less, 0) << "two rows have room enough";
}

TEST(OptionRows, BreakInTheMiddleAndLeaveNoneAlone) {
  const OptionRows rows = rows_for(std::vector<float>{100, 50, 60, 70}, 303, kSpaces);
  EXPECT_EQ(rows.space, 14);
  EXPECT_EQ(rows.second, 2u) << "164 and 144, not 238 and 70";
  EXPECT_EQ(rows_for(std::vector<float>{10, 10, 10, 10, 10, 100}, 100, kSpaces).second, 5u) << "106 and 100";
  EXPECT_EQ(rows_for(std::vector<float>{200}, 100, kSpaces).second, 1u) << "one alone has no second row";
}

}  // namespace
}  // namespace headroom
