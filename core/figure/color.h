#pragma once

#include <cstdint>

#include "core/session/session.h"

namespace headroom {

struct Color {
  std::uint8_t r = 0, g = 0, b = 0, a = 255;
  bool operator==(const Color&) const = default;
};
Color with_alpha(Color color, double alpha);  ///< alpha in [0, 1]
Color mix(Color a, Color b, double share_of_b);
/// WCAG contrast ratio, 1 to 21.
double contrast(Color a, Color b);

enum class ThemeName { kDark, kLight };

/// One meaning per colour, in every view, text and export.
struct Theme {
  ThemeName name = ThemeName::kDark;
  Color window, panel, raised, border;  ///< backgrounds, from back to front, and hairlines
  Color text, text_dim, text_faint;
  Color accent;                    ///< the one accent: selection, links, sliders
  Color q, k, v;                   ///< blue, orange, green
  Color attention, mlp, other;     ///< timing bars: attention violet, MLP and others grey
  Color naive, flash, linear, gl;  ///< ways to compute attention, as lines and markers on the panel
  Color masked;                    ///< never the colour of zero
  Color good, warning, bad;
  Color warning_panel, warning_border;
  Color on_light, on_dark;  ///< text over a coloured fill
};
const Theme& theme(ThemeName name);

/// Sequential maps, perceptually uniform, 256 steps. share is clamped to [0, 1].
Color colormap_color(ColorMapName map, double share);
const char* colormap_name(ColorMapName map);  ///< "viridis"
/// The colour of masked cells beside a map: the theme's, but more strongly tinted beside grey, so that it is no colour of any map.
Color masked_color(const Theme& theme, ColorMapName map);
/// Of a cell that a file says is NaN: neither masked nor any probability.
Color not_a_number_color(const Theme& theme);
/// Diverging around 0: negative blue-ish, positive orange-ish, over the theme's background. value in [-1, 1].
Color diverging_color(const Theme& theme, double value);

}  // namespace headroom
