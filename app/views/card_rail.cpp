#include <imgui.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "app/views/card.h"
#include "app/views/commands.h"
#include "app/views/context.h"
#include "app/views/dialog.h"
#include "app/views/flow.h"
#include "app/views/kv_choices.h"
#include "app/widgets/controls.h"
#include "core/cost/thousands.h"
#include "core/figure/number_text.h"
#include "core/formats/ascii_case.h"

namespace headroom {
namespace {

constexpr std::array<std::int64_t, 16> kContexts{0,     128,   256,   512,    1024,   2048,   4096,    8192,
                                                 16384, 32768, 65536, 131072, 262144, 524288, 1048576, 10000000};

/// A pasted text must look like one before it becomes part of the session.
void paste_config(const Frame& frame) {
  const char* clipboard = ImGui::GetClipboardText();
  std::string_view text = clipboard == nullptr ? "" : clipboard;
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  text = begin == std::string_view::npos ? "" : text.substr(begin);
  if (!text.starts_with('{')) {
    frame.command(ShowNotice{"The clipboard holds no config.json: copy its text first, from “{” to “}”"});
  } else if (text.size() > kMaxPastedConfig) {
    frame.command(ShowNotice{"The clipboard holds " + count_text(static_cast<std::int64_t>(text.size())) +
                             " bytes, more than any configuration: at most " + count_text(kMaxPastedConfig) + " are taken"});
  } else {
    frame.send(CardChosen{std::string(text), frame.session.view.card_beside});
  }
}

void sources(const Frame& frame) {
  const Look& look = frame.look;
  const View& view = frame.session.view;
  heading(look, "CARD");
  Flow flow(look, 6, 30);
  const auto place = [&](const Button& spec) {
    flow.place(button_width(look, spec.label));
    return button(look, spec);
  };
  if (place({.name = "card/open_model",
             .label = "Open model",
             .tooltip = "The model that is open\nIts configuration and its tensors as they lie in its folder.",
             .enabled = view.card.empty() ? Enabled::kNo : Enabled::kYes}))
    frame.send(CardChosen{"", view.card_beside});
  if (place({.name = "card/open",
             .label = "Open file…",
             .tooltip = "Open a config.json, a model folder or a *.safetensors file\nOf any family: what cannot be run is still "
                        "shown. Files can also be dropped on the window (Ctrl+O)."}))
    open_dialog(frame, DialogKind::kOpen);
  if (place({.name = "card/paste",
             .label = "Paste config.json",
             .tooltip = "Takes the text of a config.json from the clipboard\nAny family; nothing is fetched or run."}))
    paste_config(frame);
  flow.end();
}

/// Always two lines high, so that the library below stands still.
void compared(const Frame& frame) {
  const View& view = frame.session.view;
  gap(frame.look, 6);
  if (view.card_beside.empty()) {
    paragraph(frame.look, "One card is shown.", small_text(frame.look));
    paragraph(frame.look, "Ctrl+click another to compare.", small_text(frame.look));
    return;
  }
  const ShownCard* beside = frame.model.cards.beside.get();
  const std::string name = beside == nullptr ? "another card" : beside->card.name;
  paragraph(frame.look, imgui_drawable(name.size() > 28 ? "Compared with another" : "Compared with " + name, FontFace::kSans),
            small_text(frame.look));
  if (link(frame.look, "card/stop_comparing", "Stop comparing", "Back to one card.")) frame.send(CardChosen{view.card, ""});
}

/// One card of the library: its name and size.
void library_row(const Frame& frame, const LibraryCard& item, std::optional<std::int64_t> total) {
  const Look& look = frame.look;
  const View& view = frame.session.view;
  const std::string from = kLibraryPrefix + item.id;
  const bool is_shown = view.card == from, is_beside = view.card_beside == from;
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float width = ImGui::GetContentRegionAvail().x, height = look.px(22);
  const std::string name = "card/library/" + item.id;
  const CardStack& stack = item.card.main_stack();
  const std::string tip = item.card.name + "\n" + sharing_text(stack) + "\n" + item.card.source +
                          "\nClick shows it; Ctrl+click compares it with the one that is shown.";
  const ItemState state = headroom::item(look, {.name = name, .w = width, .h = height, .tooltip = tip});
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const Rect row{at.x - look.px(6), at.y, width + look.px(12), height};
  if (is_shown || is_beside) {
    fill_rect(list, row, frame.theme.raised, look.px(3));
    fill_rect(list, {row.x, row.y, look.px(2), row.h}, is_shown ? frame.theme.accent : frame.theme.text_dim);
  } else if (state.is_hovered) {
    fill_rect(list, row, frame.theme.raised, look.px(3));
  }
  TextStyle style = body_text(look), size = small_text(look);
  if (is_shown) style.face = FontFace::kSansMedium;
  const std::string count = !total                 ? ""
                            : *total >= 1000000000 ? fixed(static_cast<double>(*total) / 1e9, *total < 9995000000 ? 1 : 0) + " B"
                                                   : count_text((*total + 500000) / 1000000) + " M";
  const TextExtent extent = text_extent(look, count, size), text = text_extent(look, "Ag", style);
  draw_text_fitted(look, list, {at.x, at.y + (height - text.h) / 2}, item.card.name, style, width - extent.w - look.px(8));
  draw_text(look, list, {at.x + width - extent.w, at.y + (height - extent.h) / 2}, count, size);
  if (!state.is_clicked) return;
  if (ImGui::GetIO().KeyCtrl) {
    frame.send(CardChosen{view.card, is_beside ? "" : from});
  } else {
    frame.send(CardChosen{from, view.card_beside});
  }
}

void library(const Frame& frame) {
  const Look& look = frame.look;
  heading(look, "LIBRARY");
  CardScratch& scratch = frame.state.card;
  {
    const FontScope font(FontFace::kSans, kTextSize);
    ImGui::SetNextItemWidth(ImGui::GetContentRegionAvail().x);
    ImGui::InputTextWithHint("##card search", "Search: llama, 70B, T5…", scratch.search.data(), scratch.search.size());
    record_last_item("card/search");
    tooltip(look, "Search the library\nNames and families that hold these letters.");
  }
  gap(look, 6);
  const CardState& cards = frame.model.cards;
  if (!cards.library_problem.empty()) paragraph(look, imgui_drawable(cards.library_problem, FontFace::kSans), small_text(look));
  if (!cards.library) {
    paragraph(look, "Reading the library…", small_text(look));
    return;
  }
  const std::string wanted = lower_ascii(scratch.search.data());
  std::string family;
  bool has_any = false;
  for (const LibraryCard& item : *cards.library) {
    if (!wanted.empty() && lower_ascii(item.card.name + " " + item.id + " " + item.card.family).find(wanted) == std::string::npos)
      continue;
    if (item.card.family != family) {
      if (has_any) gap(look, 6);
      family = item.card.family;
    }
    has_any = true;
    library_row(frame, item, count_parameters(item.card).total);
  }
  if (!has_any && cards.library_problem.empty())
    paragraph(look, "No card of the library is named so. Any config.json can be opened, dropped or pasted.", small_text(look));
}

void computed_for(const Frame& frame) {
  const Look& look = frame.look;
  const View& view = frame.session.view;
  heading(look, "COMPUTED FOR");
  const ShownCard* shown = frame.model.cards.shown.get();
  const std::string text = view.kv_context > 0                     ? grouped_digits(view.kv_context)
                           : shown != nullptr && shown->has_config ? "own: " + grouped_digits(card_context(view, shown->card))
                                                                   : "own";
  if (const auto context =
          value_slider(look, {.name = "card/context",
                              .label = "context",
                              .tooltip = "Tokens of the text\nThat one pass reads, and that the KV cache holds. At the left end: "
                                         "the longest text that the model was made for. Any number can be typed (double-click).",
                              .values = kContexts,
                              .value = view.kv_context,
                              .shown = text,
                              .label_width = 58,
                              .value_width = 92}))
    frame.send(KvContextSet{*context}, "kv context");
  gap(look, 4);
  constexpr std::array<MenuChoice, 4> types{{
      {"card/kv/float32", "float32", "The cache in 4 bytes a number."},
      {"card/kv/float16", "16 bits", "The cache in 2 bytes a number: float16 or bfloat16, as most servers keep it."},
      {"card/kv/int8", "int8", "The cache in 1 byte a number, and one scale of 4 bytes for each row of each head."},
      {"card/kv/int4", "int4", "The cache in half a byte a number, and one scale of 4 bytes for each row of each head."},
  }};
  if (const auto type = segmented(look, types, kv_choice(view.kv_type), ImGui::GetContentRegionAvail().x))
    frame.send(KvTypeSet{kKvChoices[static_cast<std::size_t>(*type)]});
}

}  // namespace

void draw_card_rail(const Frame& frame) {
  sources(frame);
  compared(frame);
  rule(frame.look);
  computed_for(frame);
  rule(frame.look);
  library(frame);
  gap(frame.look, 8);
}

}  // namespace headroom
