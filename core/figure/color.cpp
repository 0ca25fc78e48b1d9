#include "core/figure/color.h"

#include <algorithm>
#include <cmath>

namespace headroom {
namespace {

constexpr Color rgb(std::uint32_t hex) {
  return {static_cast<std::uint8_t>(hex >> 16U), static_cast<std::uint8_t>(hex >> 8U), static_cast<std::uint8_t>(hex), 255};
}

std::uint8_t channel(double value) { return static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0))); }

/// WCAG 2.1, relative luminance.
double luminance(Color color) {
  const auto linear = [](std::uint8_t c) {
    const double s = c / 255.0;
    return s <= 0.04045 ? s / 12.92 : std::pow((s + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * linear(color.r) + 0.7152 * linear(color.g) + 0.0722 * linear(color.b);
}

constexpr Theme kDarkTheme{
    .name = ThemeName::kDark,
    .window = rgb(0x121418),
    .panel = rgb(0x181b21),
    .raised = rgb(0x1f232b),
    .border = rgb(0x2b303a),
    .text = rgb(0xe6eaf2),
    .text_dim = rgb(0xa3acbc),
    .text_faint = rgb(0x868e9e),
    .accent = rgb(0x7aa2ff),
    .q = rgb(0x5aa9ff),
    .k = rgb(0xff9f5a),
    .v = rgb(0x5fca8c),
    .attention = rgb(0xb48cff),
    .mlp = rgb(0x8d97a8),
    .other = rgb(0x5d6675),
    .naive = rgb(0x9aa4b5),
    .flash = rgb(0xb48cff),
    .linear = rgb(0x45c7d0),
    .gl = rgb(0xff7ab8),
    .masked = rgb(0x23272f),
    .good = rgb(0x5fca8c),
    .warning = rgb(0xffb45a),
    .bad = rgb(0xff7a7a),
    .warning_panel = rgb(0x221d14),
    .warning_border = rgb(0x6b5320),
    .on_light = rgb(0x14171c),
    .on_dark = rgb(0xf4f6fb),
};

constexpr Theme kLightTheme{
    .name = ThemeName::kLight,
    .window = rgb(0xf4f5f8),
    .panel = rgb(0xffffff),
    .raised = rgb(0xeceef3),
    .border = rgb(0xdde1e9),
    .text = rgb(0x1a1f29),
    .text_dim = rgb(0x4d5769),
    .text_faint = rgb(0x626c7e),
    .accent = rgb(0x3366dd),
    .q = rgb(0x5aa9ff),
    .k = rgb(0xff9f5a),
    .v = rgb(0x5fca8c),
    .attention = rgb(0xb48cff),
    .mlp = rgb(0x8d97a8),
    .other = rgb(0x5d6675),
    .naive = rgb(0x6b7485),
    .flash = rgb(0x7a4fd0),
    .linear = rgb(0x0d7f8c),
    .gl = rgb(0xc03c86),
    .masked = rgb(0xe8ebf1),
    .good = rgb(0x17743e),
    .warning = rgb(0x9a5200),
    .bad = rgb(0xb3261e),
    .warning_panel = rgb(0xfff8e8),
    .warning_border = rgb(0xe8c98a),
    .on_light = rgb(0x14171c),
    .on_dark = rgb(0xf4f6fb),
};

}  // namespace

Color with_alpha(Color color, double alpha) {
  color.a = channel(255 * alpha);
  return color;
}

Color mix(Color a, Color b, double share_of_b) {
  const double t = std::clamp(share_of_b, 0.0, 1.0);
  const auto between = [t](std::uint8_t x, std::uint8_t y) { return channel(x + (y - x) * t); };
  return {between(a.r, b.r), between(a.g, b.g), between(a.b, b.b), between(a.a, b.a)};
}

double contrast(Color a, Color b) {
  const double x = luminance(a), y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

const Theme& theme(ThemeName name) { return name == ThemeName::kLight ? kLightTheme : kDarkTheme; }

Color not_a_number_color(const Theme& theme) { return mix(theme.panel, theme.warning, 0.85); }

Color masked_color(const Theme& theme, ColorMapName map) {
  if (map != ColorMapName::kGrey) return theme.masked;
  return theme.name == ThemeName::kDark ? rgb(0x26324f) : rgb(0xc9d8f4);
}

Color diverging_color(const Theme& theme, double value) {
  if (std::isnan(value)) return theme.masked;
  const double t = std::clamp(value, -1.0, 1.0);
  const bool is_dark = theme.name == ThemeName::kDark;
  const Color zero = is_dark ? rgb(0x20242c) : rgb(0xf3f4f7);
  const Color negative = is_dark ? rgb(0x5aa9ff) : rgb(0x1f6fd0);
  const Color positive = is_dark ? rgb(0xff9f5a) : rgb(0xe0701a);
  return mix(zero, t < 0 ? negative : positive, std::abs(t));
}

}  // namespace headroom
