#include <imgui.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string>
#include <vector>

#include "app/views/commands.h"
#include "app/views/train_plan_edit.h"
#include "core/figure/number_text.h"
#include "core/session/train_text.h"

namespace headroom {
namespace {

constexpr std::array<std::int64_t, 9> kVocabularies{256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096};
constexpr std::array<std::int64_t, 7> kRows{4, 8, 16, 24, 32, 48, 64};
constexpr std::array<double, 7> kRates{5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2};
constexpr std::array<MenuChoice, 7> kRateChoices{{
    {"train/rate/0.0005", "0.0005", "Careful: for large models, and for healing a little."},
    {"train/rate/0.001", "0.001", "For healing a changed model."},
    {"train/rate/0.002", "0.002", "For translations of d_model 128."},
    {"train/rate/0.003", "0.003", "Usual at d_model 128."},
    {"train/rate/0.005", "0.005", "Usual at d_model 64."},
    {"train/rate/0.01", "0.01", "Usual at d_model 32."},
    {"train/rate/0.02", "0.02", "Often too much: the loss may jump up and never come back."},
}};

void recipe_row(const Frame& frame) {
  const std::vector<RecipeInfo>& all = recipes();
  std::vector<std::string> names, tips;
  for (const RecipeInfo& recipe : all) {
    names.push_back("train/recipe/" + recipe.name);
    tips.push_back(recipe.title + "\n" + recipe.sentence);
  }
  std::vector<MenuChoice> choices;
  int selected = -1;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].name == frame.session.train.recipe) selected = static_cast<int>(i);
    choices.push_back({.name = names[i], .label = all[i].name, .tooltip = tips[i]});
  }
  if (const auto chosen =
          option_row(frame, {.name = "train/recipe",
                             .label = "recipe",
                             .tooltip = "A plan that was tried: model, data and budget together\nEverything can be changed after "
                                        "it was chosen; the command line knows it by the same name.",
                             .choices = choices,
                             .selected = selected,
                             .value = selected < 0 ? std::string_view("your own") : std::string_view()}))
    frame.send(RecipeChosen{all[static_cast<std::size_t>(*chosen)].name});
}

/// A share of the documents, in steps of 5 %.
void mix_slider(const Frame& frame, const ValueSlider& spec, std::optional<double> TrainData::*member) {
  static const std::vector<std::int64_t> percents = [] {
    std::vector<std::int64_t> all;
    for (std::int64_t i = 0; i <= 20; ++i)
      all.push_back(5 * i);
    return all;
  }();
  const std::optional<double>& share = frame.session.train.data.*member;
  ValueSlider shown = spec;
  shown.values = percents;
  shown.value = share ? static_cast<std::int64_t>(*share * 100 + 0.5) : 50;
  if (share) {
    shown.unit = "";
  } else {
    shown.shown = "as written";
    shown.value_width = 76;
  }
  if (const auto value = value_slider(frame.look, shown))
    change_plan(frame, spec.name.data(), [&](TrainPlan& plan) { plan.data.*member = static_cast<double>(*value) / 100; });
}

void grammar_mix(const Frame& frame) {
  mix_slider(frame,
             {.name = "train/stories",
              .label = "stories",
              .tooltip = "Weight of stories\nOne to four sentences on the same people and animals: "
                         "subjects, verbs, pronouns. Weights count against each other."},
             &TrainData::stories);
  mix_slider(frame,
             {.name = "train/lists",
              .label = "lists",
              .tooltip = "Weight of lists\nThe same few words said again: what pays for copying heads."},
             &TrainData::lists);
  mix_slider(frame,
             {.name = "train/quotes",
              .label = "quotes",
              .tooltip = "Weight of quotes\nTwo people say the same: copying over a whole sentence."},
             &TrainData::quotes);
}

void text_rows(const Frame& frame) {
  const Look& look = frame.look;
  const TrainData& data = frame.session.train.data;
  const std::string name = data.path.empty() ? "Open a text file…" : std::filesystem::path(data.path).filename().string();
  if (button(
          look,
          {.name = "train/open_text",
           .label = imgui_drawable(name, FontFace::kSans),
           .tooltip =
               "A text file to learn from\nUTF-8, at least some thousand words. It is split into training and held-out parts, and "
               "a tokenizer is learned from it here.",
           .width = ImGui::GetContentRegionAvail().x}))
    open_dialog(frame, DialogKind::kTrainText);
  gap(look, 4);
  if (const auto vocabulary =
          value_slider(look, {.name = "train/vocabulary",
                              .label = "vocabulary",
                              .tooltip = "Tokens that the tokenizer learns (byte-level BPE)\nMore make the text shorter in tokens, "
                                         "and the embedding larger.",
                              .values = kVocabularies,
                              .value = data.vocabulary}))
    change_plan(frame, "train/vocabulary", [&](TrainPlan& plan) { plan.data.vocabulary = *vocabulary; });
}

/// What the data is and what no model can go below.
std::string data_sentence(const Frame& frame) {
  const TrainData& data = frame.session.train.data;
  const RunReport* report = frame.model.training.report();
  const bool is_known = report != nullptr && report->plan.data == data && report->config.shape.vocab_size > 1;
  std::string text;
  if (is_known) text = count_text(report->config.shape.vocab_size) + (data.kind == DataKind::kText ? " tokens, " : " words, ");
  switch (data.kind) {
    case DataKind::kGrammar:
      text += is_known ? "known grammar." : "A known grammar of English: each sentence comes with its relations.";
      break;
    case DataKind::kLetters:
      text += is_known ? "random letters said again."
                       : "Random letters, said again and again: what is said again can only be found by attention.";
      break;
    case DataKind::kText:
      text += is_known            ? "your text."
              : data.path.empty() ? "Choose a text file first."
                                  : "Your text: no relations are known, and no floor.";
      break;
    case DataKind::kTranslation:
      text += is_known ? "both languages." : "The grammar's English beside an invented language whose word order is known.";
      break;
  }
  const HeadReport* newest = is_known ? report->newest() : nullptr;
  if (newest != nullptr && newest->has_floor)
    text += " Entropy floor " + fixed(newest->floor, 2) + " nats a token: no model can go below it.";
  return text;
}

void seed_row(const Frame& frame) {
  const Look& look = frame.look;
  TrainScratch& train = frame.state.train;
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float right = at.x + ImGui::GetContentRegionAvail().x, width = look.px(110);
  draw_text(look, *ImGui::GetWindowDrawList(), {at.x, at.y + look.px(5)}, "seed", small_text(look));
  ImGui::SetCursorScreenPos(ImVec2(right - width, at.y));
  ImGui::SetNextItemWidth(width);
  if (train.seed_of != frame.session.train.seed) {  // the session changed it, or this is its first frame
    train.seed_of = frame.session.train.seed;
    std::snprintf(train.seed.data(), train.seed.size(), "%llu", static_cast<unsigned long long>(frame.session.train.seed));
  }
  bool is_edited = false;
  {
    const FontScope mono(FontFace::kMono, kSmallTextSize);
    is_edited = ImGui::InputText("##train seed", train.seed.data(), train.seed.size(), ImGuiInputTextFlags_CharsDecimal);
  }
  tooltip(
      look,
      "The seed of parameters and rows\nThe same seed goes the same way again, to the last bit; another shows how much is chance.");
  record_last_item("train/seed");
  gap(look, 4);
  if (!is_edited) return;
  std::uint64_t seed = 0;
  const char* begin = train.seed.data();
  const char* end = begin + std::char_traits<char>::length(begin);
  if (std::from_chars(begin, end, seed).ec != std::errc{}) return;
  train.seed_of = seed;
  change_plan(frame, "train/seed", [&](TrainPlan& plan) { plan.seed = seed; });
}

}  // namespace

void train_data(const Frame& frame) {
  heading(frame.look, "DATA");
  recipe_row(frame);
  const TrainData& data = frame.session.train.data;
  if (data.kind == DataKind::kGrammar) grammar_mix(frame);
  if (data.kind == DataKind::kText) text_rows(frame);
  paragraph(frame.look, data_sentence(frame), small_text(frame.look));
}

void train_budget(const Frame& frame) {
  const Look& look = frame.look;
  heading(look, "BUDGET");
  const TrainPlan& plan = frame.session.train;
  const std::string tokens = short_tokens(plan.tokens);
  if (const auto asked = value_slider(
          look, {.name = "train/tokens",
                 .label = "tokens",
                 .tooltip = "Tokens to train on\nThe learning rate falls over all of them, so another budget is another run.",
                 .values = frame.state.train.tokens,
                 .value = plan.tokens,
                 .shown = tokens}))
    change_plan(frame, "train/tokens", [&](TrainPlan& changed) { changed.tokens = *asked; });
  if (const auto rows =
          value_slider(look, {.name = "train/rows",
                              .label = "batch",
                              .tooltip = "Rows of a step\nMore make a steadier gradient and fewer steps for the same tokens.",
                              .values = kRows,
                              .value = plan.rows_per_step,
                              .unit = "rows"}))
    change_plan(frame, "train/rows", [&](TrainPlan& changed) { changed.rows_per_step = *rows; });
  int selected = -1;
  for (std::size_t i = 0; i < kRates.size(); ++i)
    if (kRates[i] == plan.learning_rate) selected = static_cast<int>(i);
  const std::string rate = compact(plan.learning_rate);
  if (const auto chosen = option_row(
          frame, {.name = "train/rate",
                  .label = "learning rate",
                  .tooltip = "The learning rate at its highest\nIt rises over the first steps and falls along a cosine to "
                             "2 %.",
                  .choices = kRateChoices,
                  .selected = selected,
                  .value = selected < 0 ? std::string_view(rate) : std::string_view()}))
    change_plan(frame, "", [&](TrainPlan& changed) { changed.learning_rate = kRates[static_cast<std::size_t>(*chosen)]; });
  seed_row(frame);
}

}  // namespace headroom
