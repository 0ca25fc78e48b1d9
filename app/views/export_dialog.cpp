#include <imgui.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "app/views/browser.h"
#include "app/views/dialog.h"
#include "app/widgets/controls.h"

namespace headroom {
namespace {

// The first ones in the order of StageView.
constexpr std::array<MenuChoice, 21> kViews{{
    {"export/view/heads", "heads", "Every layer × head."},
    {"export/view/head", "head", "The chosen head, large."},
    {"export/view/token", "token", "The chosen token's way."},
    {"export/view/train", "train", "The training run as it is looked at; .csv takes its series."},
    {"export/view/speed", "speed", "The Speed stage as measured; .csv takes its numbers."},
    {"export/view/card", "card", "The model card, or two of them side by side."},
    {"export/view/decode", "decode", "The Decode stage, token by token; .csv takes its steps."},
    {"export/view/cost", "cost", "The plan of the Cost stage, or two side by side; .csv takes its curves and figures."},
    {"export/view/cost-arithmetic", "cost-arithmetic", "Every figure of the plan with its formula and its numbers."},
    {"export/view/batch", "batch", "Requests that share a memory; .csv takes every step."},
    {"export/view/quality", "quality", "Loss over bytes of each cache; .csv takes every point."},
    {"export/view/ladder", "ladder", "The layer computed five ways."},
    {"export/view/roofline", "roofline", "Kernels under the machine's limits."},
    {"export/view/growth", "growth", "Time and memory over the number of tokens."},
    {"export/view/devices", "devices", "The layer on the CPU and on the GPU."},
    {"export/view/lens", "lens", "What each layer would say next at the chosen token."},
    {"export/view/write", "write", "What the model wrote, step by step with its alternatives."},
    {"export/view/row", "row", "The chosen token's row: its probability of every key."},
    {"export/view/kv", "kv", "The KV cache."},
    {"export/view/timing", "timing", "Stage times of the last pass."},
    {"export/view/window", "window", "The whole window as a picture; PNG only keeps it sharp."},
}};
constexpr std::array<MenuChoice, 3> kScales{{
    {"export/scale/1", "1×", "A pixel for each logical pixel."},
    {"export/scale/2", "2×", "Twice as fine: slides and screens."},
    {"export/scale/3", "3×", "Three times as fine: print."},
}};
constexpr std::array<MenuChoice, 2> kThemes{{
    {"export/theme/dark", "dark", "On a dark ground."},
    {"export/theme/light", "light", "On white: for paper."},
}};
constexpr int kMaxSide = 16384, kMinSide = 16;

void label(const Frame& frame, const char* text) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  draw_text(frame.look, *ImGui::GetWindowDrawList(), {at.x, at.y + frame.look.px(6)}, text, small_text(frame.look));
  ImGui::SetCursorScreenPos(ImVec2(at.x + frame.look.px(64), at.y));
}

void side(const Frame& frame, const char* name, const char* tip, int& value) {
  ImGui::SetNextItemWidth(frame.look.px(76));
  ImGui::PushID(name);
  ImGui::InputInt("##side", &value, 0, 0);
  ImGui::PopID();
  value = std::clamp(value, 1, kMaxSide);
  tooltip(frame.look, tip);
  record_last_item(name);
}

/// There is something that a .csv file would hold.
bool has_numbers(const Frame& frame) {
  const std::string_view view = kViews[static_cast<std::size_t>(frame.state.exporting.view)].label;
  if (view == "train") return frame.model.training.report() != nullptr;
  if (view == "decode") return frame.model.decode.decoded != nullptr;
  if (view == "batch") return frame.model.decode.batch != nullptr;
  if (view == "quality") return frame.model.decode.quality != nullptr;
  if (view == "cost" || view == "cost-arithmetic") return frame.model.costs.plan != nullptr;
  constexpr std::array<std::string_view, 5> views{"speed", "ladder", "roofline", "growth", "devices"};
  return frame.model.speed.report && std::find(views.begin(), views.end(), view) != views.end();
}

/// What the ending asks for; empty when it is none that this view can have.
const char* format_of(const Frame& frame, const std::filesystem::path& path) {
  const std::string ending = path.extension().string();
  if (ending == ".csv" && has_numbers(frame)) return "CSV: every number";
  if (ending == ".png") return "PNG: pixels";
  if (ending == ".svg") return "SVG: vectors";
  if (ending == ".pdf") return "PDF: vectors, one page";
  return "";
}

void start(const Frame& frame) {
  const StageView stage = frame.session.view.stage;
  ExportState& chosen = frame.state.exporting;
  chosen.view = static_cast<int>(stage);
  chosen.theme = static_cast<int>(frame.model.settings.theme);
  const std::filesystem::path folder = frame.model.session_path.empty() ? home_folder() : frame.model.session_path.parent_path();
  const bool is_csv = std::exchange(frame.state.exports_csv, false);
  if (is_csv) chosen.view = static_cast<int>(StageView::kSpeed);
  const std::string name(kViews[static_cast<std::size_t>(chosen.view)].label);
  start_browser(frame, folder / (name + (is_csv ? ".csv" : ".png")));
}

}  // namespace

void draw_export_dialog(const Frame& frame) {
  if (frame.state.opens_dialog) start(frame);
  if (!begin_dialog(frame, DialogKind::kExport, "Export a picture", 620)) return;
  const Look& look = frame.look;
  ExportState& chosen = frame.state.exporting;
  const float width = ImGui::GetContentRegionAvail().x;

  label(frame, "view");
  if (const auto view = dropdown(look, {.name = "export/view",
                                        .tooltip = "Which picture is written.",
                                        .value = kViews[static_cast<std::size_t>(chosen.view)].label,
                                        .choices = kViews,
                                        .selected = chosen.view,
                                        .width = width - look.px(64)})) {
    chosen.view = *view;
  }
  ImGui::SetCursorScreenPos(
      ImVec2(ImGui::GetWindowPos().x + ImGui::GetStyle().WindowPadding.x, ImGui::GetCursorScreenPos().y + look.px(4)));
  label(frame, "size");
  side(frame, "export/width", "Width in logical pixels, 16 to 16384.", chosen.width);
  ImGui::SameLine(0, look.px(6));
  ImGui::TextUnformatted("×");
  ImGui::SameLine(0, look.px(6));
  side(frame, "export/height", "Height in logical pixels, 16 to 16384.", chosen.height);
  ImGui::SameLine(0, look.px(14));
  if (const auto scale = segmented(look, kScales, chosen.scale - 1, look.px(132))) chosen.scale = *scale + 1;
  ImGui::SameLine(0, look.px(14));
  if (const auto picked = segmented(look, kThemes, chosen.theme, look.px(132))) chosen.theme = *picked;
  gap(look, 4);

  bool is_settled = draw_browser(
      frame, {.name = "export", .picks = BrowserSpec::Picks::kNewFile, .endings = ".png .svg .pdf .csv", .list_height = 160});
  const std::filesystem::path path = browsed_path(frame);
  const std::string format = format_of(frame, path);
  const bool is_too_large = std::max(chosen.width, chosen.height) * chosen.scale > kMaxSide;
  const bool is_too_small = std::min(chosen.width, chosen.height) < kMinSide;
  std::string note;
  if (format.empty()) {
    note = "End the name in .png, .svg or .pdf";
    note +=
        has_numbers(frame) ? ", or in .csv for the numbers: the ending decides the format." : ": the ending decides the format.";
  } else if (path.extension() == ".csv") {
    note = format + ", with its unit and the machine." +
           (is_listed(frame, path) ? " A file of this name is there; it will be replaced." : "");
  } else if (is_too_large) {
    note = "At most 16384 pixels a side: make the size or the scale smaller.";
  } else if (is_too_small) {
    note = "At least 16 pixels a side.";
  } else {
    note = format + ", " + std::to_string(chosen.width * chosen.scale) + " × " + std::to_string(chosen.height * chosen.scale) +
           " pixels." + (is_listed(frame, path) ? " A file of this name is there; it will be replaced." : "");
  }
  paragraph(look, note, small_text(look));
  const bool is_ready = !format.empty() && !is_too_large && !is_too_small && frame.snapshot != nullptr;
  gap(look, 6);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float confirm = button_width(look, "Export") + look.px(16), cancel = button_width(look, "Cancel");
  const float right = at.x + ImGui::GetContentRegionAvail().x;
  ImGui::SetCursorScreenPos(ImVec2(right - confirm - cancel - look.px(8), at.y));
  if (button(look, {.name = "dialog/cancel", .label = "Cancel", .tooltip = "Closes this dialog; nothing is written (Esc)."}))
    close_dialog(frame);
  ImGui::SetCursorScreenPos(ImVec2(right - confirm, at.y));
  is_settled |= button(look, {.name = "dialog/confirm",
                              .label = "Export",
                              .tooltip = "Writes the file whole, or not at all.",
                              .enabled = is_ready ? Enabled::kYes : Enabled::kNo,
                              .kind = Button::Kind::kPrimary,
                              .width = confirm});
  if (is_settled && is_ready) {
    frame.command(ExportFigure{.view = std::string(kViews[static_cast<std::size_t>(chosen.view)].label),
                               .path = path,
                               .width = chosen.width,
                               .height = chosen.height,
                               .scale = static_cast<double>(chosen.scale),
                               .theme = static_cast<ThemeName>(chosen.theme)});
    close_dialog(frame);
  }
  end_dialog();
}

}  // namespace headroom
