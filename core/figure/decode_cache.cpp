#include <algorithm>
#include <cmath>
#include <functional>

#include "core/figure/card_panels.h"
#include "core/figure/decode_panels.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kLabel = 34;  // of a page's number

/// How the slots of all pages lie: rows of `per_row` slots, each page in rows of its own.
struct SlotGrid {
  std::int64_t per_row = 1;
  double cell_w = 1, cell_h = 1, row_h = 1;
  std::int64_t pages_per_row = 1;
};

class CachePicture {
 public:
  CachePicture(Canvas& canvas, const Rect& area, const DecodeLook& look) : canvas_(canvas), area_(area), look_(look) {}

  void draw() {
    double y = area_.y + canvas_.panel_title({area_.x, area_.y}, "THE CACHE", cache_text(look_.run.cache), area_.w) + 2;
    y += draw_memory(y);
    const double notes = draw_given_up();
    const double legend = kSmallLine + 4;
    const Rect room{area_.x, y + 4, area_.w, area_.y + area_.h - notes - legend - y - 4};
    if (room.h >= 20 && !look_.step.pages.empty()) draw_pages(room);
    draw_legend({area_.x, area_.y + area_.h - notes - legend + 4, area_.w, kSmallLine});
  }

 private:
  const LayerStep& cache() const { return look_.cache(); }

  /// A bar of what is reserved: used, and standing empty; then what all tokens in float32 would take. Returns the height used.
  double draw_memory(double y) {
    const DecodeStep& step = look_.step;
    const auto wasted = std::max<std::int64_t>(0, step.bytes_reserved - step.bytes_held);
    const double share = step.bytes_reserved > 0 ? static_cast<double>(wasted) / static_cast<double>(step.bytes_reserved) : 0;
    const std::string text = short_bytes_text(static_cast<double>(step.bytes_reserved)) + " reserved · " +
                             short_bytes_text(static_cast<double>(step.bytes_held)) + " used · " +
                             short_bytes_text(static_cast<double>(wasted)) + " empty (" + percent_text(share) +
                             ") · all in float32: " + short_bytes_text(static_cast<double>(step.bytes_full));
    canvas_.parts({area_.x, y + kSmallLine / 2}, text, canvas_.small(), area_.w);
    canvas_.hit({.shape = {area_.x, y, area_.w, kSmallLine},
                 .tooltip = "Memory of the cache, counted\n" + count_text(step.bytes_reserved) +
                            " B reserved: the stretch, or whole pages\n" + count_text(step.bytes_held) +
                            " B used: keys and values of the tokens held, with their scales\n" + count_text(wasted) +
                            " B stand empty\n" + count_text(step.bytes_full) + " B would take all tokens in float32",
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "decode memory"});
    return kSmallLine;
  }

  /// Rows as high as they can be, slots no wider than reads well.
  SlotGrid grid_for(const Rect& room) const {
    const std::int64_t page_rows = std::max<std::int64_t>(1, look_.step.pages.front().rows);
    const std::int64_t n_pages = std::ssize(look_.step.pages);
    SlotGrid grid;
    constexpr double kWidest = 52, kHighest = 26, kLowest = 7, kNarrowest = 3;
    const double w = room.w - kLabel;
    for (double cell = kWidest; cell >= kNarrowest; cell -= 1) {
      grid.per_row = std::max<std::int64_t>(1, std::min(page_rows, static_cast<std::int64_t>(w / cell)));
      grid.pages_per_row = 1;
      if (page_rows < grid.per_row * 2 && static_cast<double>(page_rows) * cell + kLabel <= room.w)
        grid.pages_per_row =
            std::max<std::int64_t>(1, static_cast<std::int64_t>(room.w / (static_cast<double>(page_rows) * cell + kLabel + 6)));
      const std::int64_t rows_a_page = (page_rows + grid.per_row - 1) / grid.per_row;
      // Rows of a page are equally long.
      if (look_.run.cache.layout == CacheLayout::kPaged) grid.per_row = (page_rows + rows_a_page - 1) / rows_a_page;
      const std::int64_t rows = (n_pages + grid.pages_per_row - 1) / grid.pages_per_row * rows_a_page;
      grid.cell_w = cell;
      grid.row_h = std::min(kHighest + 3, std::floor(room.h / static_cast<double>(rows)));
      grid.cell_h = grid.row_h - 3;
      const double wanted = std::min(kHighest, std::max(kLowest, cell * 0.5));
      if (grid.cell_h >= wanted) break;
    }
    return grid;
  }

  void draw_pages(const Rect& room) {
    const SlotGrid grid = grid_for(room);
    const double bottom = room.y + room.h;
    const std::int64_t page_rows = std::max<std::int64_t>(1, look_.step.pages.front().rows);
    const std::int64_t rows_a_page = (page_rows + grid.per_row - 1) / grid.per_row;
    const double page_w = kLabel + static_cast<double>(grid.per_row) * grid.cell_w;
    std::int64_t slot = 0;
    for (std::size_t i = 0; i < look_.step.pages.size(); ++i) {
      const PageUse& page = look_.step.pages[i];
      const auto at = static_cast<std::int64_t>(i);
      const double x = room.x + static_cast<double>(at % grid.pages_per_row) * (page_w + 6);
      const std::int64_t page_row = at / grid.pages_per_row * rows_a_page;
      const double y = room.y + static_cast<double>(page_row) * grid.row_h;
      if (y + grid.cell_h > bottom + 0.5) {
        canvas_.text({room.x, bottom - kSmallLine / 2}, "…", canvas_.faint());
        return;
      }
      draw_page(page, {x, y, page_w, static_cast<double>(rows_a_page) * grid.row_h - 3}, grid, slot);
      slot += page.rows;
    }
  }

  void draw_page(const PageUse& page, const Rect& rect, const SlotGrid& grid, std::int64_t first_slot) {
    const bool is_paged = look_.run.cache.layout == CacheLayout::kPaged;
    const std::string name = is_paged ? count_text(static_cast<std::int64_t>(page.page)) : "";
    if (is_paged) canvas_.text({rect.x, rect.y + grid.cell_h / 2}, name, canvas_.faint(), kLabel - 4);
    if (page.n_sharers > 1 && grid.cell_h >= kSmallLine)
      canvas_.text({rect.x + 14, rect.y + grid.cell_h / 2}, "×" + count_text(page.n_sharers), canvas_.faint(), kLabel - 16);
    const double inset = is_paged ? kLabel : 0;
    for (std::int64_t row = 0; row < page.rows; ++row) {
      const double x = rect.x + inset + static_cast<double>(row % grid.per_row) * grid.cell_w;
      const std::int64_t line = row / grid.per_row;
      const double y = rect.y + static_cast<double>(line) * grid.row_h;
      if (y + grid.cell_h > area_.y + area_.h) break;
      const double gap = grid.cell_w > 6 ? 1 : 0;
      draw_slot({x, y, grid.cell_w - gap, grid.cell_h}, first_slot + row, row < page.rows_used);
    }
    canvas_.hit(
        {.shape = {rect.x, rect.y, inset > 0 ? inset : 1, rect.h},
         .tooltip = (is_paged ? "Page " + name : std::string("The one stretch")) + "\n" + count_text(page.rows_used) + " of " +
                    count_text(page.rows) + " slots hold a token; each with its keys and values in all layers\n" +
                    (page.n_sharers > 1 ? count_text(page.n_sharers) + " sequences share it" : "held by this sequence alone"),
         .click = {},
         .double_click = {},
         .ctrl_click = {},
         .name = "decode page " + std::to_string(page.page)});
  }

  /// Keys above values; of the chosen K/V head.
  void draw_slot(const Rect& rect, std::int64_t slot, bool is_used) {
    const Theme& theme = canvas_.theme();
    const bool holds = is_used && slot < cache().n_slots && !cache().positions.empty() && look_.has_head();
    if (!is_used) {
      canvas_.outline(rect, theme.border);
      if (rect.w >= 5) canvas_.add(Hatch{rect, theme.border, 4});
      return;
    }
    const std::int64_t position = holds ? cache().position_of(look_.kv_head, slot) : -1;
    const bool is_read_now = position >= look_.step.position - look_.step.cached.n_rows;
    const bool is_written = position >= std::ssize(look_.run.prompt);
    const double strength = is_written ? 0.85 : 0.5;
    canvas_.fill({rect.x, rect.y, rect.w, rect.h / 2}, mix(theme.panel, theme.k, strength));
    canvas_.fill({rect.x, rect.y + rect.h / 2, rect.w, rect.h / 2}, mix(theme.panel, theme.v, strength));
    if (is_read_now && position >= 0 && look_.index > 0) canvas_.outline(rect, theme.text, 1.5);
    if (position < 0) return;
    if (rect.h >= 13 && rect.w >= 18) draw_name(rect, position, strength);
    if (rect.w < 4) return;
    canvas_.hit({.shape = rect,
                 .tooltip = "slot " + count_text(slot) + " holds token " + count_text(position) + " " + look_.word(position) +
                            "\nkeys (orange) and values (green) of " + look_.kv_head_text() +
                            (is_written ? "; the model wrote this token" : "; of the text that was read"),
                 .click = DecodeStepSet{std::max<std::int64_t>(0, position - std::ssize(look_.run.prompt))},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "decode slot " + std::to_string(slot)});
  }

  void draw_name(const Rect& rect, std::int64_t position, double strength) {
    const Theme& theme = canvas_.theme();
    TextStyle style = canvas_.mono();
    style.anchor = Anchor::kCentre;
    style.size = 10;
    // Over the mean of both halves.
    style.color = text_over(theme, mix(mix(theme.panel, theme.k, strength), mix(theme.panel, theme.v, strength), 0.5));
    const std::string word = look_.word(position), number = count_text(position);
    const std::string shown = canvas_.width(word, style) <= rect.w - 4 ? word : number;
    if (canvas_.width(shown, style) > rect.w - 2) return;
    canvas_.text({rect.x + rect.w / 2, rect.y + rect.h / 2}, shown, style);
  }

  /// What was given up, at the bottom. Returns the height used.
  double draw_given_up() {
    if (look_.run.cache.eviction == Eviction::kNone || !look_.has_head()) return 0;
    const std::vector<std::int64_t> slots = look_.slots();
    const auto n = static_cast<std::int64_t>(std::count(slots.begin(), slots.end(), -1));
    std::string text = look_.kv_head_text() + " has given up " + count_text(n) + " of " + count_text(std::ssize(slots)) + " tokens";
    const LayerStep& kept = cache();
    const std::int32_t last = kept.gave_up.empty() ? -1 : kept.gave_up[static_cast<std::size_t>(look_.kv_head)];
    if (last >= 0) text += ", in this step " + count_text(last) + " “" + look_.word(last) + "”";
    text += ".";
    std::string all;
    constexpr int kMostListed = 60;
    int listed = 0;
    for (std::size_t i = 0; i < slots.size() && listed < kMostListed; ++i) {
      if (slots[i] >= 0) continue;
      const auto position = static_cast<std::int64_t>(i);
      all += (all.empty() ? "" : ", ") + count_text(position) + " " + look_.word(position);
      ++listed;
    }
    if (n > kMostListed) all += ", …";
    const double y = area_.y + area_.h - kSmallLine;
    canvas_.text({area_.x, y + kSmallLine / 2}, text, canvas_.small(), area_.w);
    canvas_.hit({.shape = {area_.x, y, area_.w, kSmallLine},
                 .tooltip = "Given up by " + look_.kv_head_text() + "\n" + (all.empty() ? "nothing yet" : all) +
                            "\nNo later token can look at them. Under heavy hitters each K/V head chooses its own.",
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "decode given up"});
    return kSmallLine;
  }

  void draw_legend(const Rect& area) {
    const Theme& theme = canvas_.theme();
    double x = area.x;
    const double right = area.x + area.w, side = 11;
    const auto entry = [&](const std::string& text, const std::function<void(const Rect&)>& sample) {
      const double w = side + 5 + canvas_.width(text, canvas_.faint());
      if (x + w > right) {
        x = right;
        return;
      }
      sample({x, area.y + (area.h - side) / 2, side, side});
      canvas_.text({x + side + 5, area.y + area.h / 2}, text, canvas_.faint());
      x += w + 12;
    };
    const auto halves = [&](const Rect& rect, double strength) {
      canvas_.fill({rect.x, rect.y, rect.w, rect.h / 2}, mix(theme.panel, theme.k, strength));
      canvas_.fill({rect.x, rect.y + rect.h / 2, rect.w, rect.h / 2}, mix(theme.panel, theme.v, strength));
    };
    entry("K, V of the text", [&](const Rect& rect) { halves(rect, 0.5); });
    entry("of written tokens", [&](const Rect& rect) { halves(rect, 0.85); });
    entry("read in this step", [&](const Rect& rect) {
      halves(rect, 0.85);
      canvas_.outline(rect, theme.text, 1.5);
    });
    entry("empty", [&](const Rect& rect) {
      canvas_.outline(rect, theme.border);
      canvas_.add(Hatch{rect, theme.border, 4});
    });
    entry(look_.kv_head_text(), [](const Rect&) {});
  }

  Canvas& canvas_;
  Rect area_;
  const DecodeLook& look_;
};

}  // namespace

void draw_decode_cache(Canvas& canvas, const Rect& area, const DecodeLook& look) { CachePicture(canvas, area, look).draw(); }

}  // namespace headroom
