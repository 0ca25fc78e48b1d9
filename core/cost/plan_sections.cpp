#include <string>
#include <utility>

#include "core/cost/cost_lines.h"
#include "core/cost/plan_model.h"
#include "core/cost/thousands.h"

namespace headroom {
namespace {

std::string rate_text(double value, const char* unit) { return metric_text(value, unit); }

/// What the plan comes to, in the words of its sections.
class Sections {
 public:
  Sections(const PlanModel& model, const PlanCost& cost) : model_(model), cost_(cost), plan_(cost.plan) {}

  std::vector<PlanSection> all() const {
    std::vector<PlanSection> sections{{"Device", device()}, {"Fits", fit()}, {"Memory", memory()}, {"Speed", speed()}};
    if (model_.writes())
      sections.push_back({"One step of decoding", pass_lines(model_.card(), PlanModel::pass(PassKind::kDecode, plan_))});
    sections.push_back({model_.writes() ? "Reading one prompt" : "Reading one text",
                        pass_lines(model_.card(), PlanModel::pass(PassKind::kPrefill, plan_))});
    return sections;
  }

 private:
  Basis device_basis() const { return cost_.device.basis; }

  std::vector<CostLine> device() const {
    const Device& device = cost_.device;
    CostLines lines;
    const bool is_free = device.basis == Basis::kMeasured;
    lines.add({"memory", is_free ? "free memory" : "memory", device.memory_bytes, "B", device_basis()},
              device.name + (device.note.empty() ? "" : ". " + device.note));
    lines.add({"bandwidth", "memory bandwidth", device.bandwidth, "B/s", device_basis()}, device.source);
    lines.add({"peak", plan_.weights == KvType::kFloat32 ? "peak, float32" : "peak, 16 bits", peak_flops(device, plan_.weights),
               "FLOP/s", device_basis()},
              "dense products, a multiply-add counting two");
    if (plan_.tensor_parallel > 1 && device.link > 0)
      lines.add({"link", "to other devices", device.link, "B/s", device_basis()}, "in one direction");
    lines.add(
        {"balance", "arithmetic for a byte read", peak_flops(device, plan_.weights) / device.bandwidth, "FLOP/B", device_basis()},
        "peak / bandwidth: a pass of less intensity waits for the memory");
    return lines.take();
  }

  std::vector<CostLine> fit() const {
    CostLines lines;
    lines.add({"largest_batch", "texts that fit at once", static_cast<double>(cost_.largest_batch), "", Basis::kEstimated},
              "the largest batch of " + grouped_digits(plan_.context) + " tokens each" +
                  (cost_.largest_batch == kMaxPlanBatch ? "; larger ones are not looked for" : ""));
    lines.add({"largest_context", "tokens that fit", static_cast<double>(cost_.largest_context), "", Basis::kEstimated},
              "the longest context of " + grouped_digits(plan_.batch) + (plan_.batch == 1 ? " text" : " texts at once") +
                  (cost_.largest_context == kMaxCardContext ? "; longer ones are not looked for" : ""));
    lines.add({"fewest_devices", "devices needed", static_cast<double>(cost_.fewest_devices), "", Basis::kEstimated},
              cost_.fewest_devices > 0 ? "of this plan, in doublings of its " + grouped_digits(plan_.tensor_parallel)
                                       : "not even " + grouped_digits(kMaxPlanDevices) + " hold it");
    return lines.take();
  }

  std::vector<CostLine> memory() const {
    const PlanMemory& memory = cost_.memory;
    CostLines lines;
    lines.add({"usable_bytes", "to plan with", memory.usable, "B", Basis::kEstimated},
              cost_.device.usable_share < 1
                  ? decimal_text(100 * cost_.device.usable_share, 0) + " % of " + bytes_amount(cost_.device.memory_bytes)
                  : "what is free now");
    lines.add({"memory_weights", "weights", memory.weights, "B"}, share_text(memory.weights));
    if (model_.writes()) {
      const double each = memory.kv / static_cast<double>(plan_.batch);
      lines.add({"memory_kv", "K and V, reserved", memory.kv, "B"},
                grouped_digits(plan_.batch) + (plan_.batch == 1 ? " text · " : " texts · ") + bytes_amount(each) + " for " +
                    grouped_digits(cost_.reserved_tokens) + " tokens; " + share_text(memory.kv));
      lines.add({"memory_kv_used", "K and V, used", memory.kv_used, "B"},
                bytes_amount(memory.kv_used / static_cast<double>(plan_.batch)) + " a text of " + grouped_digits(plan_.context) +
                    " tokens; " + share_of(memory.kv_used, memory.kv) + " of what is reserved");
      lines.add({"kv_to_weights", "K and V beside weights", memory.weights > 0 ? 100 * memory.kv / memory.weights : 0, "%"},
                bytes_amount(memory.kv) + " / " + bytes_amount(memory.weights));
    }
    lines.add({"memory_activations", "activations", memory.activations, "B", Basis::kEstimated}, share_text(memory.activations));
    lines.add({"memory_total", "all", memory.total(), "B", Basis::kEstimated},
              share_of(memory.total(), memory.usable) + " of what there is to plan with");
    return lines.take();
  }
  static std::string share_of(double part, double whole) { return whole > 0 ? decimal_text(100 * part / whole, 1) + " %" : "all"; }
  std::string share_text(double part) const { return share_of(part, cost_.memory.total()) + " of all"; }

  std::vector<CostLine> speed() const {
    const PassTime& step = cost_.decode_time;
    const double peak = peak_flops(cost_.device, plan_.weights);
    CostLines lines;
    if (model_.writes()) {
      const std::string texts = grouped_digits(plan_.batch) + (plan_.batch == 1 ? " text / " : " texts / ");
      lines.add({"step_s", "a step of decoding", step.total(), "s", Basis::kEstimated}, parts_text(step));
      lines.add({"tokens_per_s", "tokens a second", cost_.tokens_per_s, "tokens/s", Basis::kEstimated},
                texts + duration_text(step.total()));
      lines.add({"tokens_per_s_bandwidth", "bound by bandwidth", cost_.tokens_per_s_bandwidth, "tokens/s", Basis::kEstimated},
                texts + "(" + bytes_amount(cost_.decode.traffic()) + " / " + rate_text(cost_.device.bandwidth, "B/s") + ")");
      lines.add({"tokens_per_s_compute", "bound by arithmetic", cost_.tokens_per_s_compute, "tokens/s", Basis::kEstimated},
                texts + "(" + flop_text(cost_.decode.flops()) + " / " + rate_text(peak, "FLOP/s") + ")");
      turn(lines, {"matrices_turning_batch", "batch at which matrices turn to arithmetic"}, cost_.matrices_turning_batch,
           {"from here on multiplying takes longer than reading the weights",
            "reading and writing each text's rows takes longer than multiplying them"});
      turn(lines, {"turning_batch", "batch at which a step turns to arithmetic"}, cost_.turning_batch,
           {"from here on all arithmetic takes longer than all reading",
            "reading what each text brings, K and V above all, takes longer than its arithmetic"});
    }
    lines.add({"first_token_s", model_.writes() ? "time to the first token" : "time to read a text", cost_.first_token_s, "s",
               Basis::kEstimated},
              "one text of " + grouped_digits(plan_.context) + " tokens alone: " + parts_text(cost_.prefill_time));
    lines.add({"prompt_tokens_per_s", "tokens read a second", cost_.prompt_tokens_per_s, "tokens/s", Basis::kEstimated},
              grouped_digits(plan_.context) + " tokens / " + duration_text(cost_.first_token_s));
    return lines.take();
  }

  struct Name {
    const char *key, *label;
  };
  struct Meaning {
    const char *turned, *never;
  };
  static void turn(CostLines& lines, const Name& name, const std::optional<std::int64_t>& batch, const Meaning& meaning) {
    CostLine& line =
        lines.add({name.key, name.label, static_cast<double>(batch.value_or(0)), "", Basis::kEstimated}, meaning.turned);
    if (batch) return;
    line.result = "never";
    line.formula = std::string(meaning.never) + "; looked for up to " + grouped_digits(kMaxPlanBatch) + " texts";
  }
  static std::string parts_text(const PassTime& time) {
    std::string text = duration_text(time.linear) + " matrices + " + duration_text(time.attention) + " attention";
    if (time.exchange > 0) text += " + " + duration_text(time.exchange) + " between devices";
    return text;
  }

  const PlanModel& model_;
  const PlanCost& cost_;
  const CostPlan& plan_;
};

}  // namespace

std::vector<PlanSection> plan_sections(const PlanModel& model, const PlanCost& cost) { return Sections(model, cost).all(); }

}  // namespace headroom
