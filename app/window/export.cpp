#include "app/window/export.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "app/window/backend_text.h"
#include "app/window/picture_file.h"
#include "app/window/window.h"
#include "core/figure/card_figures.h"
#include "core/figure/cost_figures.h"
#include "core/figure/decode_csv.h"
#include "core/figure/decode_figures.h"
#include "core/figure/lens_figure.h"
#include "core/figure/written_figure.h"
#include "core/formats/ascii_case.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

Figure figure_of(const std::string& view, const FigureInput& input, const AppModel& model) {
  if (view == "heads") return heads_figure(input);
  if (view == "head") return head_figure(input);
  if (view == "row") return row_figure(input);
  if (view == "token") return token_figure(input);
  if (view == "kv") return kv_figure(input);
  if (view == "lens") return lens_figure(input, model.lens);
  if (view == "write") return written_figure(input);
  if (view == "card") return card_figure(input, model.cards);
  if (view == "decode") return decode_figure(input, model.decode);
  if (view == "cost") return cost_figure(input, model.costs);
  if (view == "cost-arithmetic") return cost_arithmetic_figure(input, model.costs);
  if (view == "batch") return batch_figure(input, model.decode);
  if (view == "quality") return quality_figure(input, model.decode);
  if (view == "train") return train_figure(input, model.training.input);
  if (view == "speed") return speed_figure(input, model.speed);
  if (view == "ladder") return ladder_figure(input, model.speed);
  if (view == "roofline") return roofline_figure(input, model.speed);
  if (view == "growth") return growth_figure(input, model.speed);
  if (view == "devices") return devices_figure(input, model.speed);
  return timing_figure(input, model.timing);
}

std::string ending_of(const std::filesystem::path& path) { return lower_ascii(path.extension().string()); }

void check(const ExportRequest& request) {
  const std::vector<std::string>& views = export_views();
  if (std::find(views.begin(), views.end(), request.view) == views.end()) {
    std::string names;
    for (const std::string& view : views)
      names += (names.empty() ? "" : view == views.back() ? " or " : ", ") + view;
    throw Error("there is no view named " + request.view + "; it should be " + names);
  }
  const auto is_side = [](double side) { return side >= 16 && side <= 16384; };
  if (!is_side(request.size.w) || !is_side(request.size.h)) throw Error("a picture's side must be 16 to 16384 logical pixels");
  if (!(request.scale >= 0.25) || !(request.scale <= 8)) throw Error("a picture's scale must be 0.25 to 8");
}

}  // namespace

const std::vector<std::string>& export_views() {
  static const std::vector<std::string> views{
      "heads",           "head", "row",   "token",  "train",    "speed",  "card",    "decode", "batch",  "quality", "cost",
      "cost-arithmetic", "lens", "write", "ladder", "roofline", "growth", "devices", "kv",     "timing", "window"};
  return views;
}

std::optional<SpeedSection> speed_section_of(const std::string& view) {
  if (view == "speed") return SpeedSection::kAll;
  if (view == "ladder") return SpeedSection::kLadder;
  if (view == "roofline") return SpeedSection::kRoofline;
  if (view == "growth") return SpeedSection::kGrowth;
  if (view == "devices") return SpeedSection::kDevices;
  return std::nullopt;
}

std::optional<DecodeSection> decode_section_of(const std::string& view) {
  if (view == "decode") return DecodeSection::kSteps;
  if (view == "batch") return DecodeSection::kBatch;
  if (view == "quality") return DecodeSection::kQuality;
  return std::nullopt;
}

bool is_cost_view(const std::string& view) { return view == "cost" || view == "cost-arithmetic"; }

bool is_csv(const std::filesystem::path& path) { return ending_of(path) == ".csv"; }

bool is_csv_view(const std::string& view) {
  return view == "train" || speed_section_of(view) || decode_section_of(view) || is_cost_view(view);
}

bool has_numbers(const AppModel& model, const std::string& view) {
  if (view == "train") return model.training.report() != nullptr;
  if (view == "decode") return model.decode.decoded != nullptr;
  if (view == "batch") return model.decode.batch != nullptr;
  if (view == "quality") return model.decode.quality != nullptr;
  if (is_cost_view(view)) return model.costs.plan != nullptr;
  return speed_section_of(view) && model.speed.report;
}

std::string export_csv(const AppModel& model, const std::string& view) {
  if (!is_csv_view(view)) throw Error("the view " + view + " has no numbers for a .csv file");
  if (!has_numbers(model, view)) throw Error("nothing has been found for the view " + view + " yet: a .csv file takes its numbers");
  if (view == "train") return train_csv(*model.training.report());
  if (view == "decode") return decode_csv(*model.decode.decoded, model.decode.growth.get());
  if (view == "batch") return batch_csv(*model.decode.batch);
  if (view == "quality") return quality_csv(*model.decode.quality);
  if (is_cost_view(view)) return cost_csv(model.costs);
  return to_csv(*model.speed.report);
}

FigureFormat export_format(const std::filesystem::path& path) {
  const std::string ending = ending_of(path);
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
  return render_figure(figure_of(request.view, input, model), colors, request.format, request.scale);
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
