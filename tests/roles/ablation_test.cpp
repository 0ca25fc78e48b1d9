#include "core/roles/ablation.h"

#include <algorithm>

#include "core/roles/events.h"
#include "core/tensor/error.h"
#include "tests/roles/fake_corpus.h"

namespace headroom {
namespace {

constexpr ProbeOptions kSmall{.rows = 12, .length = 24, .random_rows = 6, .most_choices = 1000, .wanted_cases = 0, .seed = 3};

/// The same parameters with the columns of W_O that read a head's output at zero.
void silence(Network& network, HeadRef head) {
  const std::int64_t d_head = network.layout().config().shape.d_head;
  const ParameterSlot& slot = network.layout().slot("layers." + std::to_string(head.layer) + ".w_o");
  for (std::int64_t row = 0; row < slot.rows; ++row)
    for (std::int64_t c = 0; c < d_head; ++c)
      network.parameters()[static_cast<std::size_t>(slot.offset + row * slot.cols + head.head * d_head + c)] = 0;
  network.parameters_changed();
}

void expect_equal(const std::vector<BehaviourScore>& got, const std::vector<BehaviourScore>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].behaviour, expected[i].behaviour);
    EXPECT_DOUBLE_EQ(got[i].accuracy, expected[i].accuracy) << behaviour_id(got[i].behaviour);
    EXPECT_EQ(got[i].n_cases, expected[i].n_cases);
  }
}

TEST(Ablation, EqualsAModelWhoseOutputProjectionReadsNothingOfTheHead) {
  const test::FakeCorpus corpus;
  for (const std::string name : {"qwen2", "bert"}) {
    const ModelConfig config = test::form(name);
    const RoleProbes probes(corpus, config.kind, kSmall);
    test::FakeModel model(config);
    const HeadReport before = measure_roles(model.network, probes);
    const std::vector<Ablation> all = measure_ablations(model.network, probes, before);
    ASSERT_EQ(std::ssize(all), config.shape.n_layers * config.shape.n_heads);
    double largest = 0;
    for (const Ablation& ablation : all) {
      test::FakeModel silenced(config);
      silence(silenced.network, ablation.head);
      const HeadReport after = measure_roles(silenced.network, probes);
      EXPECT_EQ(ablation.loss_before, before.held_out_loss);
      EXPECT_NEAR(ablation.loss_after, after.held_out_loss, 1e-6);
      expect_equal(ablation.before, before.behaviours);
      expect_equal(ablation.after, after.behaviours);
      largest = std::max(largest, std::abs(ablation.loss_change()));
    }
    EXPECT_GT(largest, 1e-3) << "no head does anything";
    EXPECT_NEAR(measure_roles(model.network, probes).held_out_loss, before.held_out_loss, 0) << "the heads are on again";
  }
}

TEST(Ablation, TellsProgressStopsAndKnowsItsHeads) {
  const RoleProbes probes(test::FakeCorpus(), ModelKind::kCausal, kSmall);
  test::FakeModel model(test::form("qwen2"));
  const HeadReport before = measure_roles(model.network, probes);
  std::vector<std::int64_t> done;
  std::stop_source stop;
  const AblationWatch watch{[&](std::int64_t n, std::int64_t total) {
                              EXPECT_EQ(total, 6);
                              done.push_back(n);
                              if (n == 2) stop.request_stop();
                            },
                            stop.get_token()};
  EXPECT_THROW(measure_ablations(model.network, probes, before, watch), Cancelled);
  EXPECT_EQ(done, (std::vector<std::int64_t>{1, 2}));
  EXPECT_THROW(measure_ablation(model.network, probes, before, {2, 0}), ShapeError);
  EXPECT_THROW(measure_ablation(model.network, probes, before, {0, 3}), ShapeError);
}

RoleScore score(std::string_view id, double value, double baseline) {
  RoleScore score;
  score.role = find_role(ModelKind::kCausal, id);
  score.score = value;
  score.baseline = baseline;
  score.offset = 3;
  score.chance = 0.1;
  score.n_cases = 61;
  score.head = {1, 0};
  score.n_heads = 1;
  score.by_head = {0.1F, static_cast<float>(value)};
  return score;
}

TEST(Cause, IsToldBesideThePictureWhateverTheAnswer) {
  HeadReport report;
  report.roles = {score("subject", 0.98, 0.34)};
  Ablation ablation;
  ablation.head = {1, 0};
  ablation.loss_before = 1.9;
  ablation.loss_after = 1.95;
  ablation.before = {{Behaviour::kAgreementAcrossDistractor, 1, 0.5, 80}, {Behaviour::kCoreference, 0.9, 0.5, 40}};
  ablation.after = ablation.before;
  using Sentences = std::vector<std::string>;
  EXPECT_EQ(
      cause_sentences(report, ablation),
      (Sentences{"L1 H0 looks at the subject in 0.98 of 61 cases, yet agreement across a distractor stays at 1.00 without it.",
                 "Without L1 H0 the held-out loss rises from 1.90 to 1.95 nats a token."}));
  ablation.loss_after = 1.92;
  ablation.after[0].accuracy = 0.52;
  ablation.after[1].accuracy = 0.7;
  EXPECT_EQ(
      cause_sentences(report, ablation),
      (Sentences{
          "L1 H0 looks at the subject in 0.98 of 61 cases, and without it agreement across a distractor falls from 1.00 to 0.52.",
          "No role for it is seen in L1 H0, yet without this head coreference falls from 0.90 to 0.70."}));
  ablation.after[0].accuracy = 0.97;
  ablation.after[1].accuracy = 0.9;
  EXPECT_EQ(cause_sentences(report, ablation), (Sentences{"L1 H0 looks at the subject in 0.98 of 61 cases, yet agreement across a "
                                                          "distractor hardly changes without it: 1.00, then 0.97."}));
  report.roles[0].baseline = 0.85;  // a fixed distance: the picture says nothing, so nothing is claimed of it
  EXPECT_TRUE(cause_sentences(report, ablation).empty());
  EXPECT_NEAR(ablation.change(Behaviour::kAgreementAcrossDistractor), -0.03, 1e-12);
  EXPECT_EQ(ablation.change(Behaviour::kSurname), 0);
}

std::shared_ptr<const HeadReport> report_at(std::int64_t tokens, double subject, HeadRef head, double agreement) {
  auto report = std::make_shared<HeadReport>();
  report->tokens = tokens;
  report->roles = {score("subject", subject, 0.34)};
  report->roles[0].head = head;
  report->behaviours = {{Behaviour::kAgreementAcrossDistractor, agreement, 0.5, 80}};
  return report;
}

TEST(Events, AreTheFirstTimesAndSayWhetherTheyStillHold) {
  std::vector<std::shared_ptr<const HeadReport>> series{
      report_at(0, 0.2, {0, 0}, 0.2),         report_at(60'000, 0.3, {0, 0}, 0.45),   report_at(120'000, 0.5, {0, 0}, 0.3),
      report_at(180'000, 0.97, {1, 0}, 0.36), report_at(240'000, 0.99, {1, 0}, 0.96), report_at(1'200'000, 0.9, {0, 0}, 1)};
  const std::vector<RoleEvent> events = role_events(series);
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].kind, RoleEventKind::kBelowChance);
  EXPECT_EQ(events[0].tokens, 120'000) << "0.45 of 80 may be bad luck, and an untrained model follows no rule";
  EXPECT_FALSE(events[0].holds);
  EXPECT_EQ(events[0].sentence(),
            "At 120 k tokens agreement across a distractor is worse than guessing (0.30): the model follows another rule.");
  EXPECT_EQ(events[1].sentence(),
            "At 180 k tokens L1 H0 takes up: subject across a distractor, before the verb (0.97); now L0 H0 does.");
  EXPECT_TRUE(events[1].holds);
  EXPECT_EQ(events[2].sentence(), "At 240 k tokens agreement across a distractor is right in 0.96 of the cases.");
  EXPECT_TRUE(events[2].holds);

  series.push_back(report_at(1'500'000, 0.4, {0, 0}, 0.9));
  EXPECT_EQ(role_events(series)[1].sentence(),
            "At 180 k tokens L1 H0 takes up: subject across a distractor, before the verb (0.97); no head does now.");
  EXPECT_FALSE(role_events(series)[1].holds);
  EXPECT_FALSE(role_events(series)[2].holds);
  EXPECT_TRUE(role_events({}).empty());
}

}  // namespace
}  // namespace headroom
