#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/painters/cairo_painter.h"
#include "app/views/model.h"

namespace headroom {

/// What is exported, in the window's menu and on the command line alike.
struct ExportRequest {
  std::string view = "heads";  ///< one of export_views()
  FigureFormat format = FigureFormat::kPng;
  Size size{1600, 900};  ///< logical pixels, each side in [16, 16384]
  double scale = 1;      ///< PNG pixels to a logical pixel, in [0.25, 8]
  ThemeName theme = ThemeName::kDark;
};

/// heads, head, row, token, train, speed, card, decode, batch, quality, ladder, roofline, growth, devices, kv, timing, window, ...
const std::vector<std::string>& export_views();
/// The part of the Speed stage that a view shows; nothing for views that need no measuring.
std::optional<SpeedSection> speed_section_of(const std::string& view);
/// The section of the Decode stage that a view shows; nothing for other views.
std::optional<DecodeSection> decode_section_of(const std::string& view);
/// Whether a view is of the Cost stage.
bool is_cost_view(const std::string& view);
/// The path ends in .csv: the numbers of a view are written, not its picture.
bool is_csv(const std::filesystem::path& path);
/// Whether there are views of this name whose numbers a .csv file takes, and whether they have been found.
bool is_csv_view(const std::string& view);
bool has_numbers(const AppModel& model, const std::string& view);
/// The numbers of such a view. Errors  Error when nothing has been found yet.
std::string export_csv(const AppModel& model, const std::string& view);
/// By the path's ending: .png, .svg or .pdf. Errors  Error naming the three.
FigureFormat export_format(const std::filesystem::path& path);

/// The file's bytes: figures as vectors or pixels by Cairo; "window" is the whole window's picture (off-screen OpenGL), embedded whole in SVG
/// and PDF. Needs no display. The same bytes for the same model.
///
/// Threads  figures on any thread; "window" only on the thread that runs ImGui, where it leaves the current OpenGL context to be set again.
/// Errors   Error for an unknown view or a size out of range; when no off-screen OpenGL can be had.
std::string export_view(const AppModel& model, const ExportRequest& request);

/// What the window would show of this session and its snapshot: for commands.
AppModel export_model(const Session& session, std::shared_ptr<const Snapshot> snapshot);

}  // namespace headroom
