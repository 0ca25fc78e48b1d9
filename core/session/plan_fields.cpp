#include "core/session/session_field_makers.h"

namespace headroom::session_field {
namespace {

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

void add_planner_fields(std::vector<SessionField>& fields) {
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

}  // namespace

void add_plan_fields(std::vector<SessionField>& fields) {
  add_write_fields(fields);
  add_decode_fields(fields);
  add_batch_fields(fields);
  add_planner_fields(fields);
  add_train_view_fields(fields);
}

}  // namespace headroom::session_field
