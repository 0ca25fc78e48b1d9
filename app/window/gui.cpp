#include <epoxy/gl.h>
// epoxy must come before anything that includes OpenGL's own header.
#include <backends/imgui_impl_opengl3.h>
#include <imgui.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "app/widgets/widget_map.h"
#include "app/window/gui.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Of a long text the letters further on join when they are drawn: those are few, and looking through all would hold up a frame.
constexpr std::size_t kGatheredBytes = 64u << 10, kGatheredTokens = 4096;

/// Characters that are not our own words: what the fonts must have.
std::string foreign_text(const AppModel& model) {
  std::string text = model.history.current().compute.text.str().substr(0, kGatheredBytes);
  if (model.snapshot) {
    for (std::size_t i = 0; i < std::min(model.snapshot->tokens.size(), kGatheredTokens); ++i)
      text += model.snapshot->tokens[i].text + model.snapshot->tokens[i].source;
    for (std::size_t i = 0; i < std::min(model.snapshot->unknown.size(), kGatheredTokens); ++i) {
      for (const std::string& suggestion : model.snapshot->unknown[i].suggestions)
        text += suggestion;
    }
  }
  text += model.failure + model.session_path.string();
  for (const Toast& toast : model.toasts)
    text += toast.text;
  for (const RecentFile& recent : model.recent)
    text += recent.path.string();
  return text;
}

}  // namespace

struct Gui::State {
  ImGuiContext* context = nullptr;
  ImGuiFonts fonts;
  UiScratch scratch;
  std::optional<ImGuiPainter> painter;
  bool has_device_objects = false;
  int max_texture = 0;

  std::optional<ThemeName> styled_theme;
  double styled_scale = 0;
  const Snapshot* text_snapshot = nullptr;  // as last looked at; only compared
  std::size_t text_toasts = 0, text_recent = 0;
  SharedText text_session;
  std::string text_failure;
  bool has_text = false;

  /// Gathering all text costs with its length, so only when something of it changed.
  bool has_new_text(const AppModel& model) {
    const SharedText& session_text = model.history.current().compute.text;
    if (has_text && model.snapshot.get() == text_snapshot && model.toasts.size() == text_toasts &&
        model.recent.size() == text_recent && session_text == text_session && model.failure == text_failure) {
      return false;
    }
    has_text = true;
    text_snapshot = model.snapshot.get();
    text_toasts = model.toasts.size();
    text_recent = model.recent.size();
    text_session = session_text;
    text_failure = model.failure;
    return true;
  }
};

Gui::Gui(std::function<void()> wake) : state_(std::make_unique<State>()) {
  IMGUI_CHECKVERSION();
  ImGuiContext* before = ImGui::GetCurrentContext();
  state_->context = ImGui::CreateContext();
  ImGui::SetCurrentContext(state_->context);
  ImGuiIO& io = ImGui::GetIO();
  io.IniFilename = nullptr;
  io.LogFilename = nullptr;
  // The views have keys of their own for everything; ImGui's navigation would take the arrows from them.
  io.ConfigFlags = ImGuiConfigFlags_None;
  if (!ImGui_ImplOpenGL3_Init("#version 330 core")) {
    ImGui::DestroyContext(state_->context);
    ImGui::SetCurrentContext(before);
    throw Error("OpenGL's functions could not be loaded; install the OpenGL library (Debian: libgl1)");
  }
  glGetIntegerv(GL_MAX_TEXTURE_SIZE, &state_->max_texture);
  state_->painter.emplace(std::move(wake));
}

Gui::~Gui() {
  ImGui::SetCurrentContext(state_->context);
  state_->painter.reset();
  ImGui_ImplOpenGL3_Shutdown();
  ImGui::DestroyContext(state_->context);
}

void Gui::activate() { ImGui::SetCurrentContext(state_->context); }

void Gui::prepare(const AppModel& model, double pixel_scale) {
  State& state = *state_;
  if (state.styled_theme != model.settings.theme || state.styled_scale != model.scale) {
    apply_style(theme(model.settings.theme), model.scale);
    state.styled_theme = model.settings.theme;
    state.styled_scale = model.scale;
  }
  ImGui::GetIO().FontGlobalScale = static_cast<float>(1 / pixel_scale);
  const std::string text = state.has_new_text(model) ? foreign_text(model) : std::string();
  const bool has_changed = state.fonts.update(model.scale * pixel_scale, text, state.max_texture);
#if IMGUI_VERSION_NUM < 19200
  if (has_changed && state.has_device_objects) {
    ImGui_ImplOpenGL3_DestroyFontsTexture();
    ImGui_ImplOpenGL3_CreateFontsTexture();
  }
#else
  static_cast<void>(has_changed);  // The renderer follows the atlas by itself.
#endif
}

FrameStats Gui::build(const AppModel& model, Outbox& outbox) {
  State& state = *state_;
  ImGui_ImplOpenGL3_NewFrame();
  state.has_device_objects = true;
  FrameStats stats;
  const double start = thread_cpu_ms();
  ImGui::NewFrame();
  widget_map::begin_frame();
  draw_frame(model, state.scratch, *state.painter, outbox);
  ImGui::Render();
  stats.cpu_ms = thread_cpu_ms() - start;
  widget_map::end_frame();
  if (state.fonts.has_missed()) outbox.redraw_after = 0;
  const ImGuiPainter::Counters counters = state.painter->take_counters();
  stats.tiles_drawn = counters.tiles_drawn;
  stats.tiles_evaluated = counters.tiles_evaluated;
  stats.bytes_uploaded = counters.bytes_uploaded;
  count_draw_data(*ImGui::GetDrawData(), stats);
  return stats;
}

void Gui::render(const AppModel& model, int width, int height, FrameStats& stats) {
  const double start = thread_cpu_ms();
  const Color background = theme(model.settings.theme).window;
  glViewport(0, 0, width, height);
  glDisable(GL_SCISSOR_TEST);
  glClearColor(static_cast<float>(background.r) / 255, static_cast<float>(background.g) / 255,
               static_cast<float>(background.b) / 255, 1);
  glClear(GL_COLOR_BUFFER_BIT);
  ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
  stats.driver_ms = thread_cpu_ms() - start;
}

bool Gui::is_waiting() const { return state_->painter->is_waiting(); }
void Gui::finish() { state_->painter->finish(); }

}  // namespace headroom
