#include "app/views/browser.h"

#include <imgui.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

#include "app/widgets/controls.h"
#include "app/widgets/input.h"

namespace headroom {
namespace {

void set_path(BrowserState& browser, std::string text) {
  text.resize(std::min(text.size(), browser.path.size() - 1));
  std::fill(browser.path.begin(), browser.path.end(), '\0');
  std::copy(text.begin(), text.end(), browser.path.begin());
  browser.selected = -1;
}

/// The folder that the field speaks of: up to its last slash.
std::filesystem::path folder_of(const std::string& text) {
  const std::size_t slash = text.rfind('/');
  if (slash == std::string::npos) return std::filesystem::path(".");
  return slash == 0 ? std::filesystem::path("/") : std::filesystem::path(text.substr(0, slash));
}

std::string last_part(const std::string& text) {
  const std::size_t slash = text.rfind('/');
  return slash == std::string::npos ? text : text.substr(slash + 1);
}

std::string written_out(const char* field) {
  std::string text(field);
  if (text.starts_with("~/") || text == "~") text = home_folder().string() + text.substr(1);
  return text;
}

void follow_folder(const Frame& frame) {
  BrowserState& browser = frame.state.browser;
  const std::filesystem::path folder = folder_of(written_out(browser.path.data()));
  if (folder != browser.wanted) {
    browser.wanted = folder;
    frame.state.reader.request(folder);
  }
  if (auto listing = frame.state.reader.take()) {
    browser.folder = listing->folder;
    browser.entries = std::move(listing->entries);
    browser.problem = std::move(listing->problem);
    browser.selected = -1;
  }
  if (frame.state.reader.is_busy()) frame.wake_after(0.02);
}

bool has_ending(const std::string& name, std::string_view endings) {
  while (!endings.empty()) {
    const std::size_t space = endings.find(' ');
    const std::string_view ending = endings.substr(0, space);
    if (name.ends_with(ending)) return true;
    endings = space == std::string_view::npos ? std::string_view{} : endings.substr(space + 1);
  }
  return false;
}

/// Indices of the entries that fit the field and the wanted files.
std::vector<int> shown_entries(const BrowserState& browser, const BrowserSpec& spec) {
  std::vector<int> shown;
  const std::string typed = last_part(browser.path.data());
  const bool has_exact =
      std::any_of(browser.entries.begin(), browser.entries.end(), [&](const DirectoryEntry& entry) { return entry.name == typed; });
  // A new file's name filters nothing: one looks at what is there while choosing it.
  const bool filters = spec.picks == BrowserSpec::Picks::kExisting && !has_exact;
  for (std::size_t i = 0; i < browser.entries.size(); ++i) {
    const DirectoryEntry& entry = browser.entries[i];
    if (!entry.is_folder && !has_ending(entry.name, spec.endings)) continue;
    if (filters && !entry.name.starts_with(typed)) continue;
    shown.push_back(static_cast<int>(i));
  }
  return shown;
}

/// Tab writes the rest of the only (or common) name that begins as typed.
int complete(ImGuiInputTextCallbackData* data) {
  const auto& browser = *static_cast<const BrowserState*>(data->UserData);
  const std::string typed = last_part(std::string(data->Buf, static_cast<std::size_t>(data->BufTextLen)));
  std::string common;
  int n_matches = 0;
  bool is_folder = false;
  for (const DirectoryEntry& entry : browser.entries) {
    if (!entry.name.starts_with(typed)) continue;
    if (n_matches++ == 0) {
      common = entry.name;
      is_folder = entry.is_folder;
    } else {
      const auto differs = std::mismatch(common.begin(), common.end(), entry.name.begin(), entry.name.end());
      common.erase(differs.first, common.end());
    }
  }
  if (n_matches == 0) return 0;
  std::string rest = common.substr(std::min(typed.size(), common.size()));
  if (n_matches == 1 && is_folder) rest += '/';
  data->InsertChars(data->BufTextLen, rest.c_str());
  return 0;
}

/// A folder without a model is entered; all else is what one came for.
bool take_entry(BrowserState& browser, const DirectoryEntry& entry, const BrowserSpec& spec) {
  const std::string base = browser.folder == "/" ? "/" : browser.folder.string() + "/";
  const bool is_entered = entry.is_folder && (!entry.is_model || spec.picks == BrowserSpec::Picks::kNewFile);
  set_path(browser, base + entry.name + (is_entered ? "/" : ""));
  return !is_entered;
}

void draw_places(const Frame& frame) {
  BrowserState& browser = frame.state.browser;
  const auto place = [&](const char* name, const char* label, const char* tip, const std::filesystem::path& folder) {
    if (button(frame.look, {.name = name, .label = label, .tooltip = tip})) set_path(browser, folder.string() + "/");
    ImGui::SameLine(0, frame.look.px(6));
  };
  if (button(frame.look, {.name = "dialog/up", .label = "↑ Up", .tooltip = "The folder around this one."})) {
    const std::filesystem::path folder = folder_of(written_out(browser.path.data()));
    set_path(browser, folder.parent_path().string() == "/" ? "/" : folder.parent_path().string() + "/");
  }
  ImGui::SameLine(0, frame.look.px(6));
  place("dialog/home", "Home", "Your home folder.", home_folder());
  std::error_code ignored;
  const std::filesystem::path here = std::filesystem::current_path(ignored);
  if (!ignored) place("dialog/current", "Current folder", "Where the program was started.", here);
  if (!frame.model.session_path.empty()) {
    place("dialog/session", "Session", "The folder of the session that is open.",
          std::filesystem::absolute(frame.model.session_path, ignored).parent_path());
  }
  if (frame.session.compute.model_source != ModelSource::kBundled) {
    place("dialog/models", "Models", "The folder around the model that is open.",
          std::filesystem::path(frame.session.compute.model).parent_path());
  }
  ImGui::NewLine();
}

bool draw_entries(const Frame& frame, const BrowserSpec& spec, const std::vector<int>& shown) {
  BrowserState& browser = frame.state.browser;
  bool is_settled = false;
#if IMGUI_VERSION_NUM >= 19000
  ImGui::BeginChild("##entries", ImVec2(0, frame.look.px(spec.list_height)), static_cast<ImGuiChildFlags>(1));
#else
  ImGui::BeginChild("##entries", ImVec2(0, frame.look.px(spec.list_height)), true);
#endif
  if (!browser.problem.empty()) paragraph(frame.look, imgui_drawable(browser.problem, FontFace::kSans), small_text(frame.look));
  if (shown.empty() && browser.problem.empty()) {
    paragraph(frame.look, frame.state.reader.is_busy() ? "Reading…" : "Nothing here that fits.", small_text(frame.look));
  }
  ImGuiListClipper clipper;
  clipper.Begin(static_cast<int>(shown.size()));
  while (clipper.Step()) {
    for (int row = clipper.DisplayStart; row < clipper.DisplayEnd; ++row) {
      const int index = shown[static_cast<std::size_t>(row)];
      const DirectoryEntry& entry = browser.entries[static_cast<std::size_t>(index)];
      ImGui::PushID(index);
      const std::string label = imgui_drawable(entry.name, FontFace::kSans) + (entry.is_model    ? "   · model"
                                                                               : entry.is_folder ? "/"
                                                                                                 : "");
      if (ImGui::Selectable(label.c_str(), index == browser.selected,
                            ImGuiSelectableFlags_AllowDoubleClick | ImGuiSelectableFlags_DontClosePopups)) {
        const bool is_double = ImGui::IsMouseDoubleClicked(ImGuiMouseButton_Left);
        const DirectoryEntry chosen = entry;
        if (is_double) {
          is_settled = take_entry(browser, chosen, spec);
        } else if (!chosen.is_folder || chosen.is_model) {
          take_entry(browser, chosen, spec);
        }
        browser.selected = index;
      }
      record_last_item("dialog/entry " + entry.name);
      ImGui::PopID();
    }
  }
  clipper.End();
  ImGui::EndChild();
  return is_settled;
}

}  // namespace

std::filesystem::path home_folder() {
  const char* home = std::getenv("HOME");
  return home != nullptr && *home != '\0' ? std::filesystem::path(home) : std::filesystem::path("/");
}

void start_browser(const Frame& frame, const std::filesystem::path& path) {
  BrowserState& browser = frame.state.browser;
  set_path(browser, path.string());
  browser.entries.clear();
  browser.problem.clear();
  browser.wanted.clear();
  browser.focuses_path = true;
}

std::filesystem::path browsed_path(const Frame& frame) { return written_out(frame.state.browser.path.data()); }

bool is_listed(const Frame& frame, const std::filesystem::path& path) {
  const BrowserState& browser = frame.state.browser;
  const std::string name = path.filename().string();
  return browser.folder == folder_of(path.string()) && std::any_of(browser.entries.begin(), browser.entries.end(),
                                                                   [&](const DirectoryEntry& entry) { return entry.name == name; });
}

bool draw_browser(const Frame& frame, const BrowserSpec& spec) {
  BrowserState& browser = frame.state.browser;
  follow_folder(frame);
  draw_places(frame);
  gap(frame.look, 2);
  ImGui::SetNextItemWidth(-1);
  if (browser.focuses_path) ImGui::SetKeyboardFocusHere();
  browser.focuses_path = false;
  bool is_settled =
      ImGui::InputText("##path", browser.path.data(), browser.path.size(),
                       ImGuiInputTextFlags_EnterReturnsTrue | ImGuiInputTextFlags_CallbackCompletion, complete, &browser);
  tooltip(frame.look, "The path; Tab completes a name, ↑ and ↓ choose one below, Enter takes it.");
  record_last_item(std::string(spec.name) + "/path");

  const std::vector<int> shown = shown_entries(browser, spec);
  const int step = (pressed(Key::kDown, KeyRepeat::kOn) ? 1 : 0) - (pressed(Key::kUp, KeyRepeat::kOn) ? 1 : 0);
  if (step != 0 && !shown.empty()) {
    const auto found = std::find(shown.begin(), shown.end(), browser.selected);
    const auto at = found == shown.end() ? (step > 0 ? -1 : static_cast<std::ptrdiff_t>(shown.size())) : found - shown.begin();
    browser.selected =
        shown[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(at + step, 0, static_cast<std::ptrdiff_t>(shown.size()) - 1))];
  }
  if (is_settled) {
    // Enter: a chosen entry first, else what was typed; a typed folder is entered.
    if (browser.selected >= 0 && static_cast<std::size_t>(browser.selected) < browser.entries.size()) {
      const DirectoryEntry chosen = browser.entries[static_cast<std::size_t>(browser.selected)];
      is_settled = take_entry(browser, chosen, spec);
    } else {
      const std::string typed = last_part(browser.path.data());
      const auto entry =
          std::find_if(browser.entries.begin(), browser.entries.end(), [&](const DirectoryEntry& e) { return e.name == typed; });
      if (typed.empty()) {
        is_settled = false;
      } else if (entry != browser.entries.end() && entry->is_folder) {
        const DirectoryEntry chosen = *entry;
        is_settled = take_entry(browser, chosen, spec);
      }
    }
    if (!is_settled) browser.focuses_path = true;
  }
  gap(frame.look, 2);
  if (draw_entries(frame, spec, shown)) is_settled = true;
  return is_settled;
}

}  // namespace headroom
