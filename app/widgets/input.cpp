#include "app/widgets/input.h"

#include <imgui.h>

#include <array>
#include <map>
#include <string>
#include <utility>

namespace headroom {
namespace {

// A key may have a twin on the number pad.
struct Codes {
  int first = -1, second = -1;
};

#if IMGUI_VERSION_NUM >= 18700
constexpr Codes kLetters[] = {{ImGuiKey_A}, {ImGuiKey_C}, {ImGuiKey_E}, {ImGuiKey_F}, {ImGuiKey_G}, {ImGuiKey_L},
                              {ImGuiKey_M}, {ImGuiKey_N}, {ImGuiKey_O}, {ImGuiKey_P}, {ImGuiKey_Q}, {ImGuiKey_S},
                              {ImGuiKey_T}, {ImGuiKey_V}, {ImGuiKey_W}, {ImGuiKey_X}, {ImGuiKey_Y}, {ImGuiKey_Z}};
constexpr Codes kOthers[] = {{ImGuiKey_0, ImGuiKey_Keypad0},
                             {ImGuiKey_1, ImGuiKey_Keypad1},
                             {ImGuiKey_2, ImGuiKey_Keypad2},
                             {ImGuiKey_3, ImGuiKey_Keypad3},
                             {ImGuiKey_4, ImGuiKey_Keypad4},
                             {ImGuiKey_5, ImGuiKey_Keypad5},
                             {ImGuiKey_6, ImGuiKey_Keypad6},
                             {ImGuiKey_7, ImGuiKey_Keypad7},
                             {ImGuiKey_8, ImGuiKey_Keypad8},
                             {ImGuiKey_Equal, ImGuiKey_KeypadAdd},
                             {ImGuiKey_Minus, ImGuiKey_KeypadSubtract},
                             {ImGuiKey_F1},
                             {ImGuiKey_F11},
                             {ImGuiKey_Escape},
                             {ImGuiKey_Enter, ImGuiKey_KeypadEnter},
                             {ImGuiKey_Tab},
                             {ImGuiKey_Space},
                             {ImGuiKey_LeftArrow},
                             {ImGuiKey_RightArrow},
                             {ImGuiKey_UpArrow},
                             {ImGuiKey_DownArrow},
                             {ImGuiKey_PageUp},
                             {ImGuiKey_PageDown},
                             {ImGuiKey_Home},
                             {ImGuiKey_End},
                             {ImGuiKey_Backspace},
                             {ImGuiKey_Delete}};
#else
// GLFW's codes; letters and digits are their ASCII capitals.
constexpr Codes kLetters[] = {{'A'}, {'C'}, {'E'}, {'F'}, {'G'}, {'L'}, {'M'}, {'N'}, {'O'},
                              {'P'}, {'Q'}, {'S'}, {'T'}, {'V'}, {'W'}, {'X'}, {'Y'}, {'Z'}};
constexpr Codes kOthers[] = {{'0', 320}, {'1', 321}, {'2', 322}, {'3', 323}, {'4', 324}, {'5', 325}, {'6', 326},
                             {'7', 327}, {'8', 328}, {'=', 334}, {'-', 333}, {290},      {300},      {256},
                             {257, 335}, {258},      {' '},      {263},      {262},      {265},      {264},
                             {266},      {267},      {268},      {269},      {259},      {261}};
#endif

Codes codes(Key key) {
  const int index = static_cast<int>(key) - 1;
  if (index < 0) return {};
  constexpr int n_letters = static_cast<int>(std::size(kLetters));
  return index < n_letters ? kLetters[index] : kOthers[index - n_letters];
}

bool went_down(int code, KeyRepeat repeat) {
  if (code < 0) return false;
#if IMGUI_VERSION_NUM >= 18700
  return ImGui::IsKeyPressed(static_cast<ImGuiKey>(code), repeat == KeyRepeat::kOn);
#else
  return ImGui::IsKeyPressed(code, repeat == KeyRepeat::kOn);
#endif
}

constexpr std::array kNames{"",  "A", "C", "E", "F",       "G",         "L",    "M",   "N",         "O",     "P",   "Q",
                            "S", "T", "V", "W", "X",       "Y",         "Z",    "0",   "1",         "2",     "3",   "4",
                            "5", "6", "7", "8", "+",       "−",         "F1",   "F11", "Esc",       "Enter", "Tab", "Space",
                            "←", "→", "↑", "↓", "Page Up", "Page Down", "Home", "End", "Backspace", "Delete"};

}  // namespace

bool pressed(Key key, KeyRepeat repeat) {
  const Codes both = codes(key);
  return went_down(both.first, repeat) || went_down(both.second, repeat);
}

bool pressed(const KeyChord& chord, KeyRepeat repeat) {
  if (chord.key == Key::kNone) return false;
  const Modifiers down = modifiers_down();
  if (down.ctrl != chord.modifiers.ctrl || ImGui::GetIO().KeyAlt) return false;
  if (chord.key != Key::kPlus && down.shift != chord.modifiers.shift) return false;
  return pressed(chord.key, repeat);
}

Modifiers modifiers_down() {
  const ImGuiIO& io = ImGui::GetIO();
  return {.ctrl = io.KeyCtrl, .shift = io.KeyShift};
}

const char* chord_text(const KeyChord& chord) {
  // Few chords exist; each is spelled once and kept, so that menus build no strings while they are open.
  static std::map<std::pair<Key, int>, std::string> kept;
  const int modifiers = (chord.modifiers.ctrl ? 1 : 0) + (chord.modifiers.shift ? 2 : 0);
  std::string& text = kept[{chord.key, modifiers}];
  if (text.empty() && chord.key != Key::kNone) {
    if (chord.modifiers.ctrl) text += "Ctrl+";
    if (chord.modifiers.shift) text += "Shift+";
    text += kNames[static_cast<std::size_t>(chord.key)];
  }
  return text.c_str();
}

}  // namespace headroom
