#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/figure/views.h"

namespace headroom {

/// What a made-up pass looks like: seeded random parameters of a shape, run over seeded ids.
struct PassSpec {
  std::int64_t n_layers = 2, n_heads = 4, n_kv_heads = 4, d_head = 8;
  std::size_t n_tokens = 7;
  std::vector<HeadRef> pruned;
  Mask mask;
};

/// A session and the snapshot that answers it. Tokens are named "t0", "t1", ...
struct Scene {
  Session session;
  std::shared_ptr<Snapshot> snapshot;
};
Scene make_scene(const PassSpec& spec);

/// Every character is 0.56 (sans) or 0.6 (mono) of the size wide, close to the fonts that are drawn.
class EvenMeasurer : public TextMeasurer {
 public:
  double width(std::string_view text, FontFace face, double size) const override;
};

/// The input of a figure; keep the scene alive.
FigureInput input_of(const Scene& scene, Size size, ThemeName theme_name = ThemeName::kDark);

template <typename T>
std::vector<T> items_of(const Figure& figure) {
  std::vector<T> found;
  for (const Item& item : figure.items) {
    if (const T* typed = std::get_if<T>(&item)) found.push_back(*typed);
  }
  return found;
}

/// All text of a figure, a line each.
std::string text_of(const Figure& figure);
const HitRegion* find_hit(const Figure& figure, const std::string& name);

/// Sentences on what overlaps or sticks out; empty when the layout is sound. Level text is checked against level text by its box; tiles and
/// hit regions against the figure's size.
std::vector<std::string> layout_faults(const Figure& figure, const TextMeasurer& measurer);

}  // namespace headroom
