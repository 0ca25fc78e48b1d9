#include "app/views/figures.h"

#include <imgui.h>
#include <imgui_internal.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "app/views/train.h"
#include "app/widgets/item.h"
#include "app/widgets/widget_map.h"
#include "core/figure/card_figures.h"
#include "core/figure/cost_figures.h"
#include "core/figure/decode_figures.h"
#include "core/figure/head_window.h"
#include "core/figure/lens_figure.h"
#include "core/figure/written_figure.h"

namespace headroom {
namespace {

Figure build(const Frame& frame, FigureKind kind, const FigureInput& input) {
  switch (kind) {
    case FigureKind::kHeads:
      return heads_figure(input);
    case FigureKind::kHead:
      return head_figure(input);
    case FigureKind::kToken:
      return token_figure(input);
    case FigureKind::kKv:
      return kv_figure(input);
    case FigureKind::kTiming:
      return timing_figure(input, frame.model.timing);
    case FigureKind::kPrediction:
      return prediction_figure(input);
    case FigureKind::kHeadCard:
      return head_card_figure(input);
    case FigureKind::kCell:
      return cell_figure(input);
    case FigureKind::kSpeed:
      return speed_figure(input, frame.model.speed);
    case FigureKind::kTrain:
      return train_figure(input, frame.model.training.input);
    case FigureKind::kTrainHappened:
      return train_happened_figure(input, frame.model.training.input);
    case FigureKind::kTrainBehaviour:
      return train_behaviour_figure(input, frame.model.training.input);
    case FigureKind::kTrainScores:
      return train_scores_figure(input, frame.model.training.input);
    case FigureKind::kTrainAblation:
      return train_ablation_figure(input, frame.model.training.input);
    case FigureKind::kTrainExperiment:
      return train_experiment_figure(input,
                                     experiment_picture(frame.model.training.experiment, frame.session.train_view.experiment));
    case FigureKind::kCard:
      return card_figure(input, frame.model.cards);
    case FigureKind::kLens:
      return lens_figure(input, frame.model.lens);
    case FigureKind::kWritten:
      return written_figure(input);
    case FigureKind::kDecode:
      return decode_figure(input, frame.model.decode);
    case FigureKind::kBatch:
      return batch_figure(input, frame.model.decode);
    case FigureKind::kQuality:
      return quality_figure(input, frame.model.decode);
    case FigureKind::kCost:
      return cost_figure(input, frame.model.costs);
    case FigureKind::kCostArithmetic:
      return cost_arithmetic_figure(input, frame.model.costs);
  }
  return {};
}

bool is_of_training(FigureKind kind) { return kind >= FigureKind::kTrain && kind <= FigureKind::kTrainExperiment; }

/// The stage shows the frames of the watched sentence; the cards only what was measured.
std::uint64_t training_version(const TrainScratch& train, FigureKind kind) {
  if (!is_of_training(kind)) return 0;
  if (kind == FigureKind::kTrainExperiment) return train.experiment_version;
  return train.report_version + (kind == FigureKind::kTrain ? train.frames_version << 32U : 0);
}

bool is_of_decoding(FigureKind kind) { return kind >= FigureKind::kDecode && kind <= FigureKind::kQuality; }

/// Whether it is zoomed and moved; the others stand still meanwhile and need not be built anew.
bool moves(FigureKind kind) { return kind == FigureKind::kHeads || kind == FigureKind::kHead; }

CachedFigure& cached(const Frame& frame, FigureKind kind) { return frame.state.figures[static_cast<std::size_t>(kind)]; }

std::optional<HeadRef> head_of(const std::optional<Action>& action) {
  if (!action) return std::nullopt;
  if (const auto* opened = std::get_if<HeadOpened>(&*action)) return opened->head;
  if (const auto* selected = std::get_if<HeadSelected>(&*action)) return selected->head;
  if (const auto* pruned = std::get_if<HeadPruneToggled>(&*action)) return pruned->head;
  return std::nullopt;
}

/// A press that moved is a drag, not a click.
bool is_plain_click(const ItemState& state) { return state.is_clicked && ImGui::GetIO().MouseDragMaxDistanceSqr[0] < 16.0f; }

void send_click(const Frame& frame, const Hover& hover, const ItemState& state) {
  const HitRegion* region = hover.region;
  if (state.is_double_clicked && region != nullptr && region->double_click) {
    frame.send(*region->double_click);
    return;
  }
  if (!is_plain_click(state)) return;
  const auto grid_head = [&] { return HeadRef{hover.grid->request.layer, hover.grid->request.head}; };
  // With Shift too: what one compares is chosen so in lists everywhere.
  const bool compares = region != nullptr && region->ctrl_click && ImGui::GetIO().KeyShift;
  if (ImGui::GetIO().KeyCtrl || compares) {
    if (region != nullptr && region->ctrl_click) {
      frame.send(*region->ctrl_click);
    } else if (hover.grid != nullptr) {
      frame.send(HeadPruneToggled{grid_head()});
    }
  } else if (hover.grid != nullptr && !hover.grid->opens_head) {
    frame.send(CellSelected{hover.query, hover.key}, "cell");
    // A plot of a whole row reaches beyond what the large picture shows.
    if (hover.grid->column_keys != nullptr && frame.snapshot != nullptr) {
      if (const auto moved = bringing_into_view(frame.session.view, HeadSize(*frame.snapshot), hover.query, hover.key))
        frame.send(*moved, "cell");
    }
  } else if (region != nullptr && region->click) {
    frame.send(*region->click);
  } else if (hover.grid != nullptr) {
    frame.send(HeadOpened{grid_head()});
  }
}

void record_regions(const FigurePlace& place, const Figure& figure, double scale) {
  if (!widget_map::is_on()) return;
  const auto on_screen = [&](const Rect& rect) {
    return Rect{place.area.x + rect.x * scale, place.area.y + rect.y * scale, rect.w * scale, rect.h * scale};
  };
  for (const HitRegion& region : figure.hits) {
    if (!region.name.empty()) record_rect(std::string(place.name) + "/" + region.name, on_screen(region.shape));
  }
  for (const CellGrid& grid : figure.cell_grids) {
    record_rect(
        std::string(place.name) + "/cells L" + std::to_string(grid.request.layer) + " H" + std::to_string(grid.request.head),
        on_screen(grid.rect));
  }
  for (const Overview& overview : figure.overviews)
    record_rect(std::string(place.name) + "/minimap", on_screen(overview.rect));
}

}  // namespace

std::optional<HeadRef> head_of(const Hover& hover) {
  if (hover.grid != nullptr) return HeadRef{hover.grid->request.layer, hover.grid->request.head};
  if (hover.region == nullptr) return std::nullopt;
  if (const auto head = head_of(hover.region->ctrl_click)) return head;
  return head_of(hover.region->click);
}

const Figure& figure_of(const Frame& frame, FigureKind kind, Size size) {
  CachedFigure& cache = cached(frame, kind);
  UiScratch::State& state = frame.state;
  const FigureKey key{.snapshot = frame.snapshot == nullptr ? 0 : frame.snapshot->version,
                      .session = moves(kind) ? state.session_version : state.content_version,
                      .runs = kind == FigureKind::kTiming ? state.runs_version : 0,
                      .speed = kind == FigureKind::kSpeed ? state.speed_version : 0,
                      .training = training_version(state.train, kind),
                      .cards = kind == FigureKind::kCard ? state.card.version : 0,
                      .lens = kind == FigureKind::kLens ? state.lens_version : 0,
                      .decode = is_of_decoding(kind) ? state.decode.version : 0,
                      .costs = kind == FigureKind::kCost || kind == FigureKind::kCostArithmetic ? state.cost.version : 0,
                      .size = size,
                      .theme = frame.theme.name,
                      .scale = frame.model.scale,
                      .query = cache.hovered_query,
                      .key = cache.hovered_key};
  if (cache.key != key) {
    const FigureInput input{.session = frame.session,
                            .snapshot = frame.model.snapshot,
                            .size = size,
                            .theme = frame.theme,
                            .measurer = *state.measurer,
                            .hovered_query = cache.hovered_query,
                            .hovered_key = cache.hovered_key};
    cache.figure = build(frame, kind, input);
    cache.key = key;
  }
  return cache.figure;
}

void panel_figure(const Frame& frame, const PanelFigure& spec) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const double width = ImGui::GetContentRegionAvail().x;
  const Size asked{std::floor(width / frame.look.scale), std::floor(spec.max_height / frame.look.scale)};
  const Figure& figure = figure_of(frame, spec.kind, asked);
  const double height = figure.size.h * frame.look.scale;
  draw_figure(
      frame,
      {.kind = spec.kind, .name = spec.name, .area = {at.x, at.y, width, spec.max_height}, .reacting_h = std::max(1.0, height)});
  ImGui::SetCursorScreenPos(ImVec2(at.x, at.y + static_cast<float>(height)));
  ImGui::Dummy(ImVec2(0, 0));
}

FigureAnswer draw_figure(const Frame& frame, const FigurePlace& place) {
  FigureAnswer answer;
  const double scale = frame.look.scale * place.zoom;
  const Size size{std::floor(place.area.w / scale), std::floor(place.area.h / scale)};
  if (size.w < 24 || size.h < 16) return answer;
  const Figure& figure = figure_of(frame, place.kind, size);

  ImGui::SetCursorScreenPos(ImVec2(static_cast<float>(place.area.x), static_cast<float>(place.area.y)));
  const ItemState state = item(
      frame.look, {.name = place.name,
                   .w = static_cast<float>(place.area.w),
                   .h = static_cast<float>(place.reacting_h > 0 ? place.reacting_h : std::max(place.area.h, figure.size.h * scale)),
                   .tooltip = {},
                   .focusable = Focusable::kNo});
  answer.figure = &figure;
  answer.scale = scale;
  frame.painter.draw(figure, frame.theme, {place.area.x, place.area.y}, scale);
  record_regions(place, figure, scale);

  CachedFigure& cache = cached(frame, place.kind);
  std::optional<std::int64_t> query, key;
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  answer.at = {(mouse.x - place.area.x) / scale, (mouse.y - place.area.y) / scale};  // a drag may lead out of the place
  if (state.is_hovered) {
    answer.is_hovered = true;
    answer.hover = hit_test(figure, answer.at);
    if (answer.hover.grid != nullptr) {
      query = answer.hover.query;
      key = answer.hover.key;
    } else if (answer.hover.region != nullptr && answer.hover.region->click) {
      // A token's label stands for its row: arcs show where it looks before it is chosen.
      if (const auto* row = std::get_if<QuerySelected>(&*answer.hover.region->click)) query = row->query;
    }
    send_click(frame, answer.hover, state);
    if (!ImGui::IsMouseDown(ImGuiMouseButton_Left)) {
      if (answer.hover.grid != nullptr && figure.snapshot != nullptr) {
        tooltip_now(frame.look, cell_tooltip(*figure.snapshot, answer.hover.grid->request, *query, *key) +
                                    covered_tooltip(*figure.snapshot, *answer.hover.grid, *query, *key));
      } else if (answer.hover.region != nullptr) {
        tooltip_now(frame.look, answer.hover.region->tooltip);
      } else if (answer.hover.overview != nullptr) {
        tooltip_now(frame.look, answer.hover.overview->tooltip);
      }
    }
    if (answer.hover.region != nullptr && answer.hover.region->click) ImGui::SetMouseCursor(ImGuiMouseCursor_Hand);
  }
  if (cache.hovered_query != query || cache.hovered_key != key) {
    cache.hovered_query = query;
    cache.hovered_key = key;
    frame.wake_after(0);  // the emphasis shows in the next frame
  }
  return answer;
}

}  // namespace headroom
