#include <algorithm>
#include <array>
#include <map>

#include "core/roles/report.h"
#include "core/tensor/error.h"
#include "core/training/batches.h"
#include "tests/roles/told_cases.h"

namespace headroom::test {
namespace {

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
  FakeModel model(form("bert"));
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
  FakeModel model(form("bart"));
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
}  // namespace headroom::test
