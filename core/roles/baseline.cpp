#include <algorithm>
#include <map>
#include <set>

#include "core/roles/probe_set.h"

namespace headroom::roles_detail {

void RoleCaseList::add(std::int32_t row, std::int32_t query, const std::vector<std::int32_t>& right) {
  if (right.empty()) return;
  cases.push_back({row, query, static_cast<std::int32_t>(keys.size()), static_cast<std::int32_t>(right.size())});
  keys.insert(keys.end(), right.begin(), right.end());
}

void measure_baseline(RoleCaseList& list, Sight sight, const std::vector<std::int32_t>& n_keys) {
  list.baseline = 0;
  list.offset = 0;
  list.chance = 0;
  if (list.cases.empty()) return;
  std::map<std::int64_t, std::int64_t> hits;  // of each offset: cases that it gets right
  for (const RoleCase& one : list.cases) {
    for (std::int32_t k = 0; k < one.n_keys; ++k)
      ++hits[one.query - list.keys[static_cast<std::size_t>(one.first_key + k)]];
    const std::int32_t visible = sight == Sight::kBack ? one.query + 1 : n_keys.at(static_cast<std::size_t>(one.row));
    list.chance += static_cast<double>(one.n_keys) / visible;
  }
  const auto n = static_cast<double>(list.cases.size());
  list.chance /= n;
  if (!list.role->has_baseline) return;
  const auto best = std::ranges::max_element(hits, {}, [](const auto& hit) { return hit.second; });
  list.offset = best->first;
  list.baseline = static_cast<double>(best->second) / n;
}

}  // namespace headroom::roles_detail
