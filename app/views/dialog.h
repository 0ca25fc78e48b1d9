#pragma once

#include "app/views/context.h"
#include "app/widgets/controls.h"

namespace headroom {

/// A modal dialog of the window: draws its frame and title, closes on Esc. True while its content is to be drawn; then end_dialog().
bool begin_dialog(const Frame& frame, DialogKind kind, const char* title, double width);
void end_dialog();
void close_dialog(const Frame& frame);
/// Cancel and the dialog's own button, right-aligned. True when that was pressed.
bool dialog_buttons(const Frame& frame, const Button& confirm);

// One file each.
void draw_export_dialog(const Frame& frame);
void draw_keys_dialog(const Frame& frame);
void draw_about_dialog(const Frame& frame);
void draw_text_dialog(const Frame& frame);
void draw_train_text_dialog(const Frame& frame);
void draw_train_folder_dialog(const Frame& frame);
void draw_train_plan_dialog(const Frame& frame);
void draw_closing_dialog(const Frame& frame);

}  // namespace headroom
