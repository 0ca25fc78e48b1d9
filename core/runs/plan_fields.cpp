#include "core/runs/plan_fields.h"

#include <charconv>
#include <limits>
#include <span>

#include "core/tensor/error.h"

namespace headroom {
namespace {

template <typename E>
struct Named {
  E value;
  const char* name;
};
constexpr Named<ModelKind> kKinds[] = {
    {ModelKind::kCausal, "causal"}, {ModelKind::kMasked, "masked"}, {ModelKind::kEncoderDecoder, "encoder_decoder"}};
constexpr Named<PositionKind> kPositions[] = {{PositionKind::kRotary, "rotary"}, {PositionKind::kLearned, "learned"}};
constexpr Named<DataKind> kData[] = {{DataKind::kGrammar, "grammar"},
                                     {DataKind::kLetters, "letters"},
                                     {DataKind::kText, "text"},
                                     {DataKind::kTranslation, "translation"}};
constexpr Named<StartFrom> kStarts[] = {{StartFrom::kScratch, "scratch"}, {StartFrom::kModel, "model"}, {StartFrom::kRun, "run"}};
constexpr Named<OutputUse> kOutputs[] = {{OutputUse::kTied, "tied"}, {OutputUse::kSeparate, "separate"}};
constexpr Named<MlpUse> kMlps[] = {{MlpUse::kOn, "on"}, {MlpUse::kOff, "off"}};

std::int64_t integer_of(const PlanJson& json) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!json.is_number_integer() || (json.is_number_unsigned() && json.get<std::uint64_t>() > kMost))
    throw Error("a whole number below 2^63");
  return json.get<std::int64_t>();
}

double number_of(const PlanJson& json) {
  if (!json.is_number()) throw Error("a number");
  return json.get<double>();
}

std::string text_of(const PlanJson& json) {
  if (!json.is_string()) throw Error("a text in quotes");
  return json.get<std::string>();
}

template <typename At>
PlanField integer_field(const char* path, At at) {
  return {path, [at](const TrainPlan& p) { return PlanJson(at(p)); },
          [at](TrainPlan& p, const PlanJson& json) { at(p) = integer_of(json); }};
}

template <typename At>
PlanField number_field(const char* path, At at) {
  return {path, [at](const TrainPlan& p) { return PlanJson(at(p)); },
          [at](TrainPlan& p, const PlanJson& json) { at(p) = number_of(json); }};
}

template <typename At>
PlanField optional_number_field(const char* path, At at) {
  return {path, [at](const TrainPlan& p) { return at(p) ? PlanJson(*at(p)) : PlanJson(nullptr); },
          [at](TrainPlan& p, const PlanJson& json) {
            at(p).reset();
            if (!json.is_null()) at(p) = number_of(json);
          }};
}

template <typename At>
PlanField text_field(const char* path, At at) {
  return {path, [at](const TrainPlan& p) { return PlanJson(at(p)); },
          [at](TrainPlan& p, const PlanJson& json) { at(p) = text_of(json); }};
}

template <typename E, std::size_t N, typename At>
PlanField enum_field(const char* path, const Named<E> (&names)[N], At at) {
  const std::span<const Named<E>> all(names);
  return {path,
          [at, all](const TrainPlan& p) {
            for (const Named<E>& entry : all)
              if (entry.value == at(p)) return PlanJson(entry.name);
            return PlanJson(nullptr);
          },
          [at, all](TrainPlan& p, const PlanJson& json) {
            std::string choices;
            for (const Named<E>& entry : all) {
              if (json.is_string() && json.get_ref<const std::string&>() == entry.name) {
                at(p) = entry.value;
                return;
              }
              choices += (choices.empty() ? "\"" : ", \"") + std::string(entry.name) + "\"";
            }
            throw Error("one of " + choices);
          }};
}

PlanField weights_field() {
  return {"data.weights",
          [](const TrainPlan& p) {
            PlanJson list = PlanJson::array();
            for (const RuleWeight& w : p.data.weights)
              list.push_back({{"rule", w.rule}, {"alternative", w.alternative}, {"weight", w.weight}});
            return list;
          },
          [](TrainPlan& p, const PlanJson& json) {
            const char* right = R"(a list such as [{"rule": "sentence", "alternative": "copula", "weight": 2}])";
            if (!json.is_array()) throw Error(right);
            p.data.weights.clear();
            for (const PlanJson& item : json) {
              if (!item.is_object() || !item.contains("rule") || !item.contains("alternative") || !item.contains("weight") ||
                  !item["rule"].is_string() || !item["alternative"].is_string() || !item["weight"].is_number())
                throw Error(right);
              p.data.weights.push_back({text_of(item["rule"]), text_of(item["alternative"]), number_of(item["weight"])});
            }
          }};
}

/// Heads as "layer.head".
PlanField pruned_field() {
  return {"start.pruned",
          [](const TrainPlan& p) {
            PlanJson list = PlanJson::array();
            for (const HeadRef& head : p.start.pruned)
              list.push_back(std::to_string(head.layer) + "." + std::to_string(head.head));
            return list;
          },
          [](TrainPlan& p, const PlanJson& json) {
            const Error wrong("a list of heads as layer.head, both counted from 0, such as [\"0.3\", \"1.0\"]");
            if (!json.is_array()) throw wrong;
            p.start.pruned.clear();
            for (const PlanJson& item : json) {
              if (!item.is_string()) throw wrong;
              const auto& text = item.get_ref<const std::string&>();
              const char* end = text.data() + text.size();
              HeadRef head;
              const auto layer = std::from_chars(text.data(), end, head.layer);
              if (layer.ec != std::errc() || layer.ptr == end || *layer.ptr != '.') throw wrong;
              const auto number = std::from_chars(layer.ptr + 1, end, head.head);
              if (number.ec != std::errc() || number.ptr != end) throw wrong;
              p.start.pruned.push_back(head);
            }
          }};
}

// `auto&` both reads from a const plan and writes into a free one.
#define HEADROOM_AT(member) \
  [](auto& p) -> auto& { return p.member; }

std::vector<PlanField> make_fields() {
  PlanField at{"start.at", [](const TrainPlan& p) { return p.start.at ? PlanJson(*p.start.at) : PlanJson(nullptr); },
               [](TrainPlan& p, const PlanJson& json) {
                 p.start.at.reset();
                 if (!json.is_null()) p.start.at = integer_of(json);
               }};
  PlanField seed{"seed", [](const TrainPlan& p) { return PlanJson(p.seed); },
                 [](TrainPlan& p, const PlanJson& json) {
                   if (!json.is_number_unsigned()) throw Error("a whole number from 0 to 2^64 - 1");
                   p.seed = json.get<std::uint64_t>();
                 }};
  return {text_field("recipe", HEADROOM_AT(recipe)),
          enum_field("form.kind", kKinds, HEADROOM_AT(form.kind)),
          enum_field("form.positions", kPositions, HEADROOM_AT(form.positions)),
          integer_field("form.n_layers", HEADROOM_AT(form.n_layers)),
          integer_field("form.d_model", HEADROOM_AT(form.d_model)),
          integer_field("form.n_heads", HEADROOM_AT(form.n_heads)),
          integer_field("form.n_kv_heads", HEADROOM_AT(form.n_kv_heads)),
          enum_field("form.mlp", kMlps, HEADROOM_AT(form.mlp)),
          enum_field("form.output", kOutputs, HEADROOM_AT(form.output)),
          enum_field("data.kind", kData, HEADROOM_AT(data.kind)),
          text_field("data.path", HEADROOM_AT(data.path)),
          integer_field("data.vocabulary", HEADROOM_AT(data.vocabulary)),
          integer_field("data.min_period", HEADROOM_AT(data.min_period)),
          integer_field("data.max_period", HEADROOM_AT(data.max_period)),
          optional_number_field("data.stories", HEADROOM_AT(data.stories)),
          optional_number_field("data.lists", HEADROOM_AT(data.lists)),
          optional_number_field("data.quotes", HEADROOM_AT(data.quotes)),
          weights_field(),
          number_field("data.repeats_first_share", HEADROOM_AT(data.repeats.first_share)),
          number_field("data.repeats_last_share", HEADROOM_AT(data.repeats.last_share)),
          integer_field("data.repeats_first_words", HEADROOM_AT(data.repeats.first_words)),
          number_field("data.repeats_from", HEADROOM_AT(data.repeats.from)),
          number_field("data.repeats_to", HEADROOM_AT(data.repeats.to)),
          number_field("data.unknown_share", HEADROOM_AT(data.unknown_share)),
          number_field("data.hidden_share", HEADROOM_AT(data.hidden_share)),
          enum_field("start.from", kStarts, HEADROOM_AT(start.from)),
          text_field("start.model", HEADROOM_AT(start.model)),
          std::move(at),
          pruned_field(),
          text_field("teacher.model", HEADROOM_AT(teacher.model)),
          number_field("teacher.weight", HEADROOM_AT(teacher.weight)),
          number_field("teacher.temperature", HEADROOM_AT(teacher.temperature)),
          integer_field("tokens", HEADROOM_AT(tokens)),
          integer_field("row_length", HEADROOM_AT(row_length)),
          integer_field("rows_per_step", HEADROOM_AT(rows_per_step)),
          integer_field("accumulation", HEADROOM_AT(accumulation)),
          number_field("learning_rate", HEADROOM_AT(learning_rate)),
          number_field("final_share", HEADROOM_AT(final_share)),
          integer_field("warmup_steps", HEADROOM_AT(warmup_steps)),
          number_field("weight_decay", HEADROOM_AT(weight_decay)),
          number_field("beta2", HEADROOM_AT(beta2)),
          number_field("clip_norm", HEADROOM_AT(clip_norm)),
          std::move(seed)};
}

#undef HEADROOM_AT

}  // namespace

const std::vector<PlanField>& plan_fields() {
  static const std::vector<PlanField> fields = make_fields();
  return fields;
}

}  // namespace headroom
