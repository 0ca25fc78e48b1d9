#include "core/roles/tally.h"

#include <algorithm>

namespace headroom::roles_detail {

ModelHeads heads_of(const ModelConfig& config) {
  const std::int64_t h = config.shape.n_heads;
  const bool has_encoder = config.kind == ModelKind::kEncoderDecoder;
  ModelHeads heads{};
  heads[static_cast<std::size_t>(AttentionStack::kSelf)] = {config.shape.n_layers, h};
  if (has_encoder) {
    heads[static_cast<std::size_t>(AttentionStack::kEncoder)] = {config.n_encoder_layers, h};
    heads[static_cast<std::size_t>(AttentionStack::kCross)] = {config.shape.n_layers, h};
  }
  return heads;
}

AttentionTally::AttentionTally(const std::vector<RoleCaseList>& lists, const ModelHeads& heads, std::int64_t n_rows)
    : lists_(&lists), heads_(heads), n_rows_(n_rows) {
  for (std::vector<std::vector<Reading>>& rows : readings_)
    rows.resize(static_cast<std::size_t>(n_rows));
  for (std::size_t i = 0; i < lists.size(); ++i) {
    first_sum_.push_back(n_sums_);
    const StackHeads stack = stack_of(i);
    n_sums_ += stack.n_layers * stack.n_heads;
    std::vector<std::vector<Reading>>& rows = readings_[static_cast<std::size_t>(lists[i].role->stack)];
    for (const RoleCase& one : lists[i].cases)
      rows.at(static_cast<std::size_t>(one.row)).push_back({one.query, static_cast<std::uint32_t>(i), one.first_key, one.n_keys});
  }
  for (std::vector<std::vector<Reading>>& rows : readings_)
    for (std::vector<Reading>& row : rows)
      std::ranges::stable_sort(row, {}, &Reading::query);
  sums_.assign(static_cast<std::size_t>(n_sums_ * n_rows), 0);
}

StackHeads AttentionTally::stack_of(std::size_t list) const {
  return heads_[static_cast<std::size_t>((*lists_)[list].role->stack)];
}

void AttentionTally::add(const AttentionPicture& picture) {
  const auto stack = static_cast<std::size_t>(picture.stack);
  const std::int64_t head = picture.layer * heads_[stack].n_heads + picture.head;
  double* const sums = sums_.data() + picture.row * n_sums_;
  std::int32_t searched = -1;  // the query whose strongest key is known
  std::int64_t strongest = 0;
  for (const Reading& reading : readings_[stack].at(static_cast<std::size_t>(picture.row))) {
    const RoleCaseList& list = (*lists_)[reading.list];
    const auto right = list.keys.begin() + reading.first_key;
    double found = 0;
    if (list.role->measure == RoleMeasure::kStrongest) {
      if (searched != reading.query) strongest = picture.strongest_key(reading.query);
      searched = reading.query;
      found = std::find(right, right + reading.n_keys, strongest) != right + reading.n_keys ? 1 : 0;
    } else {
      for (std::int32_t k = 0; k < reading.n_keys; ++k)
        found += static_cast<double>(picture.at(reading.query, right[k]));
    }
    sums[first_sum_[reading.list] + head] += found;
  }
}

std::vector<float> AttentionTally::by_head(std::size_t list) const {
  const StackHeads stack = stack_of(list);
  const auto n_cases = static_cast<double>((*lists_)[list].cases.size());
  std::vector<float> scores;
  for (std::int64_t head = 0; head < stack.n_layers * stack.n_heads; ++head) {
    double sum = 0;
    for (std::int64_t row = 0; row < n_rows_; ++row)
      sum += sums_[static_cast<std::size_t>(row * n_sums_ + first_sum_[list] + head)];
    scores.push_back(static_cast<float>(sum / n_cases));
  }
  return scores;
}

}  // namespace headroom::roles_detail
