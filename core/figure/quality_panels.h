#pragma once

#include <optional>
#include <string>

#include "core/figure/log_plot.h"
#include "core/session/decode_requests.h"

namespace headroom {

/// Colour and shape of a curve, in the plot and in the table.
struct QualitySign {
  Color color;
  Marker marker = Marker::kDisc;
};
QualitySign quality_sign(const Theme& theme, QualityCurve curve);

/// Bytes of keys and values that are held at the end of a row, for each of its tokens.
double bytes_a_token(const QualityReport& report, const QualityPoint& point);
/// What a point says to the pointer.
std::string quality_tooltip(const QualityReport& report, const QualityPoint& point);
/// A click on a point takes its cache, or gives the model its number of K/V heads.
std::optional<Action> quality_click(const Session& session, const QualityPoint& point);

/// Loss over bytes, a curve for each thing that is changed, with the full cache as a line.
void draw_quality_plot(Canvas& canvas, const Rect& area, const Quality& quality);
/// Every point in numbers.
void draw_quality_table(Canvas& canvas, const Rect& area, const Quality& quality);
/// Width at which the table leaves no column out.
double quality_table_width(const Canvas& canvas, const Quality& quality);

}  // namespace headroom
