#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <set>

#include "core/roles/ablation.h"
#include "core/roles/probe_set.h"
#include "core/roles/report.h"
#include "core/tensor/error.h"
#include "core/training/batches.h"
#include "tests/roles/fake_corpus.h"

namespace headroom {
namespace {

using test::FakeCorpus;
using test::FakeModel;
using test::FakePairs;
using test::KeptPicture;

constexpr ProbeOptions kSmall{.rows = 12, .length = 24, .random_rows = 6, .most_choices = 1000, .wanted_cases = 0, .seed = 3};

ModelConfig causal() { return test::form("qwen2"); }

/// One row of a batch through the network, all that it shows kept.
struct OneRow {
  std::vector<KeptPicture> pictures;
  std::vector<float> logits;  ///< [seq, 37]
  double loss = 0;
  std::int64_t n_targets = 0;
};
OneRow look(Network& network, const Batch& batch) {
  OneRow seen;
  std::vector<LogitsAt> at;
  for (std::int64_t i = 0; i < batch.seq; ++i)
    at.push_back({0, i});
  std::mutex mutex;
  Evaluation found = network.evaluate(batch, {.logits_at = at, .on_attention = [&](const AttentionPicture& picture) {
                                                const std::scoped_lock lock(mutex);
                                                seen.pictures.push_back(test::keep(picture));
                                              }});
  seen.logits = std::move(found.logits);
  seen.loss = found.loss;
  seen.n_targets = found.n_targets;
  return seen;
}

Batch row_batch(const std::vector<std::int32_t>& ids) {
  Batch batch{.n_rows = 1, .seq = std::ssize(ids), .inputs = ids, .targets = {}};
  batch.targets.assign(ids.begin() + 1, ids.end());
  batch.targets.push_back(kIgnored);
  return batch;
}

std::int64_t strongest(const KeptPicture& picture, std::int64_t query) {
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
void expect_role(const RoleScore& score, const std::vector<ToldCase>& told, const std::vector<std::vector<KeptPicture>>& pictures) {
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
std::vector<ToldCase> told_links(const FakeCorpus& corpus, const Role& role, bool looks_both_ways) {
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
std::vector<ToldCase> told_random(const std::vector<std::vector<std::int32_t>>& rows, const Role& role, bool looks_both_ways) {
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

std::vector<ToldCase> told_first() {
  std::vector<ToldCase> told;
  for (std::int64_t row = 0; row < kSmall.rows; ++row)
    for (std::int64_t query = 1; query < kSmall.length; ++query)
      told.push_back({row, query, query + 1, {0}});
  return told;
}

/// Rows of random words as the probes have them: their last part but for the loss.
std::vector<std::vector<std::int32_t>> random_rows(const RoleProbes& probes) {
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

void expect_behaviour(const HeadReport& report, Behaviour which, std::int64_t right, std::int64_t n, double chance_sum) {
  const BehaviourScore* const score = report.behaviour(which);
  ASSERT_NE(score, nullptr);
  EXPECT_EQ(score->n_cases, n) << behaviour_id(which);
  EXPECT_NEAR(score->accuracy, static_cast<double>(right) / static_cast<double>(n), 1e-12) << behaviour_id(which);
  EXPECT_NEAR(score->chance, chance_sum / static_cast<double>(n), 1e-12) << behaviour_id(which);
}

bool is_right(std::span<const float> logits, std::int64_t position, const std::vector<std::int32_t>& ids) {
  for (std::size_t i = 1; i < ids.size(); ++i)
    if (logits[static_cast<std::size_t>(position * 37 + ids[i])] >= logits[static_cast<std::size_t>(position * 37 + ids[0])])
      return false;
  return true;
}

bool is_likeliest(std::span<const float> logits, std::int64_t position, std::int32_t id) {
  std::vector<std::int32_t> all{id};
  for (std::int32_t other = 0; other < 37; ++other)
    if (other != id) all.push_back(other);
  return is_right(logits, position, all);
}

constexpr std::array kQuestions{Behaviour::kAgreement, Behaviour::kAgreementAcrossDistractor, Behaviour::kCoreference,
                                Behaviour::kCopying, Behaviour::kSurname};

TEST(MeasureRoles, CausalScoresEqualPlainLoopsOverSingleRows) {
  const FakeCorpus corpus;
  FakeModel model(causal());
  const RoleProbes probes(corpus, ModelKind::kCausal, kSmall);
  const HeadReport report = measure_roles(model.network, probes);

  std::vector<std::vector<KeptPicture>> pictures, random_pictures;
  std::array<std::int64_t, 5> right{}, n{};
  std::array<double, 5> chance{};
  double loss = 0, floor = 0;
  std::int64_t n_targets = 0;
  for (std::int64_t index = 0; index < kSmall.rows; ++index) {
    const CorpusRow row = corpus.row(Stream::kHeldOut, kSmall.seed, index, kSmall.length);
    OneRow seen = look(model.network, row_batch(row.ids));
    for (const Choice& choice : row.choices) {
      const auto which = static_cast<std::size_t>(choice.question);
      right[which] += is_right(seen.logits, choice.position - 1, choice.ids) ? 1 : 0;
      ++n[which];
      chance[which] += 1.0 / static_cast<double>(choice.ids.size());
    }
    for (const float surprisal : row.surprisals)
      floor += static_cast<double>(surprisal);
    loss += seen.loss * static_cast<double>(seen.n_targets);
    n_targets += seen.n_targets;
    pictures.push_back(std::move(seen.pictures));
  }
  EXPECT_NEAR(report.held_out_loss, loss / static_cast<double>(n_targets), 1e-5);
  EXPECT_TRUE(report.has_floor);
  EXPECT_NEAR(report.floor, floor / static_cast<double>(n_targets), 1e-9);
  for (std::size_t i = 0; i < kQuestions.size(); ++i)
    expect_behaviour(report, kQuestions[i], right[i], n[i], chance[i]);

  const std::vector<std::vector<std::int32_t>> rows = random_rows(probes);
  ASSERT_EQ(std::ssize(rows), kSmall.random_rows);
  std::int64_t copied = 0, n_copied = 0;
  for (const std::vector<std::int32_t>& ids : rows) {
    OneRow seen = look(model.network, row_batch(ids));
    for (std::size_t i = 1; i + 1 < ids.size(); ++i) {
      if (std::find(ids.begin() + 1, ids.begin() + static_cast<std::ptrdiff_t>(i), ids[i]) ==
          ids.begin() + static_cast<std::ptrdiff_t>(i))
        continue;
      ++n_copied;
      copied += is_likeliest(seen.logits, static_cast<std::int64_t>(i), ids[i + 1]) ? 1 : 0;
    }
    random_pictures.push_back(std::move(seen.pictures));
  }
  expect_behaviour(report, Behaviour::kRandomCopying, copied, n_copied, static_cast<double>(n_copied) / 37);

  ASSERT_EQ(report.roles.size(), roles(ModelKind::kCausal).size());
  for (const RoleScore& score : report.roles) {
    SCOPED_TRACE(score.role->id);
    if (score.role->cases == RoleCases::kRelation) {
      expect_role(score, told_links(corpus, *score.role, false), pictures);
    } else if (score.role->cases == RoleCases::kFirstToken) {
      expect_role(score, told_first(), pictures);
    } else {
      expect_role(score, told_random(rows, *score.role, false), random_pictures);
    }
  }
}

TEST(MeasureRoles, MaskedScoresAreReadOffPlainRowsAndAnswersOffHiddenWords) {
  const FakeCorpus corpus;
  FakeModel model(test::form("bert"));
  const RoleProbes probes(corpus, ModelKind::kMasked, kSmall);
  const HeadReport report = measure_roles(model.network, probes);
  EXPECT_FALSE(report.has_floor);

  std::vector<std::vector<KeptPicture>> pictures, random_pictures;
  std::array<std::vector<std::pair<bool, double>>, 5> answers;  // right or not and chance, of each question
  for (std::int64_t index = 0; index < kSmall.rows; ++index) {
    const CorpusRow row = corpus.row(Stream::kHeldOut, kSmall.seed, index, kSmall.length);
    pictures.push_back(look(model.network, row_batch(row.ids)).pictures);
    for (const Choice& choice : row.choices) {
      std::vector<std::int32_t> hidden = row.ids;
      hidden[static_cast<std::size_t>(choice.position)] = FakeCorpus::kMask;
      const OneRow seen = look(model.network, row_batch(hidden));
      answers[static_cast<std::size_t>(choice.question)].emplace_back(is_right(seen.logits, choice.position, choice.ids),
                                                                      1.0 / static_cast<double>(choice.ids.size()));
    }
  }
  for (std::size_t i = 0; i < kQuestions.size(); ++i) {
    // Half as many questions as rows: every second one.
    std::int64_t right = 0, n = 0;
    double chance = 0;
    for (std::size_t j = 1; j < answers[i].size(); j += 2) {
      right += answers[i][j].first ? 1 : 0;
      chance += answers[i][j].second;
      ++n;
    }
    EXPECT_EQ(n, kSmall.rows / 2);
    expect_behaviour(report, kQuestions[i], right, n, chance);
  }
  EXPECT_EQ(report.behaviour(Behaviour::kRandomCopying), nullptr);

  const Batch masked =
      masked_batch(corpus, {Stream::kHeldOut, kSmall.seed, 0, kSmall.rows}, {.length = kSmall.length, .unknown_share = 0});
  EXPECT_NEAR(report.held_out_loss, model.network.evaluate(masked).loss, 1e-12);

  const std::vector<std::vector<std::int32_t>> rows = random_rows(probes);
  for (const std::vector<std::int32_t>& ids : rows)
    random_pictures.push_back(look(model.network, row_batch(ids)).pictures);
  for (const RoleScore& score : report.roles) {
    SCOPED_TRACE(score.role->id);
    if (score.role->cases == RoleCases::kRelation) {
      expect_role(score, told_links(corpus, *score.role, true), pictures);
    } else if (score.role->cases == RoleCases::kFirstToken) {
      std::vector<ToldCase> told = told_first();
      for (ToldCase& one : told)
        one.n_visible = kSmall.length;
      expect_role(score, told, pictures);
    } else {
      expect_role(score, told_random(rows, *score.role, true), random_pictures);
    }
  }
}

TEST(MeasureRoles, TranslationScoresEqualPlainLoopsOverSinglePairs) {
  const FakePairs corpus;
  FakeModel model(test::form("bart"));
  const RoleProbes probes(corpus, kSmall);
  const HeadReport report = measure_roles(model.network, probes);
  EXPECT_TRUE(report.has_floor);
  EXPECT_EQ(report.floor, 0);

  std::vector<std::vector<KeptPicture>> pictures;
  std::map<std::string, std::vector<ToldCase>> told;
  std::int64_t right = 0, n = 0, tokens_right = 0, n_tokens = 0;
  double loss = 0;
  for (std::int64_t index = 0; index < kSmall.rows; ++index) {
    const ParallelRow pair = corpus.row(Stream::kHeldOut, kSmall.seed, index);
    const std::int64_t n_source = std::ssize(pair.source), n_target = std::ssize(pair.target);
    Batch batch{
        .n_rows = 1, .seq = n_target + 1, .inputs = {1}, .targets = pair.target, .source_seq = n_source, .sources = pair.source};
    batch.inputs.insert(batch.inputs.end(), pair.target.begin(), pair.target.end());
    batch.targets.push_back(2);
    batch.source_lengths = {static_cast<std::int32_t>(n_source)};
    OneRow seen = look(model.network, batch);
    for (const Choice& choice : pair.choices) {
      right += is_right(seen.logits, choice.position, choice.ids) ? 1 : 0;
      ++n;
    }
    for (std::int64_t i = 0; i <= n_target; ++i)
      tokens_right += is_likeliest(seen.logits, i, batch.targets[static_cast<std::size_t>(i)]) ? 1 : 0;
    n_tokens += n_target + 1;
    loss += seen.loss * static_cast<double>(n_target + 1);
    for (std::int64_t i = 0; i < n_target; ++i)
      for (const Link& link : pair.alignment)
        if (link.query == i) told["alignment"].push_back({index, i, n_source, {link.key}});
    for (std::int64_t i = 1; i <= n_target; ++i) {
      told["previous"].push_back({index, i, i + 1, {i - 1}});
      told["first"].push_back({index, i, i + 1, {0}});
    }
    for (std::int64_t i = 0; i < n_source; ++i) {
      if (i > 0) told["encoder_previous"].push_back({index, i, n_source, {i - 1}});
      if (i + 1 < n_source) told["encoder_next"].push_back({index, i, n_source, {i + 1}});
    }
    pictures.push_back(std::move(seen.pictures));
  }
  EXPECT_NEAR(report.held_out_loss, loss / static_cast<double>(n_tokens), 1e-5);
  expect_behaviour(report, Behaviour::kAgreement, right, n, static_cast<double>(n) / 2);
  expect_behaviour(report, Behaviour::kTokens, tokens_right, n_tokens, static_cast<double>(n_tokens) / 37);
  ASSERT_EQ(report.roles.size(), told.size());
  for (const RoleScore& score : report.roles)
    expect_role(score, told.at(score.role->id), pictures);
}

TEST(MeasureRoles, TheNumberOfThreadsChangesNothing) {
  const FakeCorpus corpus;
  const RoleProbes probes(corpus, ModelKind::kCausal, kSmall);
  FakeModel one(causal(), 1), three(causal(), 3);
  const HeadReport first = measure_roles(one.network, probes), second = measure_roles(three.network, probes);
  for (std::size_t i = 0; i < first.roles.size(); ++i)
    EXPECT_EQ(first.roles[i].by_head, second.roles[i].by_head) << first.roles[i].role->id;
}

TEST(MeasureRoles, ATextWithoutLinksHasLossAndNeighboursAlone) {
  const FakeCorpus corpus(FakeCorpus::Links::kNone);
  FakeModel model(causal());
  const HeadReport report = measure_roles(model.network, RoleProbes(corpus, ModelKind::kCausal, kSmall));
  EXPECT_FALSE(report.has_floor);
  EXPECT_GT(report.held_out_loss, 0);
  EXPECT_EQ(report.role("subject"), nullptr);
  EXPECT_NE(report.role("previous"), nullptr);
  EXPECT_NE(report.role("induction"), nullptr);
  EXPECT_EQ(report.behaviours.size(), 1U);  // random sequences
}

TEST(MeasureRoles, SaysWhatCannotBeMeasured) {
  FakeCorpus corpus;
  FakeModel model(causal());
  EXPECT_THROW(RoleProbes(corpus, ModelKind::kCausal, {.rows = 0}), ShapeError);
  EXPECT_THROW(RoleProbes(corpus, ModelKind::kCausal, {.rows = 1, .length = 1}), ShapeError);
  EXPECT_THROW(RoleProbes(corpus, ModelKind::kEncoderDecoder, kSmall), Error);
  EXPECT_THROW(measure_roles(model.network, RoleProbes(corpus, ModelKind::kMasked, kSmall)), ShapeError);
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_THROW(measure_roles(model.network, RoleProbes(corpus, ModelKind::kCausal, kSmall), stopped.get_token()), Cancelled);
  corpus.has_mask = false;
  EXPECT_THROW(RoleProbes(corpus, ModelKind::kMasked, kSmall), Error);
}

}  // namespace
}  // namespace headroom
