#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/figure/cost_text.h"
#include "core/session/costs.h"

namespace headroom {

struct Frame;

/// What the Cost stage keeps between frames.
struct CostScratch {
  enum class Page { kPlan, kArithmetic } page = Page::kPlan;
  PlanSide edited = PlanSide::kFirst;  ///< which plan the rail's controls set, of two
  CostState seen;                      ///< to count changes
  std::uint64_t version = 0;

  /// One entry of the lists of cards and of devices.
  struct Entry {
    std::string id, name, tooltip;
  };
  std::vector<Entry> cards, devices;  ///< of the libraries, made once
  const void* listed_cards = nullptr;
  const void* listed_devices = nullptr;
};

/// The rail of the Cost stage: which model, how it is served, on what; and the same of a second plan.
void draw_cost_rail(const Frame& frame);
/// The plan that the rail's controls set now.
const CostPlan& edited_plan(const Frame& frame);
/// That plan becomes this one. Changes of one `group` in a row are one step of undo.
void set_edited_plan(const Frame& frame, const CostPlan& plan, const char* group);
// Its sections.
void cost_model_form(const Frame& frame);
void cost_cache_form(const Frame& frame);
void cost_device_form(const Frame& frame);

}  // namespace headroom
