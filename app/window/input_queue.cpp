#include "app/window/input_queue.h"

#include <backends/imgui_impl_glfw.h>
#include <imgui.h>

#define GLFW_INCLUDE_NONE
#include <GLFW/glfw3.h>

#include <set>

namespace headroom {

void InputQueue::push_key(int key, int scancode, int action, int mods) { events_.push_back(KeyEvent{key, scancode, action, mods}); }
void InputQueue::push_character(unsigned int character) { events_.push_back(Character{character}); }

bool InputQueue::feed(GLFWwindow* window) {
#if IMGUI_VERSION_NUM < 18700
  constexpr bool kIsTrickled = true;
#else
  constexpr bool kIsTrickled = false;
#endif
  std::set<int> moved_keys;
  bool has_characters = false, has_presses = false;
  while (!events_.empty()) {
    if (const auto* key = std::get_if<KeyEvent>(&events_.front())) {
      // A letter's own press comes before its character and is no command, so presses may precede characters but not follow them.
      const bool follows_text = has_characters && key->action != GLFW_RELEASE;
      // A quick Ctrl+O lets go of Ctrl before the frame that would have seen both: a release waits for the next one.
      const bool lets_go = has_presses && key->action == GLFW_RELEASE;
      if (kIsTrickled && (moved_keys.contains(key->key) || follows_text || lets_go)) return true;
      moved_keys.insert(key->key);
      has_presses |= key->action != GLFW_RELEASE;
      ImGui_ImplGlfw_KeyCallback(window, key->key, key->scancode, key->action, key->mods);
    } else {
      const unsigned int value = std::get<Character>(events_.front()).value;
      ImGui_ImplGlfw_CharCallback(window, value);
      has_characters = true;
    }
    events_.pop_front();
  }
  return false;
}

}  // namespace headroom
