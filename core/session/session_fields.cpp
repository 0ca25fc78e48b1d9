#include "core/session/session_fields.h"

#include <charconv>
#include <limits>

#include "core/session/names.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

// ---- values in files and as typed -------------------------------------------------------------------------------------------------

std::int64_t integer_of(const SessionJson& json) {
  if (!json.is_number_integer()) throw Error("a whole number");
  if (json.is_number_unsigned() &&
      json.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    throw Error("a whole number below 2^63");
  }
  return json.get<std::int64_t>();
}

std::uint64_t seed_of(const SessionJson& json) {
  if (!json.is_number_unsigned()) throw Error("a whole number from 0 to 2^64 - 1");
  return json.get<std::uint64_t>();
}

double number_of(const SessionJson& json) {
  if (!json.is_number()) throw Error("a number");
  return json.get<double>();
}

std::string text_of(const SessionJson& json) {
  if (!json.is_string()) throw Error("a text in quotes");
  return json.get<std::string>();
}

template <typename E>
E enum_of(const SessionJson& json) {
  const auto value = json.is_string() ? enum_from_name<E>(json.get_ref<const std::string&>()) : std::nullopt;
  if (!value) throw Error("one of " + enum_choices<E>());
  return *value;
}

HeadRef head_of(const SessionJson& json) {
  const auto head = json.is_string() ? head_from_key(json.get_ref<const std::string&>()) : std::nullopt;
  if (!head) throw Error("layer.head, both counted from 0, such as \"3.7\"");
  return *head;
}

template <typename T>
SessionJson parse_number(std::string_view text, const char* right) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) throw Error(right);
  return value;
}

SessionJson parse_integer(std::string_view text) { return parse_number<std::int64_t>(text, "a whole number, such as 4"); }
SessionJson parse_seed(std::string_view text) { return parse_number<std::uint64_t>(text, "a whole number from 0 to 2^64 - 1"); }
SessionJson parse_double(std::string_view text) { return parse_number<double>(text, "a number, such as 1.5"); }
SessionJson parse_text(std::string_view text) { return std::string(text); }

bool is_none(std::string_view text) { return text.empty() || text == "none" || text == "null"; }

/// The name that `text` means: "-", "_" and a space all separate words.
template <typename E>
SessionJson parse_name(std::string_view text) {
  const auto joined = [](std::string_view words) {
    std::string name(words);
    for (char& c : name) {
      if (c == '-' || c == ' ') c = '_';
    }
    return name;
  };
  for (const EnumName<E>& entry : enum_names<E>()) {
    if (joined(entry.name) == joined(text)) return entry.name;
  }
  return joined(text);
}

SessionJson parse_head(std::string_view text) { return is_none(text) ? SessionJson(nullptr) : SessionJson(std::string(text)); }

SessionJson parse_token(std::string_view text) {
  if (is_none(text)) return nullptr;
  return parse_number<std::uint32_t>(text, "a token's place in the sentence counted from 0, or none");
}

SessionJson parse_count(std::string_view text) {
  if (is_none(text)) return nullptr;
  return parse_integer(text);
}

/// Words with commas between them.
SessionJson parse_words(std::string_view text) {
  SessionJson words = SessionJson::array();
  while (!is_none(text)) {
    const std::size_t comma = text.find(',');
    words.push_back(std::string(text.substr(0, comma)));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return words;
}

SessionJson parse_heads(std::string_view text) {
  SessionJson heads = SessionJson::array();
  if (is_none(text)) return heads;
  while (true) {
    const std::size_t comma = text.find(',');
    std::string_view part = text.substr(0, comma);
    while (!part.empty() && part.front() == ' ')
      part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ')
      part.remove_suffix(1);
    if (!head_from_key(part)) throw Error("layer.head pairs with commas between them, such as 0.3,2.1, or nothing");
    heads.push_back(std::string(part));
    if (comma == std::string_view::npos) return heads;
    text.remove_prefix(comma + 1);
  }
}

// ---- makers of fields: `at` finds the value inside a Session ------------------------------------------------------------------------

using MakeAction = std::function<Action(const Session&)>;

template <typename At>
SessionField integer_field(std::string path, At at, MakeAction action = {}, std::vector<std::string> also = {}) {
  return {std::move(path),
          std::move(also),
          [at](const Session& s) { return SessionJson(at(s)); },
          [at](Session& s, const SessionJson& json) { at(s) = integer_of(json); },
          parse_integer,
          std::move(action)};
}

template <typename At>
SessionField seed_field(std::string path, At at, MakeAction action) {
  return {std::move(path),
          {},
          [at](const Session& s) { return SessionJson(at(s)); },
          [at](Session& s, const SessionJson& json) { at(s) = seed_of(json); },
          parse_seed,
          std::move(action)};
}

template <typename At>
SessionField number_field(std::string path, At at) {
  return {std::move(path),
          {},
          [at](const Session& s) { return SessionJson(at(s)); },
          [at](Session& s, const SessionJson& json) { at(s) = number_of(json); },
          parse_double,
          {}};
}

template <typename At>
SessionField text_field(std::string path, At at, MakeAction action) {
  SessionField field{std::move(path),
                     {},
                     [at](const Session& s) { return SessionJson(static_cast<const std::string&>(at(s))); },
                     [at](Session& s, const SessionJson& json) { at(s) = text_of(json); },
                     parse_text,
                     std::move(action)};
  field.is_text = true;
  return field;
}

template <typename E, typename At>
SessionField enum_field(std::string path, At at, MakeAction action, std::vector<std::string> also = {}) {
  return {std::move(path),
          std::move(also),
          [at](const Session& s) { return SessionJson(enum_name<E>(at(s))); },
          [at](Session& s, const SessionJson& json) { at(s) = enum_of<E>(json); },
          parse_name<E>,
          std::move(action)};
}

template <typename At>
SessionField token_field(std::string path, At at, MakeAction action) {
  return {std::move(path),
          {},
          [at](const Session& s) { return at(s) ? SessionJson(*at(s)) : SessionJson(nullptr); },
          [at](Session& s, const SessionJson& json) {
            at(s).reset();
            if (!json.is_null()) at(s) = integer_of(json);
            if (at(s) && *at(s) < 0) throw Error("a token's place in the sentence counted from 0, or null");
          },
          parse_token,
          std::move(action)};
}

template <typename At>
SessionField head_field(std::string path, At at, MakeAction action) {
  return {std::move(path),
          {},
          [at](const Session& s) { return at(s) ? SessionJson(head_key(*at(s))) : SessionJson(nullptr); },
          [at](Session& s, const SessionJson& json) {
            at(s).reset();
            if (!json.is_null()) at(s) = head_of(json);
          },
          parse_head,
          std::move(action)};
}

/// So many tokens, or none.
template <typename At>
SessionField count_field(std::string path, At at, MakeAction action) {
  return {std::move(path),
          {},
          [at](const Session& s) { return at(s) ? SessionJson(*at(s)) : SessionJson(nullptr); },
          [at](Session& s, const SessionJson& json) {
            at(s).reset();
            if (!json.is_null()) at(s) = integer_of(json);
          },
          parse_count,
          std::move(action)};
}

// `auto&` both reads from a const Session and writes into a free one.
#define HEADROOM_AT(member) \
  [](auto& s) -> auto& { return s.member; }
#define HEADROOM_SET(made) [](const Session& s) -> Action { return made; }

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

void add_write_fields(std::vector<SessionField>& fields) {
  const MakeAction write = HEADROOM_SET(WritePlanSet{s.write});
  fields.push_back(integer_field("write.tokens", HEADROOM_AT(write.tokens), write));
  fields.push_back(number_field("write.temperature", HEADROOM_AT(write.temperature)));
  fields.push_back(integer_field("write.top_k", HEADROOM_AT(write.top_k), write));
  fields.push_back(number_field("write.top_p", HEADROOM_AT(write.top_p)));
  fields.push_back(seed_field("write.seed", HEADROOM_AT(write.seed), write));
}

void add_decode_fields(std::vector<SessionField>& fields) {
  const MakeAction plan = HEADROOM_SET(DecodePlanSet{s.decode});
  fields.push_back(enum_field<CacheLayout>("decode.layout", HEADROOM_AT(decode.cache.layout), plan));
  fields.push_back(enum_field<KvType>("decode.type", HEADROOM_AT(decode.cache.type), plan));
  fields.push_back(integer_field("decode.page_rows", HEADROOM_AT(decode.cache.page_rows), plan));
  fields.push_back(enum_field<Eviction>("decode.eviction", HEADROOM_AT(decode.cache.eviction), plan));
  fields.push_back(integer_field("decode.window", HEADROOM_AT(decode.cache.window), plan));
  fields.push_back(integer_field("decode.n_first", HEADROOM_AT(decode.cache.n_first), plan));
  fields.push_back(integer_field("decode.n_heavy", HEADROOM_AT(decode.cache.n_heavy), plan));
  fields.push_back(integer_field("decode.tokens", HEADROOM_AT(decode.tokens), plan));
  fields.push_back(enum_field<DecodeSection>("view.decode_section", HEADROOM_AT(view.decode_section),
                                             HEADROOM_SET(DecodeSectionSet{s.view.decode_section})));
  fields.push_back(count_field("view.decode_step", HEADROOM_AT(view.decode_step), HEADROOM_SET(DecodeStepSet{s.view.decode_step})));
  fields.push_back(number_field("view.decode_speed", HEADROOM_AT(view.decode_speed)));
}

void add_batch_fields(std::vector<SessionField>& fields) {
  const MakeAction plan = HEADROOM_SET(BatchPlanSet{s.batch});
  fields.push_back(integer_field("batch.n_requests", HEADROOM_AT(batch.n_requests), plan));
  fields.push_back(number_field("batch.memory_mib", HEADROOM_AT(batch.memory_mib)));
  fields.push_back(integer_field("batch.max_tokens", HEADROOM_AT(batch.max_tokens), plan));
  fields.push_back(integer_field("batch.prompt_least", HEADROOM_AT(batch.prompt_least), plan));
  fields.push_back(integer_field("batch.prompt_most", HEADROOM_AT(batch.prompt_most), plan));
  fields.push_back(integer_field("batch.answer_least", HEADROOM_AT(batch.answer_least), plan));
  fields.push_back(integer_field("batch.answer_most", HEADROOM_AT(batch.answer_most), plan));
  fields.push_back(integer_field("batch.shared_prefix", HEADROOM_AT(batch.shared_prefix), plan));
  fields.push_back(number_field("batch.arrivals", HEADROOM_AT(batch.arrivals)));
  fields.push_back(seed_field("batch.seed", HEADROOM_AT(batch.seed), plan));
  fields.push_back(integer_field("view.batch_step", HEADROOM_AT(view.batch_step), HEADROOM_SET(BatchStepSet{s.view.batch_step})));
}

/// Of the plan that `at` finds, under its own name.
template <typename At>
void add_cost_fields(std::vector<SessionField>& fields, const std::string& name, At at) {
  const MakeAction plan = HEADROOM_SET((CostPlanSet{s.cost, s.beside}));
  const auto of = [at](auto member) {
    return [ at, member ](auto& s) -> auto& { return at(s).*member; };
  };
  fields.push_back(text_field(name + ".card", of(&CostPlan::card), plan));
  fields.push_back(integer_field(name + ".context", of(&CostPlan::context), plan));
  fields.push_back(integer_field(name + ".batch", of(&CostPlan::batch), plan));
  fields.push_back(enum_field<KvType>(name + ".weights", of(&CostPlan::weights), plan));
  fields.push_back(enum_field<KvType>(name + ".kv", of(&CostPlan::kv), plan));
  fields.push_back(text_field(name + ".device", of(&CostPlan::device), plan));
  fields.push_back(integer_field(name + ".tensor_parallel", of(&CostPlan::tensor_parallel), plan));
  fields.push_back(integer_field(name + ".n_kv_heads", of(&CostPlan::n_kv_heads), plan));
  fields.push_back(integer_field(name + ".window", of(&CostPlan::window), plan));
  fields.push_back(integer_field(name + ".page_rows", of(&CostPlan::page_rows), plan));
}

void add_plan_fields(std::vector<SessionField>& fields) {
  add_cost_fields(fields, "cost", HEADROOM_AT(cost));
  add_cost_fields(fields, "beside", HEADROOM_AT(beside));
  fields.push_back(
      enum_field<CostBeside>("view.cost_beside", HEADROOM_AT(view.cost_beside), HEADROOM_SET(CostBesideSet{s.view.cost_beside})));
}

void add_train_view_fields(std::vector<SessionField>& fields) {
  fields.push_back(
      text_field("train_view.sentence", HEADROOM_AT(train_view.sentence), HEADROOM_SET(WatchedSentenceSet{s.train_view.sentence})));
  fields.back().also = {"watch"};
  fields.push_back(enum_field<AttentionStack>("train_view.stack", HEADROOM_AT(train_view.stack),
                                              HEADROOM_SET(TrainStackSet{s.train_view.stack})));
  fields.push_back(head_field("train_view.head", HEADROOM_AT(train_view.head), [](const Session& s) -> Action {
    if (s.train_view.head) return TrainHeadSelected{*s.train_view.head};
    return SessionReplaced{s};
  }));
  fields.push_back(
      enum_field<TrainHeads>("train_view.heads", HEADROOM_AT(train_view.heads), HEADROOM_SET(TrainHeadsSet{s.train_view.heads})));
  fields.push_back(count_field("train_view.at", HEADROOM_AT(train_view.at), HEADROOM_SET(TrainTimeSet{s.train_view.at})));
  fields.push_back(
      count_field("train_view.compared", HEADROOM_AT(train_view.compared), HEADROOM_SET(TrainComparedSet{s.train_view.compared})));
  fields.push_back({"train_view.hidden_roles",
                    {},
                    [](const Session& s) { return SessionJson(s.train_view.hidden_roles); },
                    [](Session& s, const SessionJson& json) {
                      if (!json.is_array()) throw Error("a list of roles, such as [\"previous\", \"copy\"]");
                      s.train_view.hidden_roles.clear();
                      for (const SessionJson& role : json)
                        s.train_view.hidden_roles.push_back(text_of(role));
                    },
                    parse_words,
                    {}});
  fields.push_back(text_field("train_view.experiment", HEADROOM_AT(train_view.experiment),
                              HEADROOM_SET(ExperimentChosen{s.train_view.experiment})));
  fields.back().is_text = false;  // its letters are plain ones
  fields.push_back(number_field("train_view.speed", HEADROOM_AT(train_view.speed)));
}

#undef HEADROOM_AT
#undef HEADROOM_SET

}  // namespace

const std::vector<SessionField>& session_fields() {
  static const std::vector<SessionField> fields = [] {
    std::vector<SessionField> all;
    add_model_fields(all);
    add_compute_fields(all);
    add_view_fields(all);
    add_write_fields(all);
    add_decode_fields(all);
    add_batch_fields(all);
    add_plan_fields(all);
    add_train_view_fields(all);
    return all;
  }();
  return fields;
}

bool is_valid_utf8(std::string_view bytes) {
  std::size_t i = 0;
  while (i < bytes.size()) {
    const auto first = static_cast<unsigned char>(bytes[i]);
    if (first < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || i + length > bytes.size()) return false;
    unsigned code = first & (0x7Fu >> length);
    for (std::size_t n = 1; n < length; ++n) {
      const auto next = static_cast<unsigned char>(bytes[i + n]);
      if ((next & 0xC0u) != 0x80u) return false;
      code = (code << 6) | (next & 0x3Fu);
    }
    const bool is_overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    if (is_overlong || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
    i += length;
  }
  return true;
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
