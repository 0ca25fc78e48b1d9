#include "core/roles/tally.h"

#include <thread>

#include "tests/roles/fake_corpus.h"

namespace headroom {
namespace {

using roles_detail::AttentionTally;
using roles_detail::ModelHeads;
using roles_detail::RoleCaseList;

/// A matrix drawn by hand, shown as a network would show it: by columns, with room between them.
class Drawn {
 public:
  Drawn(std::int64_t n_queries, std::int64_t n_keys)
      : n_queries_(n_queries), n_keys_(n_keys), probs_(static_cast<std::size_t>((n_queries + 3) * n_keys), -9) {
    for (std::int64_t query = 0; query < n_queries; ++query)
      for (std::int64_t key = 0; key < n_keys; ++key)
        set(query, key, 0);
  }
  void set(std::int64_t query, std::int64_t key, float value) {
    probs_[static_cast<std::size_t>(key * (n_queries_ + 3) + query)] = value;
  }
  AttentionPicture of(AttentionStack stack, HeadRef head, std::int64_t row) const {
    return {stack, head.layer, head.head, row, n_queries_, n_keys_, probs_.data(), n_queries_ + 3};
  }

 private:
  std::int64_t n_queries_, n_keys_;
  std::vector<float> probs_;
};

RoleCaseList list_of(std::string_view id) {
  RoleCaseList list;
  list.role = find_role(ModelKind::kCausal, id);
  return list;
}

TEST(AttentionTally, CountsTheStrongestKeyAndAddsProbabilities) {
  RoleCaseList subject = list_of("subject"), induction = list_of("induction");
  subject.add(0, 3, {1});
  subject.add(1, 2, {0, 1});  // either is right
  induction.add(0, 3, {0, 2});
  const std::vector<RoleCaseList> lists{subject, induction};
  AttentionTally tally(lists, ModelHeads{{{2, 2}, {0, 0}, {0, 0}}}, 2);

  Drawn right(4, 4), wrong(4, 4);
  right.set(3, 1, 0.6F);
  right.set(3, 0, 0.3F);
  right.set(3, 2, 0.1F);
  wrong.set(3, 0, 0.5F);
  wrong.set(3, 1, 0.5F);  // the first of equals is the strongest: key 0
  Drawn second(4, 4);
  second.set(2, 1, 1);
  tally.add(right.of(AttentionStack::kSelf, {0, 0}, 0));
  tally.add(second.of(AttentionStack::kSelf, {0, 0}, 1));
  tally.add(wrong.of(AttentionStack::kSelf, {1, 0}, 0));
  tally.add(second.of(AttentionStack::kCross, {1, 1}, 1));  // another stack: of no list

  EXPECT_EQ(tally.by_head(0), (std::vector<float>{1, 0, 0, 0}));
  const std::vector<float> probs = tally.by_head(1);
  EXPECT_NEAR(probs[0], 0.4, 1e-6);
  EXPECT_NEAR(probs[2], 0.5, 1e-6);
  EXPECT_EQ(probs[1], 0);
}

TEST(AttentionTally, RowsMayComeFromManyThreadsInAnyOrder) {
  constexpr std::int64_t kRows = 64;
  RoleCaseList list = list_of("duplicate");
  for (std::int32_t row = 0; row < kRows; ++row)
    list.add(row, 1, {0});
  const std::vector<RoleCaseList> lists{list};
  const auto run = [&](bool backwards) {
    AttentionTally tally(lists, ModelHeads{{{1, 1}, {0, 0}, {0, 0}}}, kRows);
    std::vector<std::jthread> threads;
    for (std::int64_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (std::int64_t i = t; i < kRows; i += 4) {
          const std::int64_t row = backwards ? kRows - 1 - i : i;
          Drawn drawn(2, 2);
          drawn.set(1, 0, 1 / static_cast<float>(row + 3));
          tally.add(drawn.of(AttentionStack::kSelf, {0, 0}, row));
        }
      });
    threads.clear();
    return tally.by_head(0)[0];
  };
  EXPECT_EQ(run(false), run(true));
  double expected = 0;
  for (std::int64_t row = 0; row < kRows; ++row)
    expected += 1 / static_cast<double>(row + 3) / kRows;
  EXPECT_NEAR(run(false), expected, 1e-6);
}

TEST(Baseline, IsTheBestConstantOffsetAndChanceIsEvenAttention) {
  RoleCaseList list = list_of("subject");
  list.add(0, 5, {2});     // 3 before
  list.add(0, 7, {4, 6});  // 3 or 1
  list.add(1, 4, {3});     // 1
  list.add(1, 9, {6});     // 3
  roles_detail::measure_baseline(list, roles_detail::Sight::kBack, {});
  EXPECT_EQ(list.offset, 3);
  EXPECT_DOUBLE_EQ(list.baseline, 0.75);
  EXPECT_DOUBLE_EQ(list.chance, (1.0 / 6 + 2.0 / 8 + 1.0 / 5 + 1.0 / 10) / 4);
  roles_detail::measure_baseline(list, roles_detail::Sight::kAll, {20, 10});
  EXPECT_DOUBLE_EQ(list.chance, (1.0 / 20 + 2.0 / 20 + 1.0 / 10 + 1.0 / 10) / 4);
}

}  // namespace
}  // namespace headroom
