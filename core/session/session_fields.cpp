#include "core/session/session_fields.h"

#include <algorithm>
#include <charconv>

#include "core/session/session_field_makers.h"

namespace headroom {
namespace {

using namespace session_field;

void add_model_fields(std::vector<SessionField>& fields) {
  fields.push_back(text_field("compute.text", HEADROOM_AT(compute.text), HEADROOM_SET(TextEdited{s.compute.text})));
  fields.back().also = {"sentence"};
  fields.push_back(enum_field<ModelSource>("compute.model_source", HEADROOM_AT(compute.model_source), {}));
  fields.back().parse = {};
  fields.push_back(text_field("compute.model", HEADROOM_AT(compute.model), {}));
  fields.push_back(text_field("compute.second", HEADROOM_AT(compute.second), HEADROOM_SET(SecondTextEdited{s.compute.second})));
  fields.push_back({"compute.continuation",
                    {},
                    [](const Session& s) { return SessionJson(s.compute.continuation); },
                    [](Session& s, const SessionJson& json) {
                      if (!json.is_array()) throw Error("a list of token ids, such as [12, 345]");
                      std::vector<std::int32_t> ids;
                      for (const SessionJson& id : json)
                        ids.push_back(static_cast<std::int32_t>(std::clamp<std::int64_t>(integer_of(id), -1, INT32_MAX)));
                      s.compute.continuation = std::move(ids);
                    },
                    {},
                    HEADROOM_SET(ContinuationSet{s.compute.continuation})});
  fields.push_back(
      enum_field<AttentionStack>("compute.stack", HEADROOM_AT(compute.stack), HEADROOM_SET(StackSet{s.compute.stack}), {"stack"}));
  fields.push_back(
      integer_field("compute.batch_entry", HEADROOM_AT(compute.batch_entry), HEADROOM_SET(BatchEntrySet{s.compute.batch_entry})));
  const auto trained = [&](std::string name, auto at) {
    fields.push_back(integer_field("compute.trained." + std::move(name), at));
    fields.back().parse = {};
  };
  trained("n_layers", HEADROOM_AT(compute.trained.n_layers));
  trained("d_model", HEADROOM_AT(compute.trained.d_model));
  trained("n_heads", HEADROOM_AT(compute.trained.n_heads));
  trained("n_kv_heads", HEADROOM_AT(compute.trained.n_kv_heads));
  trained("d_head", HEADROOM_AT(compute.trained.d_head));
  trained("d_ff", HEADROOM_AT(compute.trained.d_ff));
  trained("vocab_size", HEADROOM_AT(compute.trained.vocab_size));
  trained("max_positions", HEADROOM_AT(compute.trained.max_positions));
  trained("n_encoder_layers", HEADROOM_AT(compute.trained.n_encoder_layers));
  fields.push_back(enum_field<ModelKind>("compute.trained.kind", HEADROOM_AT(compute.trained.kind), {}));
  fields.back().parse = {};
  fields.push_back(enum_field<PositionKind>("compute.trained.positions", HEADROOM_AT(compute.trained.positions), {}));
  fields.back().parse = {};
}

void add_compute_fields(std::vector<SessionField>& fields) {
  fields.push_back(enum_field<ParameterSource>("compute.parameters", HEADROOM_AT(compute.parameters),
                                               HEADROOM_SET(ParameterSourceSet{s.compute.parameters}), {"params"}));
  fields.push_back(seed_field("compute.lab_seed", HEADROOM_AT(compute.lab_seed), HEADROOM_SET(LabSeedSet{s.compute.lab_seed})));
  fields.push_back(integer_field("compute.n_heads", HEADROOM_AT(compute.n_heads), HEADROOM_SET(HeadsCountSet{s.compute.n_heads}),
                                 {"h", "heads"}));
  fields.push_back(integer_field("compute.n_kv_heads", HEADROOM_AT(compute.n_kv_heads),
                                 HEADROOM_SET(KvHeadsSet{s.compute.n_kv_heads}), {"kv_heads"}));
  fields.push_back(integer_field("compute.d_model", HEADROOM_AT(compute.d_model), HEADROOM_SET(DModelSet{s.compute.d_model})));
  fields.push_back(enum_field<Direction>("compute.direction", HEADROOM_AT(compute.mask.direction),
                                         HEADROOM_SET(DirectionSet{s.compute.mask.direction}), {"mask"}));
  const MakeAction pattern = HEADROOM_SET(PatternSet{s.compute.mask.pattern});
  fields.push_back(enum_field<PatternKind>("compute.pattern", HEADROOM_AT(compute.mask.pattern.kind), pattern));
  fields.push_back(integer_field("compute.window", HEADROOM_AT(compute.mask.pattern.window), pattern));
  fields.push_back(integer_field("compute.stride", HEADROOM_AT(compute.mask.pattern.stride), pattern));
  fields.push_back(integer_field("compute.n_global", HEADROOM_AT(compute.mask.pattern.n_global), pattern));
  fields.push_back(integer_field("compute.block", HEADROOM_AT(compute.mask.pattern.block), pattern));
  fields.push_back(integer_field("compute.blocks_per_row", HEADROOM_AT(compute.mask.pattern.blocks_per_row), pattern));
  fields.push_back(seed_field("compute.pattern_seed", HEADROOM_AT(compute.mask.pattern.seed), pattern));
  fields.push_back({"compute.pruned",
                    {"prune"},
                    [](const Session& s) {
                      SessionJson heads = SessionJson::array();
                      for (const HeadRef& head : s.compute.pruned)
                        heads.push_back(head_key(head));
                      return heads;
                    },
                    [](Session& s, const SessionJson& json) {
                      if (!json.is_array()) throw Error("a list of heads, such as [\"0.3\", \"2.1\"]");
                      s.compute.pruned.clear();
                      for (const SessionJson& head : json)
                        s.compute.pruned.push_back(head_of(head));
                    },
                    parse_heads,
                    {}});
  fields.push_back(
      enum_field<BackendChoice>("compute.backend", HEADROOM_AT(compute.backend), HEADROOM_SET(BackendSet{s.compute.backend})));
  fields.push_back(enum_field<Depth>("compute.depth", HEADROOM_AT(compute.depth), HEADROOM_SET(DepthSet{s.compute.depth})));
}

void add_view_fields(std::vector<SessionField>& fields) {
  fields.push_back(enum_field<StageView>("view.stage", HEADROOM_AT(view.stage), HEADROOM_SET(StageViewSet{s.view.stage})));
  fields.push_back(head_field("view.head", HEADROOM_AT(view.head), [](const Session& s) -> Action {
    if (s.view.head) return HeadSelected{*s.view.head};
    return SessionReplaced{s};
  }));
  fields.push_back(token_field("view.query", HEADROOM_AT(view.query), [](const Session& s) -> Action {
    if (s.view.query) return QuerySelected{*s.view.query};
    return SessionReplaced{s};
  }));
  fields.push_back(token_field("view.key", HEADROOM_AT(view.key), {}));
  fields.push_back(enum_field<Quantity>("view.quantity", HEADROOM_AT(view.quantity), HEADROOM_SET(QuantitySet{s.view.quantity})));
  fields.push_back(enum_field<Pooling>("view.pooling", HEADROOM_AT(view.pooling), HEADROOM_SET(PoolingSet{s.view.pooling})));
  fields.push_back(enum_field<ColorScale>("view.scale", HEADROOM_AT(view.scale), HEADROOM_SET(ColorScaleSet{s.view.scale})));
  fields.push_back(
      enum_field<FirstToken>("view.first_token", HEADROOM_AT(view.first_token), HEADROOM_SET(FirstTokenSet{s.view.first_token})));
  fields.push_back(
      enum_field<ColorMapName>("view.colormap", HEADROOM_AT(view.colormap), HEADROOM_SET(ColorMapSet{s.view.colormap})));
  fields.push_back(enum_field<HeadSort>("view.sort", HEADROOM_AT(view.sort), HEADROOM_SET(HeadSortSet{s.view.sort})));
  fields.push_back(
      enum_field<HeadDrawing>("view.drawing", HEADROOM_AT(view.drawing), HEADROOM_SET(HeadDrawingSet{s.view.drawing})));
  fields.push_back(
      enum_field<BottomPanel>("view.bottom", HEADROOM_AT(view.bottom), HEADROOM_SET(BottomPanelSet{s.view.bottom}), {"bottom"}));
  fields.push_back(enum_field<HeadGroup>("view.group", HEADROOM_AT(view.group), HEADROOM_SET(HeadGroupSet{s.view.group})));
  const MakeAction together = HEADROOM_SET((HeadsTogetherSet{s.view.together, s.view.together_by}));
  fields.push_back(enum_field<HeadsTogether>("view.together", HEADROOM_AT(view.together), together));
  fields.push_back(enum_field<Pooling>("view.together_by", HEADROOM_AT(view.together_by), together));
  const MakeAction filter = HEADROOM_SET((HeadFilterSet{s.view.named, s.view.pattern}));
  fields.push_back(enum_field<View::Named>("view.named", HEADROOM_AT(view.named), filter));
  fields.push_back(enum_field<HeadPattern>("view.named_pattern", HEADROOM_AT(view.pattern), filter));
  fields.push_back(text_field("view.head_search", HEADROOM_AT(view.head_search), HEADROOM_SET(HeadSearchSet{s.view.head_search})));
  fields.push_back(enum_field<SpecialCells>("view.special_tokens", HEADROOM_AT(view.special_tokens),
                                            HEADROOM_SET(SpecialCellsSet{s.view.special_tokens})));
  fields.push_back(
      enum_field<PairPart>("view.pair_part", HEADROOM_AT(view.pair_part), HEADROOM_SET(PairPartSet{s.view.pair_part})));
  const MakeAction card = HEADROOM_SET((CardChosen{s.view.card, s.view.card_beside}));
  fields.push_back(text_field("view.card", HEADROOM_AT(view.card), card));
  fields.push_back(text_field("view.card_beside", HEADROOM_AT(view.card_beside), card));
  fields.push_back(number_field("view.heads_zoom", HEADROOM_AT(view.heads_zoom)));
  fields.push_back(number_field("view.heads_pan_x", HEADROOM_AT(view.heads_pan_x)));
  fields.push_back(number_field("view.heads_pan_y", HEADROOM_AT(view.heads_pan_y)));
  fields.push_back(number_field("view.zoom", HEADROOM_AT(view.zoom)));
  fields.push_back(number_field("view.stretch", HEADROOM_AT(view.stretch)));
  fields.push_back(number_field("view.pan_x", HEADROOM_AT(view.pan_x)));
  fields.push_back(number_field("view.pan_y", HEADROOM_AT(view.pan_y)));
  fields.push_back(enum_field<KvType>("view.kv_type", HEADROOM_AT(view.kv_type), HEADROOM_SET(KvTypeSet{s.view.kv_type})));
  fields.push_back(integer_field("view.kv_context", HEADROOM_AT(view.kv_context), HEADROOM_SET(KvContextSet{s.view.kv_context})));
  fields.push_back(enum_field<SpeedSection>("view.speed_section", HEADROOM_AT(view.speed_section),
                                            HEADROOM_SET(SpeedSectionSet{s.view.speed_section})));
  fields.push_back(
      integer_field("view.speed_tokens", HEADROOM_AT(view.speed_tokens), HEADROOM_SET(SpeedTokensSet{s.view.speed_tokens})));
  fields.push_back(number_field("view.speed_seconds", HEADROOM_AT(view.speed_seconds)));
}

}  // namespace

const std::vector<SessionField>& session_fields() {
  static const std::vector<SessionField> fields = [] {
    std::vector<SessionField> all;
    add_model_fields(all);
    add_compute_fields(all);
    add_view_fields(all);
    add_plan_fields(all);
    return all;
  }();
  return fields;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  digits.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    digits += kDigits[byte >> 4];
    digits += kDigits[byte & 15];
  }
  return digits;
}

std::string from_hex(std::string_view digits) {
  if (digits.size() % 2 != 0) throw Error("two hexadecimal digits a byte");
  std::string bytes(digits.size() / 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    unsigned char byte = 0;
    const char* begin = digits.data() + 2 * i;
    const auto [end, error] = std::from_chars(begin, begin + 2, byte, 16);
    if (error != std::errc() || end != begin + 2) throw Error("two hexadecimal digits a byte");
    bytes[i] = static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace headroom
