#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/analysis/head_metrics.h"
#include "core/analysis/tile.h"
#include "core/attention/mask.h"
#include "core/cost/cost_plan.h"
#include "core/cost/kv_cache.h"
#include "core/kv_cache/batch_plan.h"
#include "core/kv_cache/options.h"
#include "core/model/params.h"
#include "core/model/surgery.h"
#include "core/runs/plan.h"
#include "core/session/shared_text.h"
#include "core/session/train_view.h"

namespace headroom {

/// kCapture: a file of attention that was computed elsewhere, which is looked at but not computed anew.
enum class ModelSource { kBundled, kFolder, kCapture };
/// Trained parameters as read (perhaps after surgery), or seeded random ones of a free shape.
enum class ParameterSource { kTrained, kLab };
enum class BackendChoice { kAuto, kReference, kNaive, kFlash, kGl };
/// How many layers of a long text are computed. A short text always has all of them.
enum class Depth { kFirstLayer, kAllLayers };

/// A text of more tokens is long: its deeper layers need a full pass, which is run only when it is asked for.
inline constexpr std::size_t kLongTokens = 4096;
/// The longest text: what is left of a longer one is cut off.
inline constexpr std::size_t kMaxTokens = 131072;

/// What a Session knows of a model before its parameters are read: the numbers of the stack that the views look at, and its form.
struct TrainedShape : ModelShape {
  ModelKind kind = ModelKind::kCausal;
  PositionKind positions = PositionKind::kRotary;
  std::int64_t n_encoder_layers = 0;  ///< of an encoder-decoder
  bool reads_pairs = false;           ///< may read two sentences side by side, where its tokenizer has a template for that (BERT)

  /// Of grammar-base, the model that a Session begins with.
  TrainedShape() { vocab_size = 367; }
  /// Of a causal model with rotary positions.
  // NOLINTNEXTLINE(google-explicit-constructor): the numbers alone say such a model
  TrainedShape(const ModelShape& shape) : ModelShape(shape) {}
  /// Of an encoder-decoder n_layers are the decoder's.
  explicit TrainedShape(const ModelConfig& config);
  bool operator==(const TrainedShape&) const = default;
  /// Of the numbers alone.
  bool operator==(const ModelShape& shape) const { return static_cast<const ModelShape&>(*this) == shape; }
};

/// Layers of a stack: cross-attention has one in each layer of the decoder.
inline std::int64_t layers_of(const TrainedShape& shape, AttentionStack stack) {
  return shape.kind == ModelKind::kEncoderDecoder && stack == AttentionStack::kEncoder ? shape.n_encoder_layers : shape.n_layers;
}

/// Which tokens each sees in the stack that the views look at, as it was trained. `stack` says something of an encoder-decoder alone.
inline Direction own_direction(const TrainedShape& shape, AttentionStack stack = AttentionStack::kEncoder) {
  if (shape.kind != ModelKind::kEncoderDecoder) return default_direction(shape.kind);
  return stack == AttentionStack::kSelf ? Direction::kCausal : Direction::kBidirectional;
}

/// Everything that decides what the engine computes. Two sessions with equal Compute need no new computation.
struct Compute {
  SharedText text = "The cat that sat on the mat was fluffy";
  /// The second sentence of a pair (BERT), or what the decoder has written (T5, BART). Empty: no pair; the decoder writes by itself.
  SharedText second;
  /// Tokens that the model wrote after the text, or after `second` in the decoder: ids, for their text may be cut otherwise.
  std::vector<std::int32_t> continuation;
  ModelSource model_source = ModelSource::kBundled;
  std::string model = "grammar-base";  ///< a bundled model's name, or the path of a folder or of a capture
  /// Of an encoder-decoder: which of its attentions the views look at.
  AttentionStack stack = AttentionStack::kEncoder;
  std::int64_t batch_entry = 0;  ///< of a capture that holds several texts
  TrainedShape trained;          ///< shape of the parameters as they lie in the folder
  ParameterSource parameters = ParameterSource::kTrained;
  std::uint64_t lab_seed = 1;
  std::int64_t n_heads = 8;     ///< h
  std::int64_t n_kv_heads = 8;  ///< kv_heads
  std::int64_t d_model = 128;
  Mask mask;                    ///< direction and pattern; query_offset 0, no padding. Of an encoder-decoder: its encoder's
  std::vector<HeadRef> pruned;  ///< ascending, no duplicates. Of an encoder-decoder: heads of its encoder
  BackendChoice backend = BackendChoice::kAuto;
  Depth depth = Depth::kFirstLayer;  ///< of a text above kLongTokens tokens; changes nothing below

  /// d_k. The trained W_Q may be wider or narrower than d_model; the lab's is exactly as wide.
  std::int64_t d_head() const {
    return parameters == ParameterSource::kTrained ? trained.n_heads * trained.d_head / n_heads : d_model / n_heads;
  }
  bool operator==(const Compute&) const = default;
};

/// The first three step closer; the others are not about a head: kTrain is about a run, kSpeed about the shape, kCard about a model's size,
/// kDecode about what each next token costs and keeps, kCost about the machine that it takes.
enum class StageView { kHeads, kHead, kToken, kTrain, kSpeed, kCard, kDecode, kCost };
/// Whether a stage shows what `view` says of heads and tokens.
inline bool is_about_heads(StageView stage) {
  return stage == StageView::kHeads || stage == StageView::kHead || stage == StageView::kToken;
}
enum class ColorScale { kLinear, kLog, kPerRow };
enum class FirstToken { kShown, kLeftOut };
enum class ColorMapName { kViridis, kMagma, kCividis, kGrey };
enum class HeadSort { kLayer, kEntropy, kPreviousToken, kFirstToken, kSelf, kBroadcast };
/// How the heads grid is laid out: a row a layer, or a group for each pattern that names heads.
enum class HeadGroup { kLayers, kPatterns };
/// One picture a head; or one for all heads of a layer, for one head number over all layers, or for all heads: of their mean or largest
/// probabilities, as `together_by` says.
enum class HeadsTogether { kEach, kOfLayer, kOverLayers, kAll };
/// Whether rows and columns of special tokens ([CLS], <s>, ...) are drawn.
enum class SpecialCells { kShown, kHidden };
/// Of a pair of sentences: which queries and which keys are drawn.
enum class PairPart { kAll, kAToA, kAToB, kBToA, kBToB };
enum class HeadDrawing { kHeatmap, kArcs };
/// What the Speed stage shows: all its parts, or one of them large.
enum class SpeedSection { kAll, kLadder, kRoofline, kGrowth, kDevices };
/// What the Decode stage shows: one text token by token, many requests that share a memory, or what each cache costs in loss.
enum class DecodeSection { kSteps, kBatch, kQuality };
/// Whether a second plan stands beside the first.
enum class CostBeside { kNone, kPlan };
/// What stands below the stage, left of the predictions: times with the KV cache, the logit lens, or what the model writes.
enum class BottomPanel { kTiming, kLens, kWrite };

/// How it is looked at. Changing any of it computes nothing.
struct View {
  StageView stage = StageView::kHeads;
  /// The chosen head, unpruned numbering. At first the bundled model's clearest subject head and the row "was": something to read at once.
  std::optional<HeadRef> head = HeadRef{3, 1};
  std::optional<std::int64_t> query = 8;  ///< the chosen row: a token index
  std::optional<std::int64_t> key;        ///< the chosen column; with query: a cell
  Quantity quantity = Quantity::kProbs;
  Pooling pooling = Pooling::kMax;
  ColorScale scale = ColorScale::kLinear;
  FirstToken first_token = FirstToken::kShown;
  ColorMapName colormap = ColorMapName::kViridis;
  HeadSort sort = HeadSort::kLayer;
  HeadDrawing drawing = HeadDrawing::kHeatmap;
  BottomPanel bottom = BottomPanel::kTiming;
  HeadGroup group = HeadGroup::kLayers;
  HeadsTogether together = HeadsTogether::kEach;
  Pooling together_by = Pooling::kMean;
  /// Only heads that a measured pattern names are shown, or those of this one; with the search both must hold.
  enum class Named { kAny, kNamed, kPattern } named = Named::kAny;
  HeadPattern pattern = HeadPattern::kPreviousToken;  ///< of Named::kPattern
  std::string head_search;                            ///< "L3", "L3 H5", "previous": only heads that it fits are shown
  SpecialCells special_tokens = SpecialCells::kShown;
  PairPart pair_part = PairPart::kAll;
  double heads_zoom = 1;                    ///< of the heads grid, 1 = fits; in [1, 16]
  double heads_pan_x = 0, heads_pan_y = 0;  ///< in [0, 1]: which part the zoomed grid shows
  /// Of the chosen head's picture: 1 / zoom of the queries are shown, and `stretch` times as many keys; core/figure/head_window.h.
  double zoom = 1, stretch = 1;
  double pan_x = 0, pan_y = 0;  ///< in [0, 1]: 0 shows the first keys (queries), 1 the last
  KvType kv_type = KvType::kFloat32;
  std::int64_t kv_context = 0;  ///< tokens; 0 = as many as the sentence has
  SpeedSection speed_section = SpeedSection::kAll;
  std::int64_t speed_tokens = 0;  ///< that the Speed stage measures with; 0 = as many as the sentence has
  double speed_seconds = 0.3;     ///< for each figure that it measures, in [0.001, 10]
  /// What the Card stage shows: "" for the open model, "card:NAME" of the library, or the path of a config.json or folder.
  std::string card;
  std::string card_beside;  ///< likewise, compared with it; "": none
  DecodeSection decode_section = DecodeSection::kSteps;
  std::optional<std::int64_t> decode_step;  ///< of the Decode stage, counted from 0: the step looked at; nothing: the newest
  double decode_speed = 4;                  ///< steps a second while they are played, in [0.25, 60]
  std::int64_t batch_step = 0;              ///< of the simulated requests: the step looked at; beyond the last one: that
  CostBeside cost_beside = CostBeside::kNone;

  bool operator==(const View&) const = default;
};

/// How a model writes on.
struct WritePlan {
  std::int64_t tokens = 20;  ///< at most; in [1, 1024]
  double temperature = 0;    ///< 0: always the most probable; else logits are divided by it; at most 10
  std::int64_t top_k = 0;    ///< only so many of the most probable; 0: all
  double top_p = 1;          ///< only the most probable that together reach this probability; in (0, 1]
  std::uint64_t seed = 1;

  bool operator==(const WritePlan&) const = default;
};

/// How the Decode stage generates: the words are drawn as WritePlan says.
struct DecodePlan {
  KvCacheOptions cache;
  std::int64_t tokens = 32;  ///< at most; in [1, kMaxWrittenTokens]

  bool operator==(const DecodePlan&) const = default;
};

/// The one plain value that a saved file, an undo step, an export and a test case each are.
struct Session {
  Compute compute;
  View view;
  WritePlan write;
  DecodePlan decode;
  BatchPlan batch;
  CostPlan cost;
  CostPlan beside{.kv = KvType::kInt8};             ///< the second plan, of CostBeside::kPlan
  TrainPlan train = find_recipe("agreement").plan;  ///< what the Train stage trains next, and how
  TrainView train_view;
  bool operator==(const Session&) const = default;
};

}  // namespace headroom
