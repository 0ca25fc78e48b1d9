#include "app/window/export.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "app/window/backend_text.h"
#include "app/window/picture_file.h"
#include "app/window/window.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

Figure figure_of(const std::string& view, const FigureInput& input, const TimingHistory& timing) {
  if (view == "heads") return heads_figure(input);
  if (view == "head") return head_figure(input);
  if (view == "token") return token_figure(input);
  if (view == "kv") return kv_figure(input);
  return timing_figure(input, timing);
}

void check(const ExportRequest& request) {
  const std::vector<std::string>& views = export_views();
  if (std::find(views.begin(), views.end(), request.view) == views.end()) {
    throw Error("there is no view named " + request.view + "; it should be heads, head, token, kv, timing or window");
  }
  const auto is_side = [](double side) { return side >= 16 && side <= 16384; };
  if (!is_side(request.size.w) || !is_side(request.size.h)) throw Error("a picture's side must be 16 to 16384 logical pixels");
  if (!(request.scale >= 0.25) || !(request.scale <= 8)) throw Error("a picture's scale must be 0.25 to 8");
}

}  // namespace

const std::vector<std::string>& export_views() {
  static const std::vector<std::string> views{"heads", "head", "token", "kv", "timing", "window"};
  return views;
}

FigureFormat export_format(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (ending == ".png") return FigureFormat::kPng;
  if (ending == ".svg") return FigureFormat::kSvg;
  if (ending == ".pdf") return FigureFormat::kPdf;
  throw Error(path.string() + ": the name should end in .png, .svg or .pdf, which says what is written");
}

std::string export_view(const AppModel& model, const ExportRequest& request) {
  check(request);
  if (request.view == "window") {
    AppModel shown = model;
    shown.settings.theme = request.theme;
    return picture_file(render_window(shown, request.size, request.scale), request.format, request.scale);
  }
  const std::unique_ptr<TextMeasurer> measurer = make_cairo_measurer();
  const Theme& colors = theme(request.theme);
  const FigureInput input{.session = model.history.current(),
                          .snapshot = model.snapshot,
                          .size = request.size,
                          .theme = colors,
                          .measurer = *measurer,
                          .hovered_query = {},
                          .hovered_key = {}};
  return render_figure(figure_of(request.view, input, model.timing), colors, request.format, request.scale);
}

AppModel export_model(const Session& session, std::shared_ptr<const Snapshot> snapshot) {
  AppModel model;
  model.history = History(session);
  model.snapshot = std::move(snapshot);
  remember_timing(model);
  describe_backend(model);
  return model;
}

}  // namespace headroom
