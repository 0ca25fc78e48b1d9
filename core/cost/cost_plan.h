#pragma once

#include <cstdint>
#include <string>

#include "core/kv_cache/kv_type.h"

namespace headroom {

/// What is to be sized: a model that serves `batch` texts of `context` tokens on a device.
struct CostPlan {
  std::string card;                   ///< as View::card: "" for the open model, "card:NAME" of the library, or a path
  std::int64_t context = 4096;        ///< tokens of each text; in [1, kMaxCardContext]
  std::int64_t batch = 1;             ///< texts at once; in [1, kMaxPlanBatch]
  KvType weights = KvType::kFloat16;  ///< how parameters are kept
  KvType kv = KvType::kFloat16;       ///< how K and V are kept
  std::string device = "h100-sxm";    ///< a name of the device library, or "this-machine"
  std::int64_t tensor_parallel = 1;   ///< devices that each layer is split over; in [1, kMaxPlanDevices]
  std::int64_t n_kv_heads = 0;        ///< another number of K/V heads than the card's; 0: the card's
  std::int64_t window = 0;            ///< every layer keeps its last `window` tokens alone; 0: as the card says
  std::int64_t page_rows = 0;         ///< tokens of a page; 0: each text's memory is reserved at once, to the model's whole context

  bool operator==(const CostPlan&) const = default;
};
inline constexpr std::int64_t kMaxPlanBatch = 1'000'000;
inline constexpr std::int64_t kMaxPlanDevices = 1024;

/// The nearest plan that can be computed, without looking at the card; `why` gets a sentence for each value that was changed, where it is set.
CostPlan settle(const CostPlan& plan, std::string* why = nullptr);

}  // namespace headroom
