#include "core/session/validity.h"

#include <algorithm>
#include <cmath>

#include "core/attention/config.h"
#include "core/session/names.h"

namespace headroom {
namespace {

/// Clamps and says so.
template <typename T>
void clamp_value(T& value, T low, T high, const char* name, std::vector<std::string>& notices) {
  const T asked = value;
  value = std::clamp(value, low, high);
  if (value != asked) {
    notices.push_back(std::string(name) + " = " + std::to_string(asked) + " is outside " + std::to_string(low) + " to " +
                      std::to_string(high) + ": it became " + std::to_string(value) + ".");
  }
}

void take(std::int64_t& value, const Snapped& snapped, std::vector<std::string>& notices) {
  if (snapped.value != value && !snapped.why.empty()) notices.push_back(snapped.why);
  value = snapped.value;
}

/// Every enumeration value must have a name; a Session from memory could hold any integer.
template <typename E>
void valid_enum(E& value, E fallback) {
  if (*enum_name(value) == '\0') value = fallback;
}

/// A capture has what was captured: nothing of it can be set.
void make_valid_capture(Compute& compute) {
  compute.parameters = ParameterSource::kTrained;
  compute.n_heads = compute.trained.n_heads;
  compute.n_kv_heads = compute.trained.n_kv_heads;
  compute.d_model = compute.trained.d_model;
  compute.mask = Mask{.direction = own_direction(compute.trained, compute.stack)};
  compute.pruned.clear();
  compute.continuation.clear();
  compute.depth = Depth::kFirstLayer;
}

void make_valid_shape(Compute& compute, std::vector<std::string>& notices) {
  if (const auto problem = shape_problem(compute.trained)) {
    notices.push_back(*problem + " The shape of grammar-base was taken instead.");
    compute.trained = TrainedShape{};
    compute.model_source = ModelSource::kBundled;
    compute.model = Compute{}.model;
    compute.parameters = ParameterSource::kTrained;
  }
  if (compute.parameters == ParameterSource::kTrained) {
    if (compute.d_model != compute.trained.d_model) {
      notices.push_back("d_model = " + std::to_string(compute.d_model) + " is not the trained model's: it became " +
                        std::to_string(compute.trained.d_model) + ".");
      compute.d_model = compute.trained.d_model;
    }
  } else {
    take(compute.d_model, snap_lab_d_model(compute.d_model), notices);
  }
  const bool was_mha = compute.n_kv_heads == compute.n_heads;
  const std::int64_t asked_heads = compute.n_heads;
  take(compute.n_heads, nearest_heads(compute, compute.n_heads), notices);
  if (compute.n_heads != asked_heads) {
    resnap_kv_heads(compute, was_mha);
  } else {
    take(compute.n_kv_heads, nearest_kv_heads(compute, compute.n_kv_heads), notices);
  }
}

void make_valid_pruning(Compute& compute, std::vector<std::string>& notices) {
  std::vector<HeadRef>& pruned = compute.pruned;
  std::sort(pruned.begin(), pruned.end());
  pruned.erase(std::unique(pruned.begin(), pruned.end()), pruned.end());
  const std::size_t before = pruned.size();
  Compute encoder = compute;  // whose heads can be pruned, whichever stack is looked at
  encoder.stack = AttentionStack::kEncoder;
  std::erase_if(pruned, [&](const HeadRef& head) { return !has_head(encoder, head); });
  if (pruned.size() != before) {
    const std::size_t n = before - pruned.size();
    notices.push_back(std::to_string(n) + (n == 1 ? " pruned head does" : " pruned heads do") + " not exist in this shape and " +
                      (n == 1 ? "was" : "were") + " forgotten.");
  }
}

void make_valid_view(Session& session, std::vector<std::string>& notices) {
  View& view = session.view;
  const View defaults;
  valid_enum(view.stage, defaults.stage);
  valid_enum(view.quantity, defaults.quantity);
  valid_enum(view.pooling, defaults.pooling);
  valid_enum(view.scale, defaults.scale);
  valid_enum(view.first_token, defaults.first_token);
  valid_enum(view.colormap, defaults.colormap);
  valid_enum(view.sort, defaults.sort);
  valid_enum(view.drawing, defaults.drawing);
  valid_enum(view.bottom, defaults.bottom);
  valid_enum(view.group, defaults.group);
  valid_enum(view.together, defaults.together);
  valid_enum(view.together_by, defaults.together_by);
  valid_enum(view.named, defaults.named);
  valid_enum(view.pattern, defaults.pattern);
  valid_enum(view.special_tokens, defaults.special_tokens);
  valid_enum(view.pair_part, defaults.pair_part);
  if (view.head_search.size() > kMaxSearchBytes) view.head_search.resize(kMaxSearchBytes);
  for (std::string* card : {&view.card, &view.card_beside}) {
    if (card->size() > kMaxCardBytes) card->clear();
  }
  valid_enum(view.kv_type, defaults.kv_type);
  valid_enum(view.speed_section, defaults.speed_section);
  valid_enum(view.decode_section, defaults.decode_section);
  valid_enum(view.cost_beside, defaults.cost_beside);
  if (view.decode_step && *view.decode_step < 0) view.decode_step.reset();
  view.batch_step = std::max<std::int64_t>(view.batch_step, 0);
  if (!std::isfinite(view.decode_speed)) view.decode_speed = defaults.decode_speed;
  clamp_value(view.decode_speed, kLeastDecodeSpeed, kMostDecodeSpeed, "decode_speed", notices);
  if (view.head && !has_head(session.compute, *view.head)) {
    notices.push_back("The chosen head " + head_text(*view.head) + " does not exist in this shape.");
    view.head.reset();
    if (view.stage == StageView::kHead) view.stage = StageView::kHeads;
  }
  if (view.stage == StageView::kHead && !view.head) view.head = HeadRef{0, 0};  // never an empty canvas
  if (view.query && *view.query < 0) view.query.reset();
  if (view.key && (*view.key < 0 || !view.query)) {
    if (!view.query) notices.push_back("A chosen key needs a chosen query: it was released.");
    view.key.reset();
  }
  for (double* zoom : {&view.heads_zoom, &view.zoom, &view.stretch}) {
    if (!std::isfinite(*zoom)) *zoom = 1;
  }
  for (double* pan : {&view.heads_pan_x, &view.heads_pan_y, &view.pan_x, &view.pan_y}) {
    if (!std::isfinite(*pan)) *pan = 0;
  }
  clamp_value(view.heads_zoom, 1.0, kMaxHeadsZoom, "heads_zoom", notices);
  clamp_value(view.heads_pan_x, 0.0, 1.0, "heads_pan_x", notices);
  clamp_value(view.heads_pan_y, 0.0, 1.0, "heads_pan_y", notices);
  clamp_value(view.zoom, 1.0, kMaxZoom, "zoom", notices);
  clamp_value(view.stretch, 1 / kMaxZoom, kMaxZoom, "stretch", notices);
  clamp_value(view.pan_x, 0.0, 1.0, "pan_x", notices);
  clamp_value(view.pan_y, 0.0, 1.0, "pan_y", notices);
  clamp_value(view.kv_context, std::int64_t{0}, kMaxKvContext, "kv_context", notices);
  clamp_value(view.speed_tokens, std::int64_t{0}, kMaxSpeedTokens, "speed_tokens", notices);
  if (!std::isfinite(view.speed_seconds)) view.speed_seconds = defaults.speed_seconds;
  clamp_value(view.speed_seconds, kLeastSpeedSeconds, kMostSpeedSeconds, "speed_seconds", notices);
}

bool is_train_id(const std::string& id) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; };
  return !id.empty() && id.size() <= kMaxTrainIdBytes && std::all_of(id.begin(), id.end(), is_letter);
}

void make_valid(WritePlan& plan, std::vector<std::string>& notices) {
  const WritePlan defaults;
  clamp_value(plan.tokens, std::int64_t{1}, kMaxWrittenTokens, "the number of tokens to write", notices);
  if (!std::isfinite(plan.temperature)) plan.temperature = defaults.temperature;
  if (!std::isfinite(plan.top_p)) plan.top_p = defaults.top_p;
  clamp_value(plan.temperature, 0.0, 10.0, "the temperature", notices);
  clamp_value(plan.top_p, 0.001, 1.0, "top_p", notices);
  clamp_value(plan.top_k, std::int64_t{0}, std::int64_t{1} << 24, "top_k", notices);
}

void make_valid(DecodePlan& plan, std::vector<std::string>& notices) {
  const KvCacheOptions defaults;
  KvCacheOptions& cache = plan.cache;
  valid_enum(cache.layout, defaults.layout);
  valid_enum(cache.type, defaults.type);
  valid_enum(cache.eviction, defaults.eviction);
  clamp_value(plan.tokens, std::int64_t{1}, kMaxWrittenTokens, "the number of tokens to decode", notices);
  clamp_value(cache.page_rows, std::int64_t{1}, kMaxPageRows, "page_rows", notices);
  clamp_value(cache.window, std::int64_t{1}, kMaxKept, "the cache's window", notices);
  clamp_value(cache.n_first, std::int64_t{0}, kMaxKept, "n_first", notices);
  clamp_value(cache.n_heavy, std::int64_t{0}, kMaxKept, "n_heavy", notices);
}

template <typename Plan>
void take_settled(Plan& plan, std::vector<std::string>& notices) {
  std::string why;
  plan = settle(plan, &why);
  if (!why.empty()) notices.push_back(std::move(why));
}

void make_valid(CostPlan& plan, std::vector<std::string>& notices) {
  const CostPlan defaults;
  valid_enum(plan.weights, defaults.weights);
  valid_enum(plan.kv, defaults.kv);
  if (plan.card.size() > kMaxCardBytes) plan.card.clear();
  if (plan.device.empty() || plan.device.size() > kMaxCardBytes) plan.device = defaults.device;
  take_settled(plan, notices);
}

void make_valid_train_view(TrainView& view, std::vector<std::string>& notices) {
  const TrainView defaults;
  if (std::string notice = limit_text(view.sentence, kMaxWatchedBytes); !notice.empty()) notices.push_back(std::move(notice));
  valid_enum(view.stack, defaults.stack);
  valid_enum(view.heads, defaults.heads);
  if (view.head && (view.head->layer < 0 || view.head->head < 0)) view.head.reset();
  if (!view.head) view.heads = TrainHeads::kAll;
  for (std::optional<std::int64_t>* time : {&view.at, &view.compared}) {
    if (*time && **time < 0) time->reset();
  }
  std::vector<std::string>& hidden = view.hidden_roles;
  std::erase_if(hidden, [](const std::string& role) { return !is_train_id(role); });
  std::sort(hidden.begin(), hidden.end());
  hidden.erase(std::unique(hidden.begin(), hidden.end()), hidden.end());
  if (hidden.size() > kMaxHiddenRoles) hidden.resize(kMaxHiddenRoles);
  if (!is_train_id(view.experiment)) view.experiment.clear();
  if (!std::isfinite(view.speed)) view.speed = defaults.speed;
  clamp_value(view.speed, kLeastTrainSpeed, 1.0, "the training speed", notices);
}

}  // namespace

std::optional<std::string> shape_problem(const TrainedShape& shape) {
  struct Limit {
    const char* name;
    std::int64_t value;
    std::int64_t high;
    std::int64_t low = 1;
  };
  // Far above any published model, far below what overflows a product of three.
  const Limit limits[] = {{"n_layers", shape.n_layers, 1024},        {"d_model", shape.d_model, 65536},
                          {"n_heads", shape.n_heads, 1024},          {"n_kv_heads", shape.n_kv_heads, 1024},
                          {"d_head", shape.d_head, kMaxDHead},       {"d_ff", shape.d_ff, 1 << 20, 0},
                          {"vocab_size", shape.vocab_size, 1 << 24}, {"max_positions", shape.max_positions, 1 << 28}};
  for (const Limit& limit : limits) {
    if (limit.value < limit.low || limit.value > limit.high) {
      return std::string("The model's ") + limit.name + " is " + std::to_string(limit.value) + "; it must be between " +
             std::to_string(limit.low) + " and " + std::to_string(limit.high) + ".";
    }
  }
  if (shape.n_heads % shape.n_kv_heads != 0) {
    return "The model's n_kv_heads (" + std::to_string(shape.n_kv_heads) + ") must divide its n_heads (" +
           std::to_string(shape.n_heads) + ").";
  }
  const bool has_encoder = shape.kind == ModelKind::kEncoderDecoder;
  if (shape.n_encoder_layers < (has_encoder ? 1 : 0) || shape.n_encoder_layers > (has_encoder ? 1024 : 0))
    return "The model's n_encoder_layers is " + std::to_string(shape.n_encoder_layers) +
           (has_encoder ? "; it must be between 1 and 1024." : "; only an encoder-decoder has an encoder.");
  if (*enum_name(shape.kind) == '\0' || *enum_name(shape.positions) == '\0') return "The model is of no kind that is known.";
  if (shape.positions == PositionKind::kRotary && shape.d_head % 2 != 0)
    return "The model's d_head is " + std::to_string(shape.d_head) + "; rotary positions need an even one.";
  return std::nullopt;
}

Snapped nearest_heads(const Compute& compute, std::int64_t asked) {
  return compute.parameters == ParameterSource::kTrained ? snap_heads(compute.trained, asked, compute.trained.positions)
                                                         : snap_lab_heads(compute.d_model, asked, compute.trained.positions);
}

Snapped nearest_kv_heads(const Compute& compute, std::int64_t asked) {
  return compute.parameters == ParameterSource::kTrained
             ? snap_kv_heads(compute.trained, compute.n_heads, asked, compute.trained.positions)
             : snap_lab_kv_heads(compute.n_heads, asked);
}

bool has_head(const Compute& compute, const HeadRef& head) {
  return head.layer >= 0 && head.layer < layers_of(compute.trained, compute.stack) && head.head >= 0 && head.head < compute.n_heads;
}

void resnap_kv_heads(Compute& compute, bool was_mha) {
  const std::int64_t asked = was_mha ? compute.n_heads : compute.n_kv_heads;
  compute.n_kv_heads = nearest_kv_heads(compute, asked).value;
}

std::vector<std::string> make_valid(MaskPattern& pattern) {
  std::vector<std::string> notices;
  if (*enum_name(pattern.kind) == '\0') {
    notices.push_back("Hashed buckets follow from q and k and cannot be set by hand: the pattern became dense.");
    pattern.kind = PatternKind::kDense;
  }
  pattern.query_bucket.clear();
  pattern.key_bucket.clear();
  clamp_value(pattern.window, std::int64_t{1}, kMaxWindow, "window", notices);
  clamp_value(pattern.stride, std::int64_t{1}, kMaxWindow, "stride", notices);
  clamp_value(pattern.n_global, std::int64_t{0}, kMaxGlobal, "n_global", notices);
  clamp_value(pattern.block, std::int64_t{1}, kMaxBlock, "block", notices);
  clamp_value(pattern.blocks_per_row, std::int64_t{0}, kMaxSessionBlocksPerRow, "blocks_per_row", notices);
  return notices;
}

std::string limit_text(SharedText& shared, std::size_t max_bytes) {
  if (shared.size() <= max_bytes) return "";
  const std::string& text = shared;
  std::size_t end = max_bytes;
  // A byte 10xxxxxx continues a sequence; at most three follow its first byte.
  for (int step = 0; step < 3 && (static_cast<unsigned char>(text[end]) & 0xC0u) == 0x80u; ++step)
    --end;
  const std::size_t asked = text.size();
  shared = text.substr(0, end);
  return "The text was cut to " + std::to_string(end) + " of its " + std::to_string(asked) + " bytes.";
}

std::vector<std::string> make_valid(Session& session) {
  std::vector<std::string> notices;
  Compute& compute = session.compute;
  const Compute defaults;
  if (std::string notice = limit_text(compute.text); !notice.empty()) notices.push_back(std::move(notice));
  if (std::string notice = limit_text(compute.second); !notice.empty()) notices.push_back(std::move(notice));
  std::erase_if(compute.continuation, [](std::int32_t id) { return id < 0; });
  if (compute.continuation.size() > static_cast<std::size_t>(kMaxWrittenTokens))
    compute.continuation.resize(static_cast<std::size_t>(kMaxWrittenTokens));
  valid_enum(compute.stack, defaults.stack);
  if (compute.trained.kind != ModelKind::kEncoderDecoder) compute.stack = defaults.stack;
  clamp_value(compute.batch_entry, std::int64_t{0}, std::int64_t{1} << 32, "the text of the batch", notices);
  valid_enum(compute.model_source, defaults.model_source);
  valid_enum(compute.parameters, defaults.parameters);
  valid_enum(compute.backend, defaults.backend);
  valid_enum(compute.depth, defaults.depth);
  valid_enum(compute.mask.direction, defaults.mask.direction);
  compute.mask.query_offset = 0;
  compute.mask.key_lengths.clear();
  make_valid_shape(compute, notices);
  if (compute.model_source == ModelSource::kCapture) make_valid_capture(compute);
  for (std::string& notice : make_valid(compute.mask.pattern))
    notices.push_back(std::move(notice));
  make_valid_pruning(compute, notices);
  make_valid_view(session, notices);
  make_valid(session.write, notices);
  make_valid(session.decode, notices);
  take_settled(session.batch, notices);
  make_valid(session.cost, notices);
  make_valid(session.beside, notices);
  SettledPlan settled = settle(session.train);
  session.train = std::move(settled.plan);
  for (std::string& reason : settled.reasons)
    notices.push_back(std::move(reason));
  make_valid_train_view(session.train_view, notices);
  return notices;
}

}  // namespace headroom
