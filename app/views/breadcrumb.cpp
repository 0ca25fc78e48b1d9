#include <imgui.h>

#include <array>
#include <string>

#include "app/views/context.h"
#include "app/views/token_text.h"
#include "app/widgets/controls.h"
#include "core/session/names.h"
#include "core/session/train_text.h"

namespace headroom {

/// "All heads › L3 H7 › row “was” › cell “cat” › arithmetic" between two x of the menu bar. The steps taken are bright and lead back by a
/// click; those still to come are dim and lead on.
void draw_breadcrumb(const Frame& frame, float left, float right);

namespace {

struct Step {
  std::string text;
  const char* name;
  const char* tip;
  bool is_taken = false;
  std::optional<Action> go;
};

std::string quoted_token(const std::vector<Token>& tokens, std::int64_t index) {
  if (index < 0 || index >= std::ssize(tokens)) return std::to_string(index);
  return "“" + token_line(tokens[static_cast<std::size_t>(index)], FontFace::kSans) + "”";
}
std::string query_text(const Frame& frame, std::int64_t query) {
  return frame.snapshot == nullptr ? std::to_string(query) : quoted_token(frame.snapshot->tokens, query);
}
std::string key_text(const Frame& frame, std::int64_t key) {
  return frame.snapshot == nullptr ? std::to_string(key) : quoted_token(frame.snapshot->keys(), key);
}

/// "All heads", and of an encoder-decoder in which stack.
std::string all_heads_text(const Compute& compute) {
  if (compute.trained.kind != ModelKind::kEncoderDecoder) return "All heads";
  return compute.stack == AttentionStack::kEncoder ? "Encoder heads"
         : compute.stack == AttentionStack::kCross ? "Cross heads"
                                                   : "Decoder heads";
}

std::array<Step, 5> steps_of(const Frame& frame) {
  const View& view = frame.session.view;
  if (view.stage == StageView::kTrain) {
    const TrainView& train = frame.session.train_view;
    const RunReport* report = frame.model.training.report();
    const std::string& recipe = report != nullptr ? report->plan.recipe : frame.session.train.recipe;
    std::array<Step, 5> steps{
        {{"Train", "breadcrumb/train", "Every head of the model in training.", true, TrainHeadsSet{TrainHeads::kAll}},
         {recipe.empty() ? "your own plan" : recipe, "breadcrumb/recipe", "What is trained.", true, {}}}};
    if (report != nullptr) {
      steps[2] = {short_tokens(train.at.value_or(report->tokens)) + " tokens", "breadcrumb/tokens", "Back to the newest state.",
                  true, TrainTimeSet{}};
    }
    if (report != nullptr && train.head) {
      steps[3] = {head_text(*train.head), "breadcrumb/head", "This head, large.", true, TrainHeadOpened{*train.head}};
    }
    return steps;
  }
  if (view.stage == StageView::kSpeed) {
    return {{{"All heads", "breadcrumb/heads", "Every layer × head in one picture.", true, StageViewSet{StageView::kHeads}},
             {"speed of this shape", "breadcrumb/speed", "How fast this shape runs here.", true, {}}}};
  }
  if (view.stage == StageView::kCard) {
    const ShownCard* shown = frame.model.cards.shown.get();
    const std::string name = shown == nullptr ? "model card" : shown->card.name;
    return {{{"All heads", "breadcrumb/heads", "Every layer × head in one picture.", true, StageViewSet{StageView::kHeads}},
             {name, "breadcrumb/card", "What its configuration tells.", true, {}}}};
  }
  if (view.stage == StageView::kCost) {
    const PlannedCost* plan = frame.model.costs.plan.get();
    const std::string card = plan == nullptr ? "plan" : plan->cost.card_name;
    return {{{"All heads", "breadcrumb/heads", "Every layer × head in one picture.", true, StageViewSet{StageView::kHeads}},
             {"cost", "breadcrumb/cost", "What a model costs on a device.", true, {}},
             {card, "breadcrumb/plan", "Which model is planned.", true, {}}}};
  }
  if (view.stage == StageView::kDecode) {
    constexpr std::array<const char*, 3> sections{"token by token", "many requests", "quality beside memory"};
    return {{{"All heads", "breadcrumb/heads", "Every layer × head in one picture.", true, StageViewSet{StageView::kHeads}},
             {"decoding", "breadcrumb/decode", "One text, token by token.", true, DecodeSectionSet{DecodeSection::kSteps}},
             {sections[static_cast<std::size_t>(view.decode_section)], "breadcrumb/section", "What is shown of it.", true, {}}}};
  }
  const bool has_head = view.head.has_value(), has_row = has_head && view.query.has_value(),
             has_cell = has_row && view.key.has_value();
  std::array<Step, 5> steps{
      {{all_heads_text(frame.session.compute), "breadcrumb/heads", "Every layer × head in one picture.", true,
        StageViewSet{StageView::kHeads}},
       {"head", "breadcrumb/head", "Click a heatmap to choose a head.", has_head, {}},
       {"row", "breadcrumb/row", "Choose a token: one row is what it looks at.", has_row, {}},
       {"cell", "breadcrumb/cell", "Choose one cell: one query with one key.", has_cell, {}},
       {"arithmetic", "breadcrumb/arithmetic", "How the chosen cell's probability comes about, number by number.", has_cell, {}}}};
  if (has_head) {
    steps[1].text = "L" + std::to_string(view.head->layer) + " H" + std::to_string(view.head->head);
    steps[1].tip = "This head, large.";
    steps[1].go = HeadOpened{*view.head};
  }
  if (has_row) {
    steps[2].text = "row " + query_text(frame, *view.query);
    steps[2].tip = "What this token looks at, without a chosen cell.";
    steps[2].go = QuerySelected{*view.query};
  }
  if (has_cell) {
    steps[3].text = "cell " + key_text(frame, *view.key);
    steps[3].tip = "This cell in the large head.";
    steps[3].go = HeadOpened{*view.head};
    steps[4].go = HeadOpened{*view.head};
  }
  return steps;
}

}  // namespace

void draw_breadcrumb(const Frame& frame, float left, float right) {
  const Look& look = frame.look;
  const float bar = look.px(37);
  const ImVec2 before = ImGui::GetCursorScreenPos();
  ImDrawList& list = *ImGui::GetWindowDrawList();
  TextStyle style = body_text(look);
  float x = left;
  const std::array<Step, 5> steps = steps_of(frame);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    if (step.text.empty()) break;
    style.color = step.is_taken ? frame.theme.text : frame.theme.text_faint;
    const TextExtent extent = text_extent(look, step.text, style);
    const float arrow = look.px(16);
    if (x + extent.w + (i > 0 ? arrow : 0) > right) break;
    const double y = (bar - extent.h) / 2;
    if (i > 0) {
      TextStyle dim = style;
      dim.color = frame.theme.text_faint;
      draw_text(look, list, {x + look.px(5), y}, "›", dim);
      x += arrow;
    }
    ImGui::SetCursorScreenPos(ImVec2(x, static_cast<float>(y)));
    const ItemState state = item(
        look,
        {.name = step.name, .w = extent.w, .h = extent.h, .tooltip = step.tip, .enabled = step.go ? Enabled::kYes : Enabled::kNo});
    if (state.is_hovered) {
      style.color = frame.theme.accent;
      ImGui::SetMouseCursor(ImGuiMouseCursor_Hand);
    }
    draw_text(look, list, {state.rect.x, state.rect.y}, step.text, style);
    if (state.is_clicked && step.go) {
      // A row or a whole head is looked at without the cell that was chosen in it.
      frame.send(*step.go);
      const bool leads_to_head = i == 1 && frame.session.view.stage != StageView::kTrain;
      if (leads_to_head && frame.session.view.query) frame.send(SelectionReleased{});
      if (leads_to_head && frame.session.view.key) frame.send(SelectionReleased{});
    }
    x += extent.w;
  }
  ImGui::SetCursorScreenPos(before);
}

}  // namespace headroom
