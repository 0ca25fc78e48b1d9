#include "core/attention/flash_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <tuple>

#include "tests/attention/conformance.h"

namespace headroom {
namespace {

using conformance::Case;
using flash_detail::Item;
using flash_detail::KeySegment;
using flash_detail::Plan;

using Pair = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>;  // b, head, query, key

void count_pairs(const AttentionConfig& config, const Plan& plan, std::span<const Item> items, std::map<Pair, int>& pairs) {
  for (const Item& item : items) {
    const flash_detail::QuerySet& set = plan.set(item);
    const std::span<const std::int64_t> heads = plan.heads(plan.group(item));
    const auto n_heads = static_cast<std::int64_t>(heads.size());
    for (std::int64_t row = item.row_begin; row < item.row_end; ++row) {
      const std::int64_t query = set.queries[row / n_heads], head = heads[static_cast<std::size_t>(row % n_heads)];
      for (const KeySegment& segment : plan.segments(set)) {
        const KeyRange seen = flash_detail::rule_range(config, segment, item.b, query);
        for (std::int64_t i = segment.keys.count_below(seen.begin); i < segment.keys.count_below(seen.end); ++i) {
          ++pairs[{item.b, head, query, segment.keys[i]}];
        }
      }
    }
  }
}

TEST(FlashPlan, CoversEachVisiblePairOnceAndNoOther) {
  int n_checked = 0;
  for (const Case& c : conformance::cases()) {
    const AttentionConfig& config = c.config;
    if (config.seq_q * config.seq_k * config.n_heads * config.batch > 40000) continue;
    Plan plan;
    plan.make(config, 24);
    std::map<Pair, int> pairs;
    count_pairs(config, plan, plan.items(), pairs);
    count_pairs(config, plan, plan.merged_items(), pairs);
    for (std::int64_t b = 0; b < config.batch; ++b) {
      for (std::int64_t head = 0; head < config.n_heads; ++head) {
        for (std::int64_t i = 0; i < config.seq_q; ++i) {
          for (std::int64_t j = 0; j < config.seq_k; ++j) {
            const bool is_seen = !config.is_pruned(head) && is_visible(config.mask, b, i, j);
            const auto found = pairs.find({b, head, i, j});
            ASSERT_EQ(found == pairs.end() ? 0 : found->second, is_seen ? 1 : 0)
                << c.name << ": pair " << b << ", " << head << ", " << i << ", " << j;
          }
        }
      }
    }
    ++n_checked;
  }
  EXPECT_GT(n_checked, 400);
}

TEST(FlashPlan, FirstPassWritesEachRowOnce) {
  for (const Case& c : conformance::cases()) {
    Plan plan;
    plan.make(c.config, 24);
    std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t>, int> rows;
    for (const Item& item : plan.items()) {
      EXPECT_LE(item.row_end - item.row_begin, 24) << c.name;
      const std::span<const std::int64_t> heads = plan.heads(plan.group(item));
      const auto n_heads = static_cast<std::int64_t>(heads.size());
      for (std::int64_t row = item.row_begin; row < item.row_end; ++row) {
        ++rows[{item.b, heads[static_cast<std::size_t>(row % n_heads)], plan.set(item).queries[row / n_heads]}];
      }
    }
    std::int64_t n_heads = 0;
    for (std::int64_t head = 0; head < c.config.n_heads; ++head)
      n_heads += c.config.is_pruned(head) ? 0 : 1;
    EXPECT_EQ(std::ssize(rows), c.config.batch * n_heads * c.config.seq_q) << c.name;
    for (const auto& [row, count] : rows)
      ASSERT_EQ(count, 1) << c.name;
  }
}

TEST(FlashPlan, ItemsOfAHeadComeWithTheCostlyOnesFirst) {
  const Case c = conformance::make_case("causal", {2, 2, 500, 500, 8});
  Plan plan;
  plan.make(c.config, 48);
  ASSERT_GT(plan.items().size(), 10U);
  for (std::size_t i = 1; i < plan.items().size(); ++i) {
    const Item &before = plan.items()[i - 1], &item = plan.items()[i];
    EXPECT_LE(before.group, item.group);
    if (before.group == item.group) {
      EXPECT_GE(before.cost, item.cost);
    }
  }
}

TEST(FlashPlan, ListsCountWhatLiesBelow) {
  const std::vector<std::int32_t> some{2, 3, 7, 20};
  const flash_detail::IndexList listed{some.data(), 0, 1, 4}, stepped{nullptr, 5, 3, 4};  // 5, 8, 11, 14
  const std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> expected{{-1, {0, 0}}, {2, {0, 0}}, {3, {1, 0}}, {5, {2, 0}},
                                                                               {6, {2, 1}},  {8, {3, 1}}, {9, {3, 2}}, {20, {3, 4}},
                                                                               {21, {4, 4}}, {99, {4, 4}}};
  for (const auto& [value, counts] : expected) {
    EXPECT_EQ(listed.count_below(value), counts.first) << value;
    EXPECT_EQ(stepped.count_below(value), counts.second) << value;
  }
}

}  // namespace
}  // namespace headroom
