#include "core/roles/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/roles/probe_set.h"
#include "tests/roles/fake_corpus.h"

namespace headroom {
namespace {

RoleScore score(std::string_view id, double value) {
  RoleScore score;
  score.role = find_role(ModelKind::kCausal, id);
  score.score = value;
  score.baseline = score.role->has_baseline ? 0.34 : 0;
  score.offset = 3;
  score.chance = 0.1;
  score.n_cases = 61;
  score.head = {1, 0};
  score.n_heads = 2;
  score.by_head = {0.1F, 0.2F, static_cast<float>(value), 0.3F};
  return score;
}

TEST(Roles, HaveStableIdsOfTheirOwnAndWholeSentences) {
  for (const ModelKind kind : {ModelKind::kCausal, ModelKind::kMasked, ModelKind::kEncoderDecoder}) {
    std::set<std::string> ids;
    for (const Role& role : roles(kind)) {
      EXPECT_TRUE(ids.insert(role.id).second) << role.id;
      EXPECT_EQ(find_role(kind, role.id), &role);
      EXPECT_FALSE(role.name.empty());
      EXPECT_FALSE(role.looks_at.empty());
      EXPECT_TRUE(role.definition.ends_with('.')) << role.definition;
      EXPECT_GE(role.threshold, 0.5);
    }
  }
  EXPECT_EQ(find_role(ModelKind::kCausal, "next"), nullptr) << "a model that reads on cannot look ahead";
  EXPECT_EQ(find_role(ModelKind::kMasked, "induction"), nullptr);
}

TEST(RoleScore, NamesAHeadOnlyAboveThresholdAndBaselineAtNoFixedDistance) {
  RoleScore subject = score("subject", 0.98);
  EXPECT_TRUE(subject.names_head());
  EXPECT_EQ(subject.why(), "L1 H0 looks at the subject in 0.98 of 61 cases; always looking 3 tokens before would reach 0.34.");
  subject.score = 0.79;
  EXPECT_FALSE(subject.names_head());
  EXPECT_EQ(subject.why(), "No head is named: the best, L1 H0, reaches 0.79 in 61 cases, below 0.80.");
  subject.score = 0.85;
  subject.baseline = 0.76;
  EXPECT_FALSE(subject.names_head());
  EXPECT_EQ(subject.why(),
            "No head is named: the best, L1 H0, reaches 0.85 in 61 cases, hardly more than always looking 3 tokens before: 0.76.");
  subject.score = 1;
  subject.baseline = 0.8;
  subject.offset = 1;
  EXPECT_TRUE(subject.is_fixed_distance());
  EXPECT_FALSE(subject.names_head());
  EXPECT_EQ(subject.why(), "No head is named: it stands 1 token before in 0.80 of 61 cases, so a fixed distance alone finds it.");
  subject.baseline = 0.3;
  subject.n_cases = 9;
  EXPECT_FALSE(subject.names_head());
  EXPECT_EQ(subject.why(), "No head is named: the held-out rows have only 9 cases, and 10 are needed.");
  subject.n_cases = 0;
  EXPECT_EQ(subject.why(), "Not measured: the held-out rows have no case of it.");

  const RoleScore previous = score("previous", 0.9);
  EXPECT_TRUE(previous.names_head());
  EXPECT_EQ(previous.why(),
            "L1 H0 gives the token before 0.90 of its attention, the mean of 61 cases; spread evenly it would be 0.10.");
  EXPECT_FALSE(score("previous", std::numeric_limits<double>::quiet_NaN()).names_head());
}

TEST(RoleScore, SaysInWhichStackAHeadIs) {
  RoleScore alignment = score("subject", 0.9);
  alignment.role = find_role(ModelKind::kEncoderDecoder, "alignment");
  EXPECT_EQ(alignment.why(),
            "cross L1 H0 looks at the source word to be translated in 0.90 of 61 cases; always looking 3 tokens before would reach "
            "0.34.");
  EXPECT_EQ(name_of({2, 3}, AttentionStack::kEncoder), "encoder L2 H3");
  EXPECT_EQ(name_of({2, 3}), "L2 H3");
}

TEST(HeadReport, ProvesInductionOnRandomSequencesAlone) {
  HeadReport report;
  EXPECT_EQ(report.induction_sentence(), "");
  report.roles = {score("induction", 0.79), score("copy", 0.9)};
  report.behaviours = {{Behaviour::kRandomCopying, 0.97, 0.03, 96}};
  EXPECT_EQ(report.induction_sentence(),
            "Proved on random sequences: L1 H0 gives 0.79 of its attention to what followed the last mention of the token.");
  report.roles[0].score = 0.08;
  report.has_shortcut = true;
  EXPECT_EQ(report.induction_sentence(),
            "This is the positional shortcut: 0.97 of random sequences are copied right, yet the best head gives only 0.08 of its "
            "attention to what "
            "followed the last mention; that is no induction head.");
  report.has_shortcut = false;
  report.behaviours[0].accuracy = 0.1;
  EXPECT_EQ(report.induction_sentence(),
            "No induction head: the best head, L1 H0, gives 0.08 of its attention to what followed the last mention of the token; "
            "0.10 of "
            "random sequences are copied right.");
}

TEST(ReportJson, KeepsTheOrderAndTheNamesOfTheFields) {
  HeadReport report;
  report.roles = {score("subject", 0.98), score("previous", 0.4)};
  report.roles.push_back(score("name", 0.9));
  report.roles.back().n_cases = 0;
  report.behaviours = {{Behaviour::kAgreement, 0.5, 0.25, 8}, {Behaviour::kAgreementAcrossDistractor, 1, 0.5, 4}};
  const auto roles = nlohmann::ordered_json::parse(roles_json(report));
  ASSERT_EQ(roles.size(), 2U) << "without a case there is nothing to say";
  EXPECT_EQ(roles.begin().key(), "subject");
  EXPECT_EQ(roles["subject"]["score"], 0.98);
  EXPECT_EQ(roles["subject"]["baseline"], 0.34);
  EXPECT_EQ(roles["subject"]["head"], "L1 H0");
  EXPECT_EQ(roles["subject"]["threshold"], 0.8);
  EXPECT_EQ(roles["subject"]["passed"], true);
  EXPECT_EQ(roles["subject"]["cases"], 61);
  EXPECT_TRUE(roles["previous"]["baseline"].is_null());
  EXPECT_EQ(roles["previous"]["passed"], false);
  EXPECT_EQ(behaviours_json(report), R"({"agreement":{"accuracy":0.5,"chance":0.25,"cases":8},)"
                                     R"("agreement_across_distractor":{"accuracy":1.0,"chance":0.5,"cases":4}})");
  EXPECT_EQ(roles_json({}), "{}");
}

TEST(RoleProbes, AddsRowsForRareCasesButTakesTheLossOfTheFirst) {
  const test::FakeCorpus corpus;
  const ProbeOptions options{.rows = 5, .length = 12, .wanted_cases = 7, .searched_rows = 60, .seed = 1};
  const RoleProbes probes(corpus, ModelKind::kCausal, options);
  // Every row of this corpus has one question of each kind and links of each relation: two more rows are enough.
  EXPECT_EQ(probes.set().rows, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6}));
  const roles_detail::ProbePart& part = probes.set().parts.front();
  EXPECT_EQ(part.batch.n_rows, 7);
  for (std::int64_t i = 0; i < part.batch.n_tokens(); ++i)
    EXPECT_EQ(part.batch.targets[static_cast<std::size_t>(i)] != kIgnored, i < 5 * 12 && i % 12 != 11) << i;
  EXPECT_EQ(std::ranges::count(part.answers, Behaviour::kSurname, &roles_detail::Answer::behaviour), 7);
  EXPECT_EQ(RoleProbes(test::FakeCorpus(test::FakeCorpus::Links::kNone), ModelKind::kCausal, options).set().rows.size(), 5U);
}

TEST(RandomRows, RepeatDifferentWordsAtManyDistances) {
  const test::FakeCorpus corpus;
  const ProbeOptions options{.rows = 4, .length = 48, .random_rows = 16, .seed = 1};
  const roles_detail::RandomRows drawn = roles_detail::draw_random_rows(corpus, options);
  ASSERT_EQ(drawn.rows.size(), 16U);
  EXPECT_EQ(drawn.first, 1);
  EXPECT_EQ(drawn.periods.front(), 6);
  EXPECT_EQ(drawn.periods.back(), 22);
  EXPECT_GE(std::set<std::int64_t>(drawn.periods.begin(), drawn.periods.end()).size(), 10U);
  for (std::size_t r = 0; r < drawn.rows.size(); ++r) {
    const std::vector<std::int32_t>& row = drawn.rows[r];
    ASSERT_EQ(row.size(), 48U);
    EXPECT_EQ(row[0], test::FakeCorpus::kBos);
    const auto period = static_cast<std::size_t>(drawn.periods[r]);
    EXPECT_EQ(std::set<std::int32_t>(row.begin() + 1, row.begin() + 1 + static_cast<std::ptrdiff_t>(period)).size(), period);
    for (std::size_t i = 1; i + period < row.size(); ++i)
      EXPECT_EQ(row[i], row[i + period]);
    for (std::size_t i = 1; i < row.size(); ++i)
      EXPECT_GT(row[i], test::FakeCorpus::kMask) << "no special tokens";
  }
  EXPECT_EQ(roles_detail::draw_random_rows(corpus, options).rows, drawn.rows);
  EXPECT_TRUE(roles_detail::draw_random_rows(corpus, {.length = 8}).rows.empty()) << "too short for a period of 3";
  EXPECT_EQ(roles_detail::draw_random_rows(corpus, {.length = 9, .random_rows = 2}).periods, (std::vector<std::int64_t>{3, 3}));
}

}  // namespace
}  // namespace headroom
