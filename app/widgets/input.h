#pragma once

namespace headroom {

/// Keys that the program reacts to. The one place that knows how ImGui names them: up to 1.86 by GLFW's codes, since 1.87 by its own.
enum class Key {
  kNone,
  kA,
  kC,
  kE,
  kF,
  kG,
  kL,
  kM,
  kN,
  kO,
  kP,
  kQ,
  kS,
  kT,
  kV,
  kW,
  kX,
  kY,
  kZ,
  k0,
  k1,
  k2,
  k3,
  k4,
  k5,
  k6,
  k7,
  k8,
  kPlus,
  kMinus,
  kF1,
  kF11,
  kEscape,
  kEnter,
  kTab,
  kSpace,
  kLeft,
  kRight,
  kUp,
  kDown,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kBackspace,
  kDelete
};

/// Which modifiers a shortcut wants, exactly.
struct Modifiers {
  bool ctrl = false, shift = false;
  bool operator==(const Modifiers&) const = default;
};

struct KeyChord {
  Key key = Key::kNone;
  Modifiers modifiers;
  bool operator==(const KeyChord&) const = default;
};

enum class KeyRepeat { kOff, kOn };

/// Went down in this frame (or repeats while held), whatever the modifiers.
bool pressed(Key key, KeyRepeat repeat = KeyRepeat::kOff);
/// Went down in this frame with exactly these modifiers. Shift is not looked at for plus: where it is needed depends on the keyboard.
bool pressed(const KeyChord& chord, KeyRepeat repeat = KeyRepeat::kOff);
Modifiers modifiers_down();
/// "Ctrl+Shift+S", "←", "" for kNone: as menus and the cheat sheet write it.
const char* chord_text(const KeyChord& chord);

}  // namespace headroom
