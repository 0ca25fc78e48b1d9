#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "core/roles/probe_set.h"
#include "core/roles/report.h"
#include "tests/roles/fake_corpus.h"

namespace headroom::test {

inline constexpr ProbeOptions kSmall{
    .rows = 12, .length = 24, .random_rows = 6, .most_choices = 1000, .wanted_cases = 0, .seed = 3};

ModelConfig causal() { return test::form("qwen2"); }

/// One row of a batch through the network, all that it shows kept.
struct OneRow {
  std::vector<KeptPicture> pictures;
  std::vector<float> logits;  ///< [seq, 37]
  double loss = 0;
  std::int64_t n_targets = 0;
};
inline OneRow look(Network& network, const Batch& batch) {
  OneRow seen;
  std::vector<LogitsAt> at;
  for (std::int64_t i = 0; i < batch.seq; ++i)
    at.push_back({0, i});
  std::mutex mutex;
  Evaluation found = network.evaluate(batch, {.logits_at = at, .on_attention = [&](const AttentionPicture& picture) {
                                                const std::scoped_lock lock(mutex);
                                                seen.pictures.push_back(keep(picture));
                                              }});
  seen.logits = std::move(found.logits);
  seen.loss = found.loss;
  seen.n_targets = found.n_targets;
  return seen;
}

inline Batch row_batch(const std::vector<std::int32_t>& ids) {
  Batch batch{.n_rows = 1, .seq = std::ssize(ids), .inputs = ids, .targets = {}};
  batch.targets.assign(ids.begin() + 1, ids.end());
  batch.targets.push_back(kIgnored);
  return batch;
}

inline std::int64_t strongest(const KeptPicture& picture, std::int64_t query) {
  std::int64_t best = 0;
  for (std::int64_t key = 0; key < picture.n_keys; ++key)
    if (picture.at(query, key) > picture.at(query, best)) best = key;
  return best;
}

/// A case told straight from a row: which keys are right at which query.
struct ToldCase {
  std::int64_t row = 0, query = 0, n_visible = 0;
  std::set<std::int64_t> right;
};

/// Scores, baseline and chance of told cases by the plainest loops. `pictures[row]` hold every head.
inline void expect_role(const RoleScore& score, const std::vector<ToldCase>& told,
                        const std::vector<std::vector<KeptPicture>>& pictures) {
  const Role& role = *score.role;
  ASSERT_EQ(score.n_cases, std::ssize(told)) << role.id;
  std::map<std::pair<std::int64_t, std::int64_t>, double> sums;
  double chance = 0;
  for (const ToldCase& one : told) {
    chance += static_cast<double>(one.right.size()) / static_cast<double>(one.n_visible);
    for (const KeptPicture& picture : pictures[static_cast<std::size_t>(one.row)]) {
      if (picture.stack != role.stack) continue;
      double& sum = sums[{picture.layer, picture.head}];
      if (role.measure == RoleMeasure::kStrongest) {
        sum += one.right.count(strongest(picture, one.query)) > 0 ? 1 : 0;
      } else {
        for (const std::int64_t key : one.right)
          sum += static_cast<double>(picture.at(one.query, key));
      }
    }
  }
  const auto n = static_cast<double>(told.size());
  EXPECT_NEAR(score.chance, chance / n, 1e-12) << role.id;
  ASSERT_EQ(score.by_head.size(), sums.size()) << role.id;
  double best = -1;
  for (const auto& [head, sum] : sums) {
    EXPECT_NEAR(static_cast<double>(score.of({head.first, head.second})), sum / n, 1e-5) << role.id;
    best = std::max(best, sum / n);
  }
  EXPECT_NEAR(score.score, best, 1e-5) << role.id;
  EXPECT_NEAR(static_cast<double>(score.of(score.head)), score.score, 1e-7) << role.id;
  double best_offset = 0;
  for (std::int64_t offset = -100; offset <= 100; ++offset) {
    double right = 0;
    for (const ToldCase& one : told)
      right += one.right.count(one.query - offset) > 0 ? 1 : 0;
    best_offset = std::max(best_offset, right / n);
    if (role.has_baseline && offset == score.offset) {
      EXPECT_NEAR(score.baseline, right / n, 1e-12) << role.id;
    }
  }
  EXPECT_NEAR(score.baseline, role.has_baseline ? best_offset : 0, 1e-12) << role.id;
}

/// Cases of one relation, one for each reading position.
inline std::vector<ToldCase> told_links(const FakeCorpus& corpus, const Role& role, bool looks_both_ways) {
  std::vector<ToldCase> told;
  for (std::int64_t index = 0; index < kSmall.rows; ++index) {
    const CorpusRow row = corpus.row(Stream::kHeldOut, kSmall.seed, index, kSmall.length);
    std::map<std::int64_t, std::set<std::int64_t>> right;
    for (const Link& link : row.links) {
      if (link.relation != role.relation) continue;
      if (role.at == RoleAt::kQuery) right[link.query].insert(link.key);
      if (role.at == RoleAt::kBefore && link.key < link.query - 1) right[link.query - 1].insert(link.key);
      if (role.at == RoleAt::kKey) right[link.key].insert(link.query);
    }
    for (const auto& [query, keys] : right)
      told.push_back({index, query, looks_both_ways ? kSmall.length : query + 1, keys});
  }
  return told;
}

/// Cases in random repeated rows, found by comparing tokens and not by knowing the period.
inline std::vector<ToldCase> told_random(const std::vector<std::vector<std::int32_t>>& rows, const Role& role,
                                         bool looks_both_ways) {
  std::vector<ToldCase> told;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::vector<std::int32_t>& ids = rows[r];
    const std::int64_t n = std::ssize(ids);
    for (std::int64_t query = 0; query < n; ++query) {
      ToldCase one{static_cast<std::int64_t>(r), query, looks_both_ways ? n : query + 1, {}};
      for (std::int64_t key = 0; key < n; ++key) {
        const bool is_same = ids[static_cast<std::size_t>(key)] == ids[static_cast<std::size_t>(query)];
        const bool is_visible = looks_both_ways || key <= query;
        if (role.cases == RoleCases::kInduction && is_same && key < query) one.right.insert(key + 1);
        if (role.cases == RoleCases::kDuplicate && is_same && key != query && is_visible) one.right.insert(key);
        if (role.cases == RoleCases::kPreviousToken && key == query - 1) one.right.insert(key);
        if (role.cases == RoleCases::kNextToken && key == query + 1) one.right.insert(key);
      }
      if (!one.right.empty()) told.push_back(one);
    }
  }
  return told;
}

inline std::vector<ToldCase> told_first() {
  std::vector<ToldCase> told;
  for (std::int64_t row = 0; row < kSmall.rows; ++row)
    for (std::int64_t query = 1; query < kSmall.length; ++query)
      told.push_back({row, query, query + 1, {0}});
  return told;
}

/// Rows of random words as the probes have them: their last part but for the loss.
inline std::vector<std::vector<std::int32_t>> random_rows(const RoleProbes& probes) {
  for (const roles_detail::ProbePart& part : probes.set().parts) {
    const bool is_random = !part.roles.empty() && part.roles.back().role->cases == RoleCases::kDuplicate;
    if (!is_random) continue;
    std::vector<std::vector<std::int32_t>> rows;
    for (std::int64_t row = 0; row < part.batch.n_rows; ++row)
      rows.emplace_back(part.batch.inputs.begin() + row * part.batch.seq, part.batch.inputs.begin() + (row + 1) * part.batch.seq);
    return rows;
  }
  return {};
}

inline void expect_behaviour(const HeadReport& report, Behaviour which, std::int64_t right, std::int64_t n, double chance_sum) {
  const BehaviourScore* const score = report.behaviour(which);
  ASSERT_NE(score, nullptr);
  EXPECT_EQ(score->n_cases, n) << behaviour_id(which);
  EXPECT_NEAR(score->accuracy, static_cast<double>(right) / static_cast<double>(n), 1e-12) << behaviour_id(which);
  EXPECT_NEAR(score->chance, chance_sum / static_cast<double>(n), 1e-12) << behaviour_id(which);
}

inline bool is_right(std::span<const float> logits, std::int64_t position, const std::vector<std::int32_t>& ids) {
  for (std::size_t i = 1; i < ids.size(); ++i)
    if (logits[static_cast<std::size_t>(position * 37 + ids[i])] >= logits[static_cast<std::size_t>(position * 37 + ids[0])])
      return false;
  return true;
}

inline bool is_likeliest(std::span<const float> logits, std::int64_t position, std::int32_t id) {
  std::vector<std::int32_t> all{id};
  for (std::int32_t other = 0; other < 37; ++other)
    if (other != id) all.push_back(other);
  return is_right(logits, position, all);
}

inline constexpr std::array kQuestions{Behaviour::kAgreement, Behaviour::kAgreementAcrossDistractor, Behaviour::kCoreference,
                                       Behaviour::kCopying, Behaviour::kSurname};

}  // namespace headroom::test
