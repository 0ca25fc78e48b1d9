#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/cost/cost_plan.h"
#include "core/cost/device.h"
#include "core/cost/pass_cost.h"

namespace headroom {

/// How long a pass takes at least (a roofline): each part takes the longer of its arithmetic and its reading, parts one after another.
/// Units  s. All are bounds: launches, norms and anything else are left out.
struct PassTime {
  double bandwidth = 0;  ///< all bytes at the memory's bandwidth
  double compute = 0;    ///< all FLOP at the device's peak
  double exchange = 0;   ///< between devices; 0 where the link is not known
  double linear = 0;     ///< matrices: the longer of both
  double attention = 0;  ///< K, V, q and result: the longer of both
  double total() const { return linear + attention + exchange; }

  bool operator==(const PassTime&) const = default;
};

/// Of one device. Units  B.
struct PlanMemory {
  double usable = 0;  ///< share of the device's memory that is planned with
  double weights = 0;
  double kv = 0;           ///< reserved for all texts
  double kv_used = 0;      ///< of it, what the texts' tokens fill
  double activations = 0;  ///< of the largest step, estimated
  double total() const { return weights + kv + activations; }

  bool operator==(const PlanMemory&) const = default;
};

/// A point of a curve over the batch or the context.
struct PlanPoint {
  std::int64_t at = 0;  ///< texts, or tokens
  double kv_bytes = 0;  ///< reserved, of one device
  bool fits = false;
  double tokens_per_s = 0;            ///< decoding, all texts together
  double tokens_per_s_bandwidth = 0;  ///< had arithmetic taken no time
  double tokens_per_s_compute = 0;    ///< had reading taken no time
  double first_token_s = 0;

  bool operator==(const PlanPoint&) const = default;
};

/// What is changed in a choice.
enum class PlanAxis { kKvHeads, kKvType, kWeights, kReserving, kWindow };
const char* plan_axis_name(PlanAxis axis);  ///< "K/V heads", "K/V type", "weights", "reserving", "window"

/// The same plan with one thing changed.
struct PlanChoice {
  PlanAxis axis = PlanAxis::kKvHeads;
  std::string name;  ///< "multi-query: 1 K/V head", "int8", "pages of 16 tokens", "last 4,096 tokens"
  bool is_current = false;
  CostPlan plan;
  double weight_bytes = 0, kv_bytes = 0;  ///< of one device
  double saved_bytes = 0;                 ///< against the plan as it is; negative: takes more
  bool fits = false;
  std::int64_t largest_batch = 0;
  double tokens_per_s = 0;
  double most_tokens_per_s = 0;  ///< at the largest batch that fits

  bool operator==(const PlanChoice&) const = default;
};

struct PlanSection {
  std::string title;  ///< "Fits", "Memory", "Speed", "One step of decoding", "Reading the prompt"
  std::vector<CostLine> lines;

  bool operator==(const PlanSection&) const = default;
};

/// What a plan comes to. Every figure is of one of the devices that share the model, but for tokens a second, which are of all texts.
struct PlanCost {
  CostPlan plan;  ///< settled
  Device device;
  std::string card_name;
  std::string problem;  ///< why nothing can be computed, one sentence; all else is then empty
  std::string refusal;  ///< why it does not fit, with the numbers, one sentence; empty: it fits
  std::vector<std::string> notices, assumptions;
  std::int64_t reserved_tokens = 0;  ///< that each text's memory is taken for: whole pages, or the model's whole context
  PlanMemory memory;
  PassCost prefill, decode;  ///< prefill of one text; decode of the whole batch (empty for an encoder)
  PassTime prefill_time, decode_time;
  double first_token_s = 0;  ///< of a text alone: its prefill
  double tokens_per_s = 0;   ///< decoding, all texts together; 0 for an encoder
  double tokens_per_s_bandwidth = 0, tokens_per_s_compute = 0;
  double prompt_tokens_per_s = 0;    ///< reading the prompt of one text
  std::int64_t largest_batch = 0;    ///< at this context; 0: none fits
  std::int64_t fewest_devices = 0;   ///< in doublings of the plan's, that it fits on; 0: on none
  std::int64_t largest_context = 0;  ///< at this batch; 0: none fits; at most kMaxCardContext
  /// Texts at once from which on a step takes longer to compute than to read. Nothing: never, since each text brings K and V of its own to
  /// read.
  std::optional<std::int64_t> turning_batch;
  std::optional<std::int64_t> matrices_turning_batch;  ///< the same of the matrices alone, without attention
  std::vector<PlanPoint> by_batch, by_context;
  std::vector<PlanChoice> choices;
  std::vector<PlanSection> sections;  ///< everything above as arithmetic

  bool fits() const { return problem.empty() && refusal.empty(); }
  const CostLine* find(const std::string& key) const;
  bool operator==(const PlanCost&) const = default;
};

/// Never throws for what a card or a plan says: `problem` and `refusal` tell. `plan` is settled first; what that changed is in the notices.
PlanCost plan_costs(const ModelCard& card, const CostPlan& plan, const Device& device);

/// Two plans figure by figure.
struct PlanDifference {
  std::string key, label, first, second;
  double ratio = 0;  ///< second / first; 0 where the first is 0
  std::string text;  ///< what the second is of the first: "2.00 times", "50.0 %", "the same", or "" where one is 0

  bool operator==(const PlanDifference&) const = default;
};
std::vector<PlanDifference> compare_plans(const PlanCost& first, const PlanCost& second);

}  // namespace headroom
