#include <algorithm>
#include <cmath>
#include <vector>

#include "core/figure/batch_panels.h"
#include "core/figure/card_panels.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr std::size_t kMostCells = 2048;

/// Cells in rows, as large as the area lets them be.
struct CellLayout {
  std::size_t columns = 1;
  double w = 0, h = 0;

  Rect at(const Rect& area, std::size_t i) const {
    const std::size_t row = i / columns, column = i % columns;
    const double x = area.x + w * static_cast<double>(column), y = area.y + h * static_cast<double>(row);
    const double gap = std::min(w, h) >= 6 ? 2 : 1;
    return {x, y, std::max(1.0, w - gap), std::max(1.0, h - gap)};
  }
};
CellLayout lay_out(const Rect& area, std::size_t n) {
  constexpr double kWideness = 2.2, kTallest = 28, kWidest = 240;  // a number is wider than tall
  CellLayout best;
  double best_size = -1;
  for (std::size_t columns = 1; columns <= n; ++columns) {
    const std::size_t n_rows = (n + columns - 1) / columns;
    const auto rows = static_cast<double>(n_rows);
    const CellLayout tried{columns, std::min(kWidest, std::floor(area.w / static_cast<double>(columns) * 2) / 2),
                           std::min(kTallest, std::floor(area.h / rows * 2) / 2)};
    const double size = std::min(tried.w / kWideness, tried.h);
    if (size <= best_size) continue;
    best_size = size;
    best = tried;
  }
  return best;
}
/// So many at least this large have room.
std::size_t most_cells(const Rect& area) {
  constexpr double kLeastWidth = 6, kLeastHeight = 5;
  const double n = std::floor(area.w / kLeastWidth) * std::floor(area.h / kLeastHeight);
  return std::min(kMostCells, static_cast<std::size_t>(std::max(0.0, n)));
}

/// Pages that were ever in use; the pool takes a new one only when none is free.
std::int64_t n_ever_used(const BatchSide& side) {
  PageId last = -1;
  for (const BatchStint& stint : side.stints)
    for (const PageId page : stint.pages)
      last = std::max(last, page);
  return last + 1;
}

class PagePicture {
 public:
  PagePicture(Canvas& canvas, const Rect& area, const BatchPart& part) : canvas_(canvas), area_(area), part_(part) {
    if (!part.has_ended()) pages_ = batch_pages(part.side, part.step);
  }

  void draw() {
    const std::int64_t n_used = n_ever_used(part_.side);
    const Rect cells = draw_words(n_used);
    const std::size_t n = std::min(static_cast<std::size_t>(n_used), most_cells(cells));
    if (n == 0) return;
    const CellLayout layout = lay_out(cells, n);
    std::size_t page = 0;
    for (std::size_t i = 0; i < n; ++i) {
      while (page < pages_.size() && pages_[page].page < static_cast<PageId>(i))
        ++page;
      const Rect cell = layout.at(cells, i);
      if (page < pages_.size() && pages_[page].page == static_cast<PageId>(i)) {
        draw_held(cell, pages_[page]);
      } else {
        draw_free(cell, i);
      }
    }
  }

 private:
  std::string title(PageId page) const { return (part_.is_paged() ? "Page " : "Stretch ") + count_text(page); }
  const char* many() const { return part_.is_paged() ? "pages" : "stretches"; }

  /// Title and key; the rest of the area is returned.
  Rect draw_words(std::int64_t n_used) {
    const std::int64_t rows = part_.side.page_rows;
    const std::string detail = part_.side.n_pages == 0 ? std::string("there is no room for one")
                               : part_.has_ended()
                                   ? "all requests are done"
                                   : count_text(std::ssize(pages_)) + " of " + count_text(part_.side.n_pages) + " " + many() +
                                         " in use, each of " + count_text(rows) + (rows == 1 ? " token" : " tokens");
    const double y =
        area_.y + canvas_.panel_title({area_.x, area_.y},
                                      (part_.is_paged() ? "PAGES AT STEP " : "STRETCHES AT STEP ") + count_text(part_.step), detail,
                                      area_.w);
    const Rect rest{area_.x, y + kSmallLine + 4, area_.w, area_.y + area_.h - y - kSmallLine - 4};
    std::string key = "tint and number: its request · hatched: reserved, empty";
    if (part_.is_paged() && part_.run.plan.shared_prefix > 0) key += " · frame: shared";
    const auto shown = static_cast<std::int64_t>(std::min(static_cast<std::size_t>(n_used), most_cells(rest)));
    if (shown < n_used) key = "the first " + count_text(shown) + " of " + count_text(n_used) + " " + many() + " · " + key;
    if (n_used < part_.side.n_pages && shown == n_used) key += " · " + count_text(part_.side.n_pages - n_used) + " more never used";
    canvas_.parts({area_.x, y + kSmallLine / 2}, key, canvas_.faint(), area_.w);
    return rest;
  }

  void draw_free(const Rect& cell, std::size_t i) {
    canvas_.outline(cell, canvas_.theme().border, 1, std::min(2.0, cell.h / 4));
    hit(cell, i, title(static_cast<std::int64_t>(i)) + "\nFree: nobody's at this step.");
  }

  void draw_held(const Rect& cell, const BatchPage& page) {
    const Theme& theme = canvas_.theme();
    const Color tint = request_tint(theme, page.request);
    const double share = static_cast<double>(page.rows_used) / static_cast<double>(part_.side.page_rows);
    const bool is_large = cell.w >= 8 && cell.h >= 8;
    if (share < 1) {
      canvas_.fill(cell, mix(theme.panel, tint, 0.18));
      if (is_large) canvas_.add(Hatch{.rect = cell, .color = mix(theme.panel, tint, 0.6), .spacing = 5});
    }
    canvas_.fill({cell.x, cell.y, std::max(1.0, cell.w * share), cell.h}, tint);
    if (page.n_sharers > 1) canvas_.outline(cell, theme.text, is_large ? 2 : 1);
    draw_number(cell, page, share, tint);
    std::string text = title(page.page) + ": request " + count_text(page.request);
    text += "\n" + count_text(page.rows_used) + " of " + count_text(part_.side.page_rows) + " tokens in it";
    if (share < 1)
      text +=
          ", " + short_bytes_text(static_cast<double>((part_.side.page_rows - page.rows_used) * part_.run.token_bytes)) + " empty";
    if (page.n_sharers > 1)
      text += "\nShared by " + count_text(page.n_sharers) + " requests that begin alike: it lies in memory once.";
    const BatchRequest& request = part_.run.requests[static_cast<std::size_t>(page.request)];
    text += "\nThe request came at step " + count_text(request.arrival) + ": a prompt of " + count_text(request.prompt) +
            " tokens, an answer of " + count_text(request.answer) + (request.answer == 1 ? " token." : " tokens.");
    hit(cell, static_cast<std::size_t>(page.page), text);
  }

  /// Over what is filled where it has room there, else over the whole cell on a plate.
  void draw_number(const Rect& cell, const BatchPage& page, double share, Color tint) {
    if (cell.h < 12) return;
    const std::string number = count_text(page.request), shared = number + " ×" + count_text(page.n_sharers);
    TextStyle style = canvas_.mono();
    style.anchor = Anchor::kCentre;
    const bool says_shared = page.n_sharers > 1 && canvas_.width(shared, style) + 6 <= cell.w;
    const std::string& text = says_shared ? shared : number;
    const double w = canvas_.width(text, style) + 4;
    if (w + 2 > cell.w) return;
    const double filled = cell.w * share;
    const bool fits_filled = w + 2 <= filled;
    const Point at{cell.x + (fits_filled ? filled : cell.w) / 2, cell.y + cell.h / 2};
    style.color = text_over(canvas_.theme(), tint);
    if (!fits_filled) {
      style.color = canvas_.theme().text;
      canvas_.fill({at.x - w / 2, at.y - 6, w, 12}, canvas_.theme().panel, 2);
    }
    canvas_.text(at, text, style);
  }

  void hit(const Rect& cell, std::size_t i, const std::string& text) {
    canvas_.hit({.shape = cell,
                 .tooltip = text,
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = part_.prefix() + "page " + std::to_string(i)});
  }

  Canvas& canvas_;
  Rect area_;
  const BatchPart& part_;
  std::vector<BatchPage> pages_;
};

}  // namespace

Color request_tint(const Theme& theme, std::int64_t request) {
  // Steps of the golden angle: neighbours in the queue are far apart on the circle. Muted, so that none is taken for q, k or v.
  const double hue = std::fmod(0.08 + 0.381966 * static_cast<double>(request), 1.0);
  const bool is_dark = theme.name == ThemeName::kDark;
  const double saturation = 0.36, lightness = is_dark ? 0.64 : 0.74;
  const auto channel = [&](double shift) {
    const double t = std::fmod(hue + shift, 1.0);
    const double chroma = saturation * std::min(lightness, 1 - lightness);
    const double wave = std::clamp(std::min(t * 12 - 3, 9 - t * 12), -1.0, 1.0);
    return static_cast<std::uint8_t>(std::lround(255 * (lightness - chroma * wave)));
  };
  return {channel(0), channel(2.0 / 3), channel(1.0 / 3), 255};
}

void draw_batch_pages(Canvas& canvas, const Rect& area, const BatchPart& part) { PagePicture(canvas, area, part).draw(); }

}  // namespace headroom
