#include "core/figure/color.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace headroom {
namespace {

constexpr std::array kMaps{ColorMapName::kViridis, ColorMapName::kMagma, ColorMapName::kCividis, ColorMapName::kGrey};
constexpr std::array kThemes{ThemeName::kDark, ThemeName::kLight};

TEST(Contrast, IsThatOfWcag) {
  EXPECT_NEAR(contrast({0, 0, 0}, {255, 255, 255}), 21, 1e-9);
  EXPECT_NEAR(contrast({119, 119, 119}, {255, 255, 255}), 4.48, 0.005);  // #777 on white: the well-known near miss
  EXPECT_EQ(contrast({10, 200, 30}, {10, 200, 30}), 1);
}

TEST(Theme, TextReadsOnEveryBackground) {
  for (const ThemeName name : kThemes) {
    const Theme& t = theme(name);
    EXPECT_EQ(t.name, name);
    for (const Color background : {t.window, t.panel, t.raised}) {
      for (const Color text : {t.text, t.text_dim, t.text_faint, t.good, t.warning, t.bad})
        EXPECT_GE(contrast(text, background), 4.5) << int(text.r) << " " << int(text.g) << " on " << int(background.r);
    }
    EXPECT_GE(contrast(t.text, t.warning_panel), 4.5);
    EXPECT_GE(contrast(t.warning, t.warning_panel), 4.5);
    EXPECT_GE(contrast(t.accent, t.panel), 4.5);
    for (const Color fill : {t.q, t.k, t.v, t.attention, t.mlp, t.other})
      EXPECT_GE(std::max(contrast(t.on_light, fill), contrast(t.on_dark, fill)), 4.5);
  }
}

TEST(Colormap, HasThePublishedColours) {
  EXPECT_EQ(colormap_color(ColorMapName::kViridis, 0), (Color{0x44, 0x01, 0x54}));
  EXPECT_EQ(colormap_color(ColorMapName::kViridis, 1), (Color{0xfd, 0xe7, 0x25}));
  EXPECT_EQ(colormap_color(ColorMapName::kMagma, 0), (Color{0, 0, 4}));
  EXPECT_EQ(colormap_color(ColorMapName::kMagma, 1), (Color{0xfc, 0xfd, 0xbf}));
  EXPECT_EQ(colormap_color(ColorMapName::kCividis, 0), (Color{0x00, 0x22, 0x4e}));
  EXPECT_EQ(colormap_color(ColorMapName::kCividis, 1), (Color{0xfe, 0xe8, 0x38}));
  // Entry 127 of the published table of viridis: (0.127568, 0.566949, 0.550556).
  const Color middle = colormap_color(ColorMapName::kViridis, 127 / 255.0);
  EXPECT_NEAR(middle.r, 0.127568 * 255, 2);
  EXPECT_NEAR(middle.g, 0.566949 * 255, 2);
  EXPECT_NEAR(middle.b, 0.550556 * 255, 2);
  EXPECT_EQ(colormap_color(ColorMapName::kGrey, 0), (Color{0, 0, 0}));
  EXPECT_EQ(colormap_color(ColorMapName::kGrey, 1), (Color{255, 255, 255}));
}

TEST(Colormap, GetsLighterFromStepToStep) {
  for (const ColorMapName map : kMaps) {
    for (int i = 1; i < 256; ++i) {
      // Contrast with black grows with luminance; steps of 8-bit colours may stand still, never fall.
      const double before = contrast(colormap_color(map, (i - 1) / 255.0), {0, 0, 0}),
                   now = contrast(colormap_color(map, i / 255.0), {0, 0, 0});
      EXPECT_GE(now, before * 0.998) << colormap_name(map) << " " << i;
    }
  }
}

TEST(Colormap, ClampsItsShare) {
  for (const ColorMapName map : kMaps) {
    EXPECT_EQ(colormap_color(map, -3), colormap_color(map, 0));
    EXPECT_EQ(colormap_color(map, 3), colormap_color(map, 1));
    EXPECT_EQ(colormap_color(map, std::numeric_limits<double>::quiet_NaN()), colormap_color(map, 0));
  }
}

TEST(MaskedColor, IsFarFromEveryColourOfItsMap) {
  for (const ThemeName name : kThemes) {
    for (const ColorMapName map : kMaps) {
      const Color masked = masked_color(theme(name), map);
      for (int i = 0; i < 256; ++i) {
        const Color color = colormap_color(map, i / 255.0);
        const int distance = std::max({std::abs(color.r - masked.r), std::abs(color.g - masked.g), std::abs(color.b - masked.b)});
        EXPECT_GE(distance, 12) << colormap_name(map) << " " << i;
      }
    }
  }
}

TEST(DivergingColor, IsBlueBelowZeroAndOrangeAbove) {
  for (const ThemeName name : kThemes) {
    const Theme& t = theme(name);
    const Color low = diverging_color(t, -1), zero = diverging_color(t, 0), high = diverging_color(t, 1);
    EXPECT_GT(low.b, low.r);
    EXPECT_GT(high.r, high.b);
    EXPECT_LT(contrast(zero, t.panel), 1.3) << "zero hardly stands out";
    EXPECT_EQ(diverging_color(t, 7), high);
    EXPECT_EQ(diverging_color(t, std::nan("")), t.masked);
  }
}

TEST(Mix, GoesFromOneToTheOther) {
  const Color a{0, 100, 200, 0}, b{200, 0, 100, 255};
  EXPECT_EQ(mix(a, b, 0), a);
  EXPECT_EQ(mix(a, b, 1), b);
  EXPECT_EQ(mix(a, b, 0.5), (Color{100, 50, 150, 128}));
  EXPECT_EQ(with_alpha(b, 0.5), (Color{200, 0, 100, 128}));
}

}  // namespace
}  // namespace headroom
