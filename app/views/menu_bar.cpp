#include <imgui.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <string>

#include "app/views/commands.h"
#include "app/widgets/controls.h"
#include "core/session/model_text.h"
#include "core/session/train_text.h"

namespace headroom {
namespace {

void menu_item(const Frame& frame, const char* id) {
  const CommandInfo* command = find_command(id);
  if (command == nullptr) return;
  const std::string label = command->live_label != nullptr ? command->live_label(frame) : std::string(command->label);
  const bool is_checked = command->is_checked != nullptr && command->is_checked(frame);
  ImGui::PushID(id);
  if (ImGui::MenuItem(label.c_str(), chord_text(command->keys), is_checked, command->enabled(frame))) command->run(frame);
  ImGui::PopID();
  tooltip(frame.look, command->help);
  record_last_item(std::string("menu/") + id);
}

/// Ids in order; nullptr draws a line.
void menu_items(const Frame& frame, std::initializer_list<const char*> ids) {
  for (const char* id : ids) {
    if (id == nullptr) {
      ImGui::Separator();
    } else {
      menu_item(frame, id);
    }
  }
}

bool begin_menu(const char* label) {
  const bool is_open = ImGui::BeginMenu(label);
  if (!is_open) record_last_item(std::string("menu/") + label);
  return is_open;
}

void recent_menu(const Frame& frame) {
  if (!ImGui::BeginMenu("Open recent", !frame.model.recent.empty())) return;
  int index = 0;
  for (const RecentFile& file : frame.model.recent) {
    ImGui::PushID(index++);
    const std::string shown = imgui_drawable(file.path.string(), FontFace::kSans);
    if (ImGui::MenuItem(shown.c_str(), file.exists ? "" : "missing: forget", false)) {
      if (file.exists) {
        frame.command(OpenPath{file.path});
      } else {
        frame.command(ForgetRecent{file.path});
      }
    }
    ImGui::PopID();
  }
  ImGui::EndMenu();
}

void file_menu(const Frame& frame) {
  if (!begin_menu("File")) return;
  menu_items(frame, {"file/new", "file/open"});
  recent_menu(frame);
  menu_items(frame, {"file/reopen", nullptr, "file/save", "file/save_as", "file/export", "speed/csv", nullptr, "file/quit"});
  ImGui::EndMenu();
}

void edit_menu(const Frame& frame) {
  if (!begin_menu("Edit")) return;
  menu_items(frame, {"edit/undo", "edit/redo", nullptr, "edit/reset_shape", "edit/clear_pruning", "edit/prune", "edit/direction",
                     nullptr, "edit/find", "edit/text", "edit/copy_sentence"});
  ImGui::EndMenu();
}

void view_menu(const Frame& frame) {
  if (!begin_menu("View")) return;
  menu_items(frame, {"view/heads", "view/head", "view/token", "view/train", "view/speed", "view/card", "view/decode", "view/cost", "speed/measure", nullptr,
                     "view/log", "view/first_token", "view/scores", "view/arcs"});
  if (ImGui::BeginMenu("Colour map")) {
    for (const ColorMapName map : {ColorMapName::kViridis, ColorMapName::kMagma, ColorMapName::kCividis, ColorMapName::kGrey}) {
      if (ImGui::MenuItem(colormap_name(map), "", frame.session.view.colormap == map)) frame.send(ColorMapSet{map});
      record_last_item(std::string("menu/colormap/") + colormap_name(map));
    }
    ImGui::EndMenu();
  }
  if (ImGui::BeginMenu("Colour scale")) {
    constexpr std::array<const char*, 3> names{"linear", "logarithmic", "per row"};
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto scale = static_cast<ColorScale>(i);
      if (ImGui::MenuItem(names[i], "", frame.session.view.scale == scale)) frame.send(ColorScaleSet{scale});
    }
    ImGui::EndMenu();
  }
  menu_items(frame, {"view/fit", nullptr, "view/theme", "view/presenter", nullptr, "view/larger", "view/smaller", "view/size"});
  ImGui::EndMenu();
}

void model_menu(const Frame& frame) {
  if (!begin_menu("Model")) return;
  for (const BundledModel& model : frame.model.bundled) {
    const Compute& compute = frame.session.compute;
    const bool is_open = compute.model_source == ModelSource::kBundled && compute.model == model.name;
    if (ImGui::MenuItem(model.name.c_str(), "", is_open) && !is_open) {
      frame.send(ModelOpened{ModelSource::kBundled, model.name, model.shape});
    }
    record_last_item("menu/model/" + model.name);
    tooltip(frame.look, model_sentence(model.shape));
  }
  ImGui::Separator();
  menu_items(frame, {"model/open", nullptr, "model/lab", nullptr, "train/play", "train/stop", "train/reset", nullptr, "train/heal",
                     "train/use", "train/copy_command", "train/save_plan", nullptr, "decode/start", "decode/stop"});
  ImGui::EndMenu();
}

void help_menu(const Frame& frame) {
  if (!begin_menu("Help")) return;
  menu_items(frame, {"help/keys", "help/about"});
  ImGui::EndMenu();
}

/// A status chip, its right edge at `right`. Returns its left edge.
float status_chip(const Frame& frame, const char* name, const std::string& text, const std::string& tip, float right) {
  if (text.empty()) return right;
  const float width = chip_width(frame.look, text, FontFace::kSans) + frame.look.px(10);
  const float height = frame.look.px(22);
  const ImVec2 before = ImGui::GetCursorScreenPos();
  ImGui::SetCursorScreenPos(ImVec2(right - width, frame.look.px(7)));
  const ItemState state = item(frame.look, {.name = name, .w = width, .h = height, .tooltip = tip, .focusable = Focusable::kNo});
  ImDrawList& list = *ImGui::GetWindowDrawList();
  stroke_rect(list, state.rect, frame.theme.border, height / 2);
  TextStyle style = small_text(frame.look);
  const TextExtent extent = text_extent(frame.look, text, style);
  draw_text(frame.look, list, {state.rect.x + (width - extent.w) / 2, state.rect.y + (height - extent.h) / 2}, text, style);
  ImGui::SetCursorScreenPos(before);
  return right - width - frame.look.px(10);
}

std::string time_text(const Frame& frame) {
  if (frame.snapshot == nullptr) return {};
  const PassTiming& timing = frame.snapshot->ran_on_gpu && frame.snapshot->gpu ? *frame.snapshot->gpu : frame.snapshot->cpu;
  if (!(timing.total_ms > 0)) return {};  // nothing was timed: no chip
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), timing.total_ms < 10 ? "%.2f ms · measured" : "%.0f ms · measured", timing.total_ms);
  return text.data();
}

/// The chips while something trains, or while its stage is shown; empty otherwise.
struct TrainStatus {
  std::string doing, doing_tip, speed, speed_tip;
};
TrainStatus train_status(const Frame& frame) {
  const TrainingState& training = frame.model.training;
  const RunReport* report = training.report();
  if (report == nullptr || (!training.is_running() && frame.session.view.stage != StageView::kTrain)) return {};
  const std::string phase = report->phase == RunPhase::kRunning ? "training" : std::string(run_phase_name(report->phase));
  TrainStatus status;
  status.doing = phase + " · CPU · " + std::to_string(report->n_threads) + (report->n_threads == 1 ? " thread" : " threads");
  status.doing_tip = "Training\nForward, backward and AdamW run on the processor's threads; the window never waits for them.";
  if (report->tokens_per_second > 0)
    status.speed = short_tokens(static_cast<std::int64_t>(report->tokens_per_second)) + " tokens/s · measured";
  status.speed_tip = "Training speed\nTokens of the last seconds' steps by their time, measured on this machine.";
  return status;
}

}  // namespace

void draw_breadcrumb(const Frame& frame, float left, float right);

void draw_menu_bar(const Frame& frame) {
  if (!ImGui::BeginMenuBar()) return;
  const Look& look = frame.look;
  ImGui::SetCursorPosX(look.px(12));
  {
    const FontScope medium(FontFace::kSansMedium, kTextSize);
    ImGui::TextUnformatted("Headroom");
  }
  ImGui::SameLine(0, look.px(10));
  ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, ImVec2(look.px(20), look.px(7)));
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, ImVec2(look.px(10), look.px(9)));
  file_menu(frame);
  edit_menu(frame);
  view_menu(frame);
  model_menu(frame);
  help_menu(frame);
  ImGui::PopStyleVar(2);
  const float menus_end = ImGui::GetCursorScreenPos().x;

  const float width = ImGui::GetIO().DisplaySize.x;
  float right = width - look.px(12);
  const std::string engine_tip =
      "Time of the last pass\nWall time of one whole forward pass over this sentence, measured on this machine. The strip below "
      "splits it by stage.";
  const TrainStatus train = train_status(frame);
  const bool is_of_training = !train.doing.empty();
  right = is_of_training ? status_chip(frame, "status/time", train.speed, train.speed_tip, right)
                         : status_chip(frame, "status/time", time_text(frame), engine_tip, right);
  if (width > look.px(1100) || frame.model.settings.is_presenter) {
    right = status_chip(frame, "status/backend", is_of_training ? train.doing : frame.model.backend_text,
                        is_of_training ? train.doing_tip
                                       : "What computes\n" + (frame.model.backend_reason.empty() ? frame.model.backend_text
                                                                                                 : frame.model.backend_reason),
                        right);
  }
  draw_breadcrumb(frame, std::max(menus_end + look.px(8), look.px(frame.model.settings.rail_width + 140)), right);
  const float hair = std::max(1.0f, std::floor(look.scale));
  fill_rect(*ImGui::GetWindowDrawList(), {0, look.px(37) - hair, width, hair}, frame.theme.border);
  ImGui::EndMenuBar();
}

}  // namespace headroom
