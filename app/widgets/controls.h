#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "app/widgets/item.h"

namespace headroom {

/// A number out of a list: thin line, round knob. Dragging and the arrow keys step through the list; a double-click (or Ctrl-click)
/// on it lets a number be typed.
struct ValueSlider {
  std::string_view name = {}, label = {}, tooltip = {};
  std::span<const std::int64_t> values;  ///< ascending, not empty
  std::int64_t value = 0;
  std::string_view unit = {};   ///< after the number: "tokens"
  std::string_view shown = {};  ///< instead of number and unit, when not empty
  Enabled enabled = Enabled::kYes;
  double label_width = 68, value_width = 62;  ///< logical pixels
  float width = 0;                            ///< ImGui pixels; 0: what the panel has left
};
/// The value asked for when the person changed it: a member of `values`, or whatever was typed.
std::optional<std::int64_t> value_slider(const Look& look, const ValueSlider& spec);

/// A few choices side by side in one box. `labels` and `names` and `tooltips` have one entry a choice.
struct MenuChoice {
  std::string_view name = {}, label = {}, tooltip = {};
};
std::optional<int> segmented(const Look& look, std::span<const MenuChoice> choices, int selected, float width);

/// One out of many, unfolding. Inline ones are "label: value ▾" without a box.
struct Dropdown {
  std::string_view name = {}, tooltip = {};
  std::string_view value = {};  ///< what is shown while folded
  std::span<const MenuChoice> choices;
  int selected = -1;
  enum class Form { kBox, kInline } form = Form::kBox;
  float width = 0;              ///< ImGui pixels; inline: 0 = as wide as it needs
  std::string_view label = {};  ///< inline: dim, before the value
};
std::optional<int> dropdown(const Look& look, const Dropdown& spec);
/// Width that an inline dropdown takes.
float inline_dropdown_width(const Look& look, std::string_view label, std::string_view value);

struct Button {
  std::string_view name = {}, label = {}, tooltip = {};
  Enabled enabled = Enabled::kYes;
  enum class Kind { kPlain, kPrimary } kind = Kind::kPlain;
  float width = 0;  ///< ImGui pixels; 0: as wide as its text
};
bool button(const Look& look, const Button& spec);
float button_width(const Look& look, std::string_view label);

/// Text that does something: accent colour.
bool link(const Look& look, std::string_view name, std::string_view label, std::string_view tooltip);

/// A small rounded box with text. Colours as given; returns its state for clicks.
struct Chip {
  std::string_view name = {}, label = {}, tooltip = {};
  Color fill, text;
  std::optional<Color> border;
  FontFace face = FontFace::kSans;
  float height = 0;  ///< ImGui pixels; 0: 20 logical
};
ItemState chip(const Look& look, const Chip& spec);
float chip_width(const Look& look, std::string_view label, FontFace face);

/// Share done with what is done; returns true when Cancel was clicked.
struct ProgressSpec {
  std::string_view name = {}, stage = {};
  double share = 0;
  float width = 0;
};
bool progress_bar(const Look& look, const ProgressSpec& spec);

/// A framed card: text wraps inside. Between the two calls items are laid out in it.
class Card {
 public:
  Card(const Look& look, Color fill, Color border);
  ~Card();
  Card(const Card&) = delete;

 private:
  const Look& look_;
  Color fill_, border_;
  float left_, top_, width_;
};

}  // namespace headroom
