#pragma once

#include <deque>
#include <variant>

struct GLFWwindow;

namespace headroom {

/// Keys and characters in the order in which they came, fed to ImGui so that none is lost: up to 1.86 ImGui looks once a frame whether a key
/// is down, so a press and its release within one slow frame would go unseen, and a letter typed before Backspace would come after it.
/// Later versions keep such a queue themselves.
class InputQueue {
 public:
  void push_key(int key, int scancode, int action, int mods);
  void push_character(unsigned int character);
  /// Gives ImGui what may share a frame. Returns whether something is left for the next one.
  bool feed(GLFWwindow* window);

 private:
  struct KeyEvent {
    int key = 0, scancode = 0, action = 0, mods = 0;
  };
  struct Character {
    unsigned int value = 0;
  };
  std::deque<std::variant<KeyEvent, Character>> events_;
};

}  // namespace headroom
