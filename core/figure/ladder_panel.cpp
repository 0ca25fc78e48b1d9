#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "core/figure/log_plot.h"
#include "core/figure/number_text.h"
#include "core/figure/speed_panels.h"

namespace headroom {
namespace {

/// What changes from the rung before, and why that is faster: true of every machine, so it stands here before anything is measured.
struct Rung {
  const char* name;
  const char* kernel;  ///< whose colour the bar has
  const char* why;
};
constexpr std::array<Rung, 5> kRungs{{
    {"per-head loops", "naive", "Many small products, each reading x again; every head writes its n × n scores to memory."},
    {"fused q k v", "naive", "One large product makes q, k and v of all heads: x is read once and the multipliers stay busy."},
    {"flash", "flash", "Tiles with an online softmax: the n × n scores stay in registers and are never written to memory."},
    {"GQA", "flash", "Query heads share K/V heads: fewer columns to project, and each K/V tile read serves a whole group."},
    {"K/V cache", "flash", "A new token meets stored keys and values: one row of attention; nothing earlier is computed again."},
}};

const Rung* find_rung(const std::string& name) {
  const auto found = std::find_if(kRungs.begin(), kRungs.end(), [&](const Rung& rung) { return name == rung.name; });
  return found == kRungs.end() ? nullptr : &*found;
}

bool is_cached(const std::string& name) { return name == kRungs.back().name; }

/// One rung as it is drawn; a step that was not measured has none.
struct Row {
  std::string name, why;
  Color color;
  const LadderStep* step = nullptr;
};

class LadderPicture {
 public:
  LadderPicture(Canvas& canvas, const Rect& area, const SpeedState& state)
      : canvas_(canvas), area_(area), ladder_(state.report && state.report->ladder ? &*state.report->ladder : nullptr) {
    const std::string measured = ladder_ == nullptr ? ""
                                                    : "measured, " + count_text(ladder_->threads) +
                                                          (ladder_->threads == 1 ? " thread" : " threads") +
                                                          ", × = times as fast as the first step";
    y_ = area.y + draw_speed_title(canvas, area, {SpeedSection::kLadder, "OPTIMISATION LADDER", measured}, state);
    make_rows();
  }

  void draw() {
    const double footer = draw_footer();
    const double bottom = area_.y + area_.h - footer;
    const double pitch = std::min((bottom - y_) / static_cast<double>(rows_.size()), 132.0);
    for (const Row& row : rows_) {
      draw_row(row, {area_.x, y_, area_.w, pitch});
      y_ += pitch;
    }
  }

 private:
  void make_rows() {
    const Theme& theme = canvas_.theme();
    if (ladder_ == nullptr) {
      for (const Rung& rung : kRungs)
        rows_.push_back({rung.name, rung.why, theme.border, nullptr});
      return;
    }
    for (const LadderStep& step : ladder_->steps) {
      const Rung* rung = find_rung(step.name);
      rows_.push_back({step.name, rung != nullptr ? rung->why : step.what,
                       kernel_sign(theme, rung != nullptr ? rung->kernel : "naive").color, &step});
      slowest_ = std::max(slowest_, step.ms);
    }
  }

  std::string name_of(const Row& row) const {
    if (row.step == nullptr || row.step->n_kv_heads <= 0 || row.name != "GQA") return row.name;
    return row.name + ", " + count_text(row.step->n_kv_heads) + (row.step->n_kv_heads == 1 ? " K/V head" : " K/V heads");
  }

  void draw_row(const Row& row, const Rect& place) {
    TextStyle name = canvas_.body(), ratio = canvas_.body(), number = canvas_.mono();
    name.face = ratio.face = FontFace::kSansMedium;
    ratio.anchor = number.anchor = Anchor::kRight;
    if (row.step == nullptr) name.color = canvas_.theme().text_dim;
    const double middle = place.y + kLine / 2, right = place.x + place.w;
    const double ratio_column = canvas_.width("8,888×", ratio);
    double used = 0;
    if (row.step != nullptr) {
      canvas_.text({right, middle}, times_text(row.step->ratio), ratio);
      const std::string ms = ms_text(row.step->ms) + (is_cached(row.name) ? " a token" : "");
      used = ratio_column + 16 + canvas_.text({right - ratio_column - 16, middle}, ms, number);
    }
    canvas_.text({place.x, middle}, name_of(row), name, place.w - used - 16);

    const bool is_tight = place.h < kLine + 12;
    const double thickness = is_tight ? 4 : std::clamp(place.h * 0.13, 6.0, 16.0);
    const Rect track{place.x, place.y + kLine + (is_tight ? 0 : 1), place.w, thickness};
    if (track.y + track.h > place.y + place.h) return;
    const double share = row.step != nullptr && slowest_ > 0 ? row.step->ms / slowest_ : 0;
    canvas_.bar(track, share, row.color);
    const double below = track.y + track.h + 2;
    const auto fitting = static_cast<std::size_t>(std::max(0.0, std::floor((place.y + place.h - below) / kSmallLine)));
    if (canvas_.wrap(row.why, canvas_.small(), place.w).size() <= fitting)
      canvas_.paragraph({place.x, below, place.w, 0}, row.why, canvas_.small(), fitting);
    canvas_.hit({.shape = place,
                 .tooltip = tooltip_of(row),
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "speed ladder " + row.name});
  }

  std::string tooltip_of(const Row& row) const {
    std::string text = row.name + "\n" + row.why;
    if (row.step == nullptr) return text + "\nNot measured yet.";
    const LadderStep& step = *row.step;
    if (!step.what.empty()) text += "\n" + step.what;
    text += "\n" + ms_text(step.ms) + ", measured; " + times_text(step.ratio) + " as fast as the first step";
    text += "\n" + compact(step.flops / 1e6) + " MFLOP with projections, counted";
    text += "\n" + bytes_text(std::llround(step.bytes_moved)) + " moved and " + bytes_text(std::llround(step.bytes_allocated)) +
            " allocated by attention, counted";
    return text;
  }

  /// What must be said below the rungs, from the bottom up. Returns its height.
  double draw_footer() {
    if (ladder_ == nullptr) return 0;
    std::string text;
    if (!ladder_->note.empty()) text += ladder_->note + " ";
    if (ladder_->recompute_ms > 0) text += "Without the cache a new token takes " + ms_text(ladder_->recompute_ms) + ", measured. ";
    text +=
        "The first three steps compute the same: their outputs differ by at most " + compact(ladder_->largest_difference, 2) + ".";
    const TextStyle style = canvas_.faint();
    const std::size_t lines = canvas_.wrap(text, style, area_.w).size();
    const double height = static_cast<double>(lines) * kSmallLine + 6;
    const double rows = static_cast<double>(rows_.size()) * (kLine + 10);
    if (lines > 3 || area_.y + area_.h - y_ - height < rows) return 0;
    canvas_.paragraph({area_.x, area_.y + area_.h - height + 6, area_.w, 0}, text, style, lines);
    return height;
  }

  Canvas& canvas_;
  Rect area_;
  const Ladder* ladder_;
  std::vector<Row> rows_;
  double y_ = 0, slowest_ = 0;
};

}  // namespace

void draw_ladder(Canvas& canvas, const Rect& area, const SpeedState& state) { LadderPicture(canvas, area, state).draw(); }

}  // namespace headroom
