#include "core/session/names.h"

#include <array>
#include <charconv>

#include "core/training/network.h"

namespace headroom {

#define HEADROOM_ENUM_NAMES(E, ...)                                           \
  template <>                                                                 \
  std::span<const EnumName<E>> enum_names<E>() {                              \
    static constexpr auto kNames = std::to_array<EnumName<E>>({__VA_ARGS__}); \
    return kNames;                                                            \
  }

HEADROOM_ENUM_NAMES(ModelSource, {ModelSource::kBundled, "bundled"}, {ModelSource::kFolder, "folder"},
                    {ModelSource::kCapture, "capture"})
HEADROOM_ENUM_NAMES(ParameterSource, {ParameterSource::kTrained, "trained"}, {ParameterSource::kLab, "lab"})
HEADROOM_ENUM_NAMES(BackendChoice, {BackendChoice::kAuto, "auto"}, {BackendChoice::kReference, "reference"},
                    {BackendChoice::kNaive, "naive"}, {BackendChoice::kFlash, "flash"}, {BackendChoice::kGl, "gl"})
HEADROOM_ENUM_NAMES(ModelKind, {ModelKind::kCausal, "causal"}, {ModelKind::kMasked, "masked"},
                    {ModelKind::kEncoderDecoder, "encoder_decoder"})
HEADROOM_ENUM_NAMES(PositionKind, {PositionKind::kRotary, "rotary"}, {PositionKind::kLearned, "learned"},
                    {PositionKind::kRelative, "relative"})
HEADROOM_ENUM_NAMES(Depth, {Depth::kFirstLayer, "first layer"}, {Depth::kAllLayers, "all layers"})
HEADROOM_ENUM_NAMES(Direction, {Direction::kCausal, "causal"}, {Direction::kBidirectional, "bidirectional"})
HEADROOM_ENUM_NAMES(PatternKind, {PatternKind::kDense, "dense"}, {PatternKind::kLocalWindow, "local_window"},
                    {PatternKind::kStrided, "strided"}, {PatternKind::kGlobalLocal, "global_local"},
                    {PatternKind::kRandomBlocks, "random_blocks"})
HEADROOM_ENUM_NAMES(StageView, {StageView::kHeads, "heads"}, {StageView::kHead, "head"}, {StageView::kToken, "token"},
                    {StageView::kTrain, "train"}, {StageView::kSpeed, "speed"}, {StageView::kCard, "card"},
                    {StageView::kDecode, "decode"}, {StageView::kCost, "cost"})
HEADROOM_ENUM_NAMES(DecodeSection, {DecodeSection::kSteps, "steps"}, {DecodeSection::kBatch, "batch"},
                    {DecodeSection::kQuality, "quality"})
HEADROOM_ENUM_NAMES(CostBeside, {CostBeside::kNone, "none"}, {CostBeside::kPlan, "plan"})
HEADROOM_ENUM_NAMES(CacheLayout, {CacheLayout::kContiguous, "contiguous"}, {CacheLayout::kPaged, "paged"})
HEADROOM_ENUM_NAMES(Eviction, {Eviction::kNone, "none"}, {Eviction::kWindow, "window"}, {Eviction::kStreaming, "streaming"},
                    {Eviction::kHeavyHitters, "heavy_hitters"})
HEADROOM_ENUM_NAMES(Quantity, {Quantity::kProbs, "probs"}, {Quantity::kScores, "scores"})
HEADROOM_ENUM_NAMES(Pooling, {Pooling::kMax, "max"}, {Pooling::kMean, "mean"})
HEADROOM_ENUM_NAMES(ColorScale, {ColorScale::kLinear, "linear"}, {ColorScale::kLog, "log"}, {ColorScale::kPerRow, "per_row"})
HEADROOM_ENUM_NAMES(FirstToken, {FirstToken::kShown, "shown"}, {FirstToken::kLeftOut, "left_out"})
HEADROOM_ENUM_NAMES(ColorMapName, {ColorMapName::kViridis, "viridis"}, {ColorMapName::kMagma, "magma"},
                    {ColorMapName::kCividis, "cividis"}, {ColorMapName::kGrey, "grey"})
HEADROOM_ENUM_NAMES(HeadSort, {HeadSort::kLayer, "layer"}, {HeadSort::kEntropy, "entropy"},
                    {HeadSort::kPreviousToken, "previous_token"}, {HeadSort::kFirstToken, "first_token"}, {HeadSort::kSelf, "self"},
                    {HeadSort::kBroadcast, "broadcast"})
HEADROOM_ENUM_NAMES(HeadGroup, {HeadGroup::kLayers, "layers"}, {HeadGroup::kPatterns, "patterns"})
HEADROOM_ENUM_NAMES(HeadsTogether, {HeadsTogether::kEach, "each"}, {HeadsTogether::kOfLayer, "of_layer"},
                    {HeadsTogether::kOverLayers, "over_layers"}, {HeadsTogether::kAll, "all"})
HEADROOM_ENUM_NAMES(View::Named, {View::Named::kAny, "any"}, {View::Named::kNamed, "named"}, {View::Named::kPattern, "pattern"})
HEADROOM_ENUM_NAMES(HeadPattern, {HeadPattern::kPreviousToken, "previous_token"}, {HeadPattern::kFirstToken, "first_token"},
                    {HeadPattern::kSelf, "self"}, {HeadPattern::kBroadcast, "broadcast"})
HEADROOM_ENUM_NAMES(SpecialCells, {SpecialCells::kShown, "shown"}, {SpecialCells::kHidden, "hidden"})
HEADROOM_ENUM_NAMES(PairPart, {PairPart::kAll, "all"}, {PairPart::kAToA, "a_to_a"}, {PairPart::kAToB, "a_to_b"},
                    {PairPart::kBToA, "b_to_a"}, {PairPart::kBToB, "b_to_b"})
HEADROOM_ENUM_NAMES(HeadDrawing, {HeadDrawing::kHeatmap, "heatmap"}, {HeadDrawing::kArcs, "arcs"})
HEADROOM_ENUM_NAMES(BottomPanel, {BottomPanel::kTiming, "timing"}, {BottomPanel::kLens, "lens"}, {BottomPanel::kWrite, "write"})
HEADROOM_ENUM_NAMES(SpeedSection, {SpeedSection::kAll, "all"}, {SpeedSection::kLadder, "ladder"},
                    {SpeedSection::kRoofline, "roofline"}, {SpeedSection::kGrowth, "growth"}, {SpeedSection::kDevices, "devices"})
HEADROOM_ENUM_NAMES(AttentionStack, {AttentionStack::kSelf, "self"}, {AttentionStack::kEncoder, "encoder"},
                    {AttentionStack::kCross, "cross"})
HEADROOM_ENUM_NAMES(TrainHeads, {TrainHeads::kAll, "all"}, {TrainHeads::kOne, "one"})
HEADROOM_ENUM_NAMES(KvType, {KvType::kFloat32, "float32"}, {KvType::kFloat16, "float16"}, {KvType::kBFloat16, "bfloat16"},
                    {KvType::kInt8, "int8"}, {KvType::kInt4, "int4"})

#undef HEADROOM_ENUM_NAMES

std::string head_text(const HeadRef& head) {
  std::string text = "L";
  text += std::to_string(head.layer);
  text += " H";
  text += std::to_string(head.head);
  return text;
}

std::string head_key(const HeadRef& head) {
  std::string text = std::to_string(head.layer);
  text += '.';
  text += std::to_string(head.head);
  return text;
}

std::optional<HeadRef> head_from_key(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  HeadRef head;
  const auto read = [](std::string_view digits, std::int64_t& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() && value >= 0;
  };
  if (!read(text.substr(0, dot), head.layer) || !read(text.substr(dot + 1), head.head)) return std::nullopt;
  return head;
}

}  // namespace headroom
