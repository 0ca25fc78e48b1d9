#include <imgui.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "app/views/context.h"
#include "app/views/cost.h"
#include "app/views/dialog.h"
#include "app/widgets/controls.h"
#include "core/cost/thousands.h"
#include "core/figure/short_text.h"

namespace headroom {
namespace {

constexpr std::array<std::int64_t, 17> kContexts{128,   256,    512,    1024,   2048,    4096,    8192,    16384,   32768,
                                                 65536, 131072, 262144, 524288, 1048576, 2097152, 4194304, 10000000};
constexpr std::array<std::int64_t, 17> kBatches{1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096, 16384};
constexpr std::array<std::int64_t, 13> kWindows{0, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144};
constexpr std::array<std::int64_t, 9> kPages{0, 1, 8, 16, 32, 64, 128, 256, 1024};
constexpr std::array<std::int64_t, 8> kDevices{1, 2, 4, 8, 16, 32, 64, 128};
constexpr std::array<KvType, 5> kTypes{KvType::kFloat32, KvType::kFloat16, KvType::kBFloat16, KvType::kInt8, KvType::kInt4};
constexpr std::array<MenuChoice, 5> kWeightTypes{{
    {"cost/weights/float32", "float32", "4 bytes a parameter: as most models are trained, at least in part."},
    {"cost/weights/float16", "float16", "2 bytes a parameter."},
    {"cost/weights/bfloat16", "bfloat16", "2 bytes a parameter: the range of float32, fewer digits."},
    {"cost/weights/int8", "int8", "1 byte a parameter, and a float16 scale for each 128 values of a row."},
    {"cost/weights/int4", "int4", "Half a byte a parameter, and a float16 scale for each 128 values of a row."},
}};
constexpr std::array<MenuChoice, 5> kKvTypes{{
    {"cost/kv/float32", "float32", "4 bytes a number of K and V."},
    {"cost/kv/float16", "float16", "2 bytes a number of K and V, as most servers keep them."},
    {"cost/kv/bfloat16", "bfloat16", "2 bytes a number of K and V."},
    {"cost/kv/int8", "int8", "1 byte a number, and a float32 scale for each row of each head."},
    {"cost/kv/int4", "int4", "Half a byte a number, and a float32 scale for each row of each head."},
}};

struct PlanNumber {
  const char* name;
  const char* label;
  const char* tooltip;
  std::span<const std::int64_t> values;
  std::int64_t CostPlan::*value;
  std::string shown;
  Enabled enabled = Enabled::kYes;
};
void number(const Frame& frame, const PlanNumber& what) {
  CostPlan plan = edited_plan(frame);
  if (const auto value = value_slider(frame.look, {.name = what.name,
                                                   .label = what.label,
                                                   .tooltip = what.tooltip,
                                                   .values = what.values,
                                                   .value = plan.*what.value,
                                                   .shown = what.shown,
                                                   .enabled = what.enabled,
                                                   .label_width = 68,
                                                   .value_width = 78})) {
    plan.*what.value = *value;
    set_edited_plan(frame, plan, what.name);
  }
  gap(frame.look, 4);
}

struct PlanType {
  const char* name;
  const char* label;
  const char* tooltip;
  std::span<const MenuChoice> choices;
  KvType CostPlan::*value;
};
void type(const Frame& frame, const PlanType& what) {
  CostPlan plan = edited_plan(frame);
  const auto selected = std::find(kTypes.begin(), kTypes.end(), plan.*what.value) - kTypes.begin();
  if (const auto chosen = dropdown(frame.look, {.name = what.name,
                                                .tooltip = what.tooltip,
                                                .value = what.choices[static_cast<std::size_t>(selected)].label,
                                                .choices = what.choices,
                                                .selected = static_cast<int>(selected),
                                                .form = Dropdown::Form::kInline,
                                                .width = ImGui::GetContentRegionAvail().x,
                                                .label = what.label})) {
    plan.*what.value = kTypes[static_cast<std::size_t>(*chosen)];
    set_edited_plan(frame, plan, what.name);
  }
  gap(frame.look, 4);
}

std::string or_word(std::int64_t value, const char* word, const char* unit) {
  return value == 0 ? word : grouped_digits(value) + unit;
}

const PlannedCost* planned_of(const Frame& frame) {
  const bool is_second = &edited_plan(frame) == &frame.session.beside;
  return is_second ? frame.model.costs.beside.get() : frame.model.costs.plan.get();
}

/// The lists' entries, made anew where a library was read.
void list_libraries(const Frame& frame) {
  CostScratch& scratch = frame.state.cost;
  const CostState& costs = frame.model.costs;
  if (scratch.listed_cards != costs.cards.get()) {
    scratch.listed_cards = costs.cards.get();
    scratch.cards.clear();
    for (const LibraryCard& item : costs.cards ? *costs.cards : std::vector<LibraryCard>{}) {
      const auto total = count_parameters(item.card).total;
      scratch.cards.push_back({kLibraryPrefix + item.id,
                               item.card.name + (total ? "  ·  " + short_count(static_cast<double>(*total)) : ""),
                               sharing_text(item.card.main_stack()) + "\n" + item.card.source});
    }
  }
  if (scratch.listed_devices != costs.devices.get()) {
    scratch.listed_devices = costs.devices.get();
    scratch.devices.clear();
    for (const Device& device : costs.devices ? *costs.devices : std::vector<Device>{})
      scratch.devices.push_back({device.id, device.name,
                                 short_bytes_text(device.memory_bytes) + " · " + metric_text(device.bandwidth, "B/s") + " · " +
                                     metric_text(device.flops_16, "FLOP/s") + " with 16 bits\n" + device.source});
  }
}

/// One entry out of a list; its id where another than `now` was taken.
struct EntryList {
  const char* name;
  const char* tooltip;
  std::string shown;
  const std::vector<CostScratch::Entry>& entries;
  std::string now;
};
std::optional<std::string> choose(const Frame& frame, const EntryList& list) {
  std::vector<std::string> names;
  std::vector<MenuChoice> choices;
  names.reserve(list.entries.size());
  int selected = -1;
  for (std::size_t i = 0; i < list.entries.size(); ++i) {
    const CostScratch::Entry& entry = list.entries[i];
    names.push_back(std::string(list.name) + "/" + entry.id);
    choices.push_back({names.back(), entry.name, entry.tooltip});
    if (entry.id == list.now) selected = static_cast<int>(i);
  }
  const auto chosen = dropdown(frame.look, {.name = list.name,
                                            .tooltip = list.tooltip,
                                            .value = list.shown,
                                            .choices = choices,
                                            .selected = selected,
                                            .width = ImGui::GetContentRegionAvail().x});
  if (!chosen || *chosen == selected) return std::nullopt;
  return list.entries[static_cast<std::size_t>(*chosen)].id;
}

/// The open model, what the Card stage shows where that is a file, and the library.
void card_list(const Frame& frame) {
  const CostState& costs = frame.model.costs;
  CostPlan plan = edited_plan(frame);
  std::vector<CostScratch::Entry> entries{{"", "The open model", "The model that the other stages look at."}};
  for (const std::string& card : {frame.session.view.card, plan.card}) {
    const bool is_listed = std::any_of(entries.begin(), entries.end(), [&](const auto& entry) { return entry.id == card; });
    if (!is_listed && !card.starts_with(kLibraryPrefix))
      entries.push_back(
          {card, imgui_drawable(plan_card_name(costs, card), FontFace::kSans), "A configuration of a file, or a pasted one."});
  }
  entries.insert(entries.end(), frame.state.cost.cards.begin(), frame.state.cost.cards.end());
  if (const auto card =
          choose(frame, {"cost/card",
                         "Which model is served\nThe open one, one of the library, or the file that the Card stage shows. Only its "
                         "configuration is read.",
                         imgui_drawable(plan_card_name(costs, plan.card), FontFace::kSans), entries, plan.card})) {
    plan.card = *card;
    plan.n_kv_heads = 0;  // another model has others
    set_edited_plan(frame, plan, "cost/card");
  }
}

}  // namespace

void cost_model_form(const Frame& frame) {
  const Look& look = frame.look;
  list_libraries(frame);
  heading(look, "MODEL");
  card_list(frame);
  gap(look, 4);
  const PlannedCost* planned = planned_of(frame);
  if (planned != nullptr && planned->card && planned->card->has_config) {
    const ModelCard& card = planned->card->card;
    const CardStack& stack = card.main_stack();
    std::string facts;
    if (stack.n_layers) facts += grouped_digits(*stack.n_layers) + " layers · ";
    if (stack.n_heads && stack.n_kv_heads)
      facts += "h " + grouped_digits(*stack.n_heads) + " · kv_heads " + grouped_digits(*stack.n_kv_heads) + " · ";
    if (card.d_head) facts += "d_k " + grouped_digits(*card.d_head) + " · ";
    if (card.context) facts += "made for " + grouped_digits(*card.context) + " tokens · ";
    if (!facts.empty()) paragraph(look, facts.substr(0, facts.size() - std::string(" · ").size()), small_text(look));
  }
  gap(look, 6);
  const CostPlan& plan = edited_plan(frame);
  number(frame, {"cost/context", "context",
                 "Tokens of each text\nIts prompt and all that is written. Any number can be typed (double-click).", kContexts,
                 &CostPlan::context, grouped_digits(plan.context)});
  number(frame, {"cost/batch", "texts",
                 "Texts at once (batch)\nOne pass over the weights serves them all, but each has K and V of its own.", kBatches,
                 &CostPlan::batch, grouped_digits(plan.batch)});
  type(frame, {"cost/weights", "weights",
               "How parameters are kept\nA step of few texts mostly reads them: half the bits, about half the time.", kWeightTypes,
               &CostPlan::weights});
}

void cost_cache_form(const Frame& frame) {
  heading(frame.look, "KV CACHE");
  type(frame, {"cost/kv", "numbers", "How K and V are kept\nThey are read whole for each token that is written.", kKvTypes,
               &CostPlan::kv});
  const CostPlan& plan = edited_plan(frame);
  // Those that divide the query heads, and the card's own at the left end.
  std::vector<std::int64_t> heads{0};
  const PlannedCost* planned = planned_of(frame);
  if (planned != nullptr && planned->card) {
    const std::int64_t h = planned->card->card.main_stack().n_heads.value_or(0);
    for (std::int64_t n = 1; n <= std::min<std::int64_t>(h, 4096); ++n)
      if (h % n == 0) heads.push_back(n);
  }
  number(
      frame,
      {"cost/kv_heads", "kv_heads",
       "K/V heads\nHow many heads of K and V the query heads share: as many as them is multi-head, one is multi-query. At the left "
       "end: as the model has them.",
       heads, &CostPlan::n_kv_heads, or_word(plan.n_kv_heads, "own", "")});
  number(frame,
         {"cost/window", "window", "Sliding window\nEvery layer keeps its last tokens alone. At the left end: as the model says.",
          kWindows, &CostPlan::window, or_word(plan.window, "own", "")});
  number(frame,
         {"cost/page_rows", "pages",
          "Tokens of a page\nPages are taken as a text grows (Kwon et al. 2023). At the left end: no pages, each text's memory is "
          "reserved at once, for the longest text that the model was made for.",
          kPages, &CostPlan::page_rows,
          plan.page_rows == 0 ? "reserved" : grouped_digits(plan.page_rows) + (plan.page_rows == 1 ? " token" : " tokens")});
}

void cost_device_form(const Frame& frame) {
  const Look& look = frame.look;
  const CostState& costs = frame.model.costs;
  CostPlan plan = edited_plan(frame);
  heading(look, "DEVICE");
  std::vector<CostScratch::Entry> entries{{kThisMachine, "This machine, measured",
                                           "The machine that this runs on\nIts arithmetic and its memory are measured in about a "
                                           "second, on every thread; free memory is "
                                           "what is free now."}};
  entries.insert(entries.end(), frame.state.cost.devices.begin(), frame.state.cost.devices.end());
  if (const auto device = choose(
          frame, {"cost/device",
                  "What it is served on\nMemory, bandwidth and FLOP/s of data sheets, each with its source; or this machine.",
                  device_name(costs, plan.device), entries, plan.device})) {
    plan.device = *device;
    set_edited_plan(frame, plan, "cost/device");
    if (*device == kThisMachine && !costs.this_machine) frame.command(MeasureThisMachine{});
  }
  gap(look, 4);
  if (plan.device == kThisMachine) {
    if (button(
            look,
            {.name = "cost/measure",
             .label = costs.is_measuring   ? "Measuring…"
                      : costs.this_machine ? "Measure again"
                                           : "Measure",
             .tooltip = "Measure this machine\nMultiply-adds and reading, on every thread, about a second. Other work at the same "
                        "time makes the figures smaller.",
             .enabled = costs.is_measuring ? Enabled::kNo : Enabled::kYes,
             .kind = costs.this_machine ? Button::Kind::kPlain : Button::Kind::kPrimary}))
      frame.command(MeasureThisMachine{});
    gap(look, 4);
    if (!costs.measure_problem.empty()) paragraph(look, imgui_drawable(costs.measure_problem, FontFace::kSans), small_text(look));
  }
  const PlannedCost* planned = planned_of(frame);
  if (planned != nullptr && planned->cost.device.memory_bytes > 0) {
    const Device& device = planned->cost.device;
    paragraph(look,
              short_bytes_text(device.memory_bytes) + " · " + metric_text(device.bandwidth, "B/s") + " · " +
                  metric_text(peak_flops(device, planned->cost.plan.weights), "FLOP/s") + ", " + basis_name(device.basis),
              small_text(look));
    if (!device.note.empty()) paragraph(look, imgui_drawable(device.note, FontFace::kSans), small_text(look));
  }
  gap(look, 6);
  number(frame, {"cost/devices", "devices",
                 "Tensor parallelism\nEach layer's heads and matrices are split over so many devices, which exchange rows after "
                 "attention and after the MLP. Figures are of one of them.",
                 kDevices, &CostPlan::tensor_parallel, grouped_digits(plan.tensor_parallel)});
  if (!costs.library_problem.empty()) paragraph(look, imgui_drawable(costs.library_problem, FontFace::kSans), small_text(look));
}

}  // namespace headroom
