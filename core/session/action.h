#pragma once

#include <optional>
#include <string>
#include <variant>

#include "core/session/session.h"

namespace headroom {

// What a person did, as past-tense facts. Values are as asked for; reduce() brings them to valid ones.
struct TextEdited {
  SharedText text;
};
struct SecondTextEdited {
  SharedText text;
};
struct ContinuationSet {
  std::vector<std::int32_t> ids;
};  ///< what the model wrote; empty: taken away
struct StackSet {
  AttentionStack stack;
};
struct BatchEntrySet {
  std::int64_t entry;
};
struct ModelOpened {
  ModelSource source;
  std::string model;
  TrainedShape shape;
};
struct HeadsCountSet {
  std::int64_t n_heads;
};
struct KvHeadsSet {
  std::int64_t n_kv_heads;
};
struct DModelSet {
  std::int64_t d_model;
};
struct ParameterSourceSet {
  ParameterSource parameters;
};
struct LabSeedSet {
  std::uint64_t seed;
};
struct ShapeReset {};  ///< back to the trained shape and parameters, nothing pruned
struct DirectionSet {
  Direction direction;
};
struct PatternSet {
  MaskPattern pattern;
};
struct HeadPruneToggled {
  HeadRef head;
};
struct PruningCleared {};
struct BackendSet {
  BackendChoice backend;
};
struct DepthSet {
  Depth depth;
};

struct StageViewSet {
  StageView stage;
};
struct HeadOpened {
  HeadRef head;
};  ///< chosen, and shown large
struct HeadSelected {
  HeadRef head;
};  ///< chosen, the stage stays
struct QuerySelected {
  std::int64_t query;
};
struct CellSelected {
  std::int64_t query;
  std::int64_t key;
};
struct SelectionReleased {};  ///< Esc: cell, then row, then the stage back to all heads, then the head
struct QuantitySet {
  Quantity quantity;
};
struct PoolingSet {
  Pooling pooling;
};
struct ColorScaleSet {
  ColorScale scale;
};
struct FirstTokenSet {
  FirstToken first_token;
};
struct ColorMapSet {
  ColorMapName colormap;
};
struct HeadSortSet {
  HeadSort sort;
};
struct HeadGroupSet {
  HeadGroup group;
};
struct HeadsTogetherSet {
  HeadsTogether together;
  Pooling by;
};
struct HeadFilterSet {
  View::Named named;
  HeadPattern pattern;
};
struct HeadSearchSet {
  std::string search;
};
struct SpecialCellsSet {
  SpecialCells special;
};
struct PairPartSet {
  PairPart part;
};
struct CardChosen {
  std::string card, beside;
};  ///< as View::card and View::card_beside
struct WritePlanSet {
  WritePlan plan;
};
struct DecodePlanSet {
  DecodePlan plan;
};
struct DecodeSectionSet {
  DecodeSection section;
};
struct DecodeStepSet {
  std::optional<std::int64_t> step;
};  ///< nothing: the newest
struct DecodeSpeedSet {
  double speed;
};
struct BatchPlanSet {
  BatchPlan plan;
};
struct BatchStepSet {
  std::int64_t step;
};
struct CostPlanSet {
  CostPlan plan, beside;
};
struct CostBesideSet {
  CostBeside beside;
};
struct HeadDrawingSet {
  HeadDrawing drawing;
};
struct ZoomSet {
  double zoom;
  double pan_x;
  double pan_y;
  double stretch = 1;  ///< of the chosen head's picture; the heads grid has none
};                     ///< of what the stage shows: the heads grid, else the chosen head
struct BottomPanelSet {
  BottomPanel panel;
};
struct KvTypeSet {
  KvType type;
};
struct KvContextSet {
  std::int64_t context;
};
struct SpeedSectionSet {
  SpeedSection section;
};
struct SpeedTokensSet {
  std::int64_t tokens;
};
struct SpeedSecondsSet {
  double seconds;
};
struct RecipeChosen {
  std::string recipe;
};  ///< its whole plan, from fresh parameters
struct TrainPlanSet {
  TrainPlan plan;
};  ///< any values of it
struct WatchedSentenceSet {
  SharedText sentence;
};
struct TrainStackSet {
  AttentionStack stack;
};
struct TrainHeadSelected {
  HeadRef head;
};  ///< chosen, in the shown stack
struct TrainHeadOpened {
  HeadRef head;
};  ///< chosen, and shown large
struct TrainHeadsSet {
  TrainHeads heads;
};
struct TrainTimeSet {
  std::optional<std::int64_t> tokens;
};  ///< the state looked at; nothing: the newest
struct TrainComparedSet {
  std::optional<std::int64_t> tokens;
};  ///< the state that it is compared with; nothing: none
struct TrainRoleToggled {
  std::string role;
};  ///< its curve is drawn, or no longer
struct ExperimentChosen {
  std::string experiment;
};  ///< by its id; empty: none
struct TrainSpeedSet {
  double speed;
};
struct SessionReplaced {
  Session session;
};  ///< a file was opened, or everything was reset

using Action =
    std::variant<TextEdited, SecondTextEdited, ContinuationSet, StackSet, BatchEntrySet, ModelOpened, HeadsCountSet, KvHeadsSet,
                 DModelSet, ParameterSourceSet, LabSeedSet, ShapeReset, DirectionSet, PatternSet, HeadPruneToggled, PruningCleared,
                 BackendSet, DepthSet, StageViewSet, HeadOpened, HeadSelected, QuerySelected, CellSelected, SelectionReleased,
                 QuantitySet, PoolingSet, ColorScaleSet, FirstTokenSet, ColorMapSet, HeadSortSet, HeadDrawingSet, HeadGroupSet,
                 HeadsTogetherSet, HeadFilterSet, HeadSearchSet, SpecialCellsSet, PairPartSet, CardChosen, WritePlanSet,
                 DecodePlanSet, DecodeSectionSet, DecodeStepSet, DecodeSpeedSet, BatchPlanSet, BatchStepSet, CostPlanSet,
                 CostBesideSet, BottomPanelSet, ZoomSet, KvTypeSet, KvContextSet, SpeedSectionSet, SpeedTokensSet, SpeedSecondsSet,
                 RecipeChosen, TrainPlanSet, WatchedSentenceSet, TrainStackSet, TrainHeadSelected, TrainHeadOpened, TrainHeadsSet,
                 TrainTimeSet, TrainComparedSet, TrainRoleToggled, ExperimentChosen, TrainSpeedSet, SessionReplaced>;

}  // namespace headroom
