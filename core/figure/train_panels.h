#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/figure/canvas.h"
#include "core/figure/train_axis.h"
#include "core/figure/train_curves.h"
#include "core/figure/train_figures.h"

namespace headroom {

/// Left and right of each picture, whatever its height: so that axes of tokens stand above each other.
inline constexpr double kTrainMargin = 12;

// The stage's parts, each drawn into its place.
void draw_train_loss(Canvas& canvas, const Rect& area, const TrainInput& train);
void draw_train_roles(Canvas& canvas, const Rect& area, const TrainInput& train);
void draw_train_timeline(Canvas& canvas, const Rect& area, const TrainInput& train);
void draw_train_heads(Canvas& canvas, const Rect& area, const TrainInput& train);
void draw_train_head(Canvas& canvas, const Rect& area, const TrainInput& train);

/// Alone in its picture a plot numbers its tokens itself; in the stage the time line below does it for all.
TokenLabels token_labels_for(const Canvas& canvas, const Rect& area);

/// How high the heads are in so much room, words and legend included.
double train_heads_height(Canvas& canvas, const Rect& area, const TrainInput& train);

/// What all parts ask of a run.
class TrainFacts {
 public:
  TrainFacts(const FigureInput& input, const TrainInput& train);

  bool has_run() const { return run_ != nullptr; }
  const RunReport& run() const { return *run_; }  ///< has_run() only
  HeadReports reports() const;
  /// The measurement at the shown time: the last one at or before it. Null: none yet.
  const HeadReport* shown() const;
  const HeadReport* compared() const;  ///< likewise at the compared time; null without one

  std::int64_t shown_tokens() const;  ///< of what is looked at: as the session asks, else where the run is
  std::optional<std::int64_t> compared_tokens() const;
  bool is_live() const;
  double tokens_end() const;  ///< right end of the axis of tokens, > 0: what is planned, or more when more was done

 private:
  const TrainView& view_;
  const RunReport* run_;  ///< null: nothing has run
};

/// The lines at the shown and the compared time, through a plot or a part of it.
void draw_train_cursors(Canvas& canvas, const TrainPlot& plot, const TrainFacts& facts);

/// Regions over a plot, one for each measurement: hovering one says what was measured then, a click looks at the nearest kept state, a
/// click with Ctrl compares with it. `what` begins their names: "loss at 180000".
struct TrainMoments {
  const char* what = "";
  std::function<std::string(const HeadReport&)> say;
};
void add_train_moments(Canvas& canvas, const TrainPlot& plot, const TrainFacts& facts, const TrainMoments& moments);

/// The nearest time that can be shown: a kept state, or the newest (unset: live).
std::optional<std::int64_t> nearest_kept(const RunReport& run, double tokens);

/// Words at the right end of curves, all apart. Where the curves end before the plot does and there is room, right of their end; else right of the
/// plot. Words of lines that cross the whole plot always stand right of it.
struct EndLabel {
  double y = 0;
  std::string text;
  Color color;
  std::optional<Marker> marker;
  enum class Line { kCurve, kAcross } line = Line::kCurve;
  std::string tooltip, name;  ///< of its region; empty: none
  std::optional<Action> click;
};
struct EndLabels {
  double end_x = 0;  ///< where the curves end
  std::vector<EndLabel> labels;
};
/// Returns the rectangles that the words take. Edge  No room at all right of the plot: nothing is drawn.
std::vector<Rect> draw_end_labels(Canvas& canvas, const TrainPlot& plot, const EndLabels& labels);

/// A promise over a greyed picture: what will appear here.
void draw_train_promise(Canvas& canvas, const Rect& area, const std::string& heading, const std::string& sentence);

std::string head_label(const HeadRef& head);  ///< "L1 H1"

}  // namespace headroom
