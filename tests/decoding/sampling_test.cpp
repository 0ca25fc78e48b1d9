// Which words can be drawn, against transformers' logits processors (tests/golden/make_writing_golden.py) and by definition.

#include "core/decoding/sampling.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <map>

#include "core/formats/json_value.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;

std::vector<std::int32_t> ids_of(const std::vector<Prediction>& choices) {
  std::vector<std::int32_t> ids;
  for (const Prediction& choice : choices)
    ids.push_back(choice.id);
  return ids;
}

TEST(SampleChoices, AgreeWithTransformers) {
  const JsonDocument golden =
      read_json_file(std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/writing_golden.json", 1 << 20);
  const JsonValue& cases = *golden.root.find("choices");
  ASSERT_GE(cases.items.size(), 9u);
  for (const JsonValue& each : cases.items) {
    std::vector<float> logits;
    for (const JsonValue& logit : each.find("logits")->items)
      logits.push_back(static_cast<float>(logit.number()));
    const SampleOptions options{.temperature = each.find("temperature")->number(),
                                .top_k = static_cast<std::int64_t>(each.find("top_k")->number()),
                                .top_p = each.find("top_p")->number()};
    const std::vector<Prediction> choices = sample_choices(logits, options);
    const auto& wanted = each.find("probabilities")->members;
    ASSERT_EQ(choices.size(), wanted.size()) << "temperature " << options.temperature << ", top_k " << options.top_k;
    for (const Prediction& choice : choices) {
      const JsonValue* probability = each.find("probabilities")->find(std::to_string(choice.id));
      ASSERT_NE(probability, nullptr) << choice.id;
      EXPECT_NEAR(choice.probability, probability->number(), 1e-6);
    }
    for (std::size_t i = 1; i < choices.size(); ++i)
      EXPECT_GE(choices[i - 1].probability, choices[i].probability);
  }
}

TEST(SampleChoices, WithoutTemperatureAreTheMostProbableAlone) {
  EXPECT_THAT(ids_of(sample_choices(std::vector<float>{1, 5, 5, 2}, {})), ElementsAre(1)) << "equal logits in the order of ids";
  EXPECT_EQ(sample_choices(std::vector<float>{1, 5}, {.top_k = 7, .top_p = 0.1}).front().probability, 1);
}

TEST(SampleChoices, LeaveOutWhatIsNoNumberAndWhatHasNoProbability) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  EXPECT_THAT(ids_of(sample_choices(std::vector<float>{kNan, 1, -kInf, 3}, {.temperature = 1})), ElementsAre(3, 1));
  const std::vector<Prediction> none = sample_choices(std::vector<float>{kNan, kNan}, {.temperature = 1});
  EXPECT_THAT(ids_of(none), ElementsAre(0));
  EXPECT_EQ(none.front().probability, 1);
  EXPECT_THAT(ids_of(sample_choices(std::vector<float>{1, kInf, kInf}, {.temperature = 1})), ElementsAre(1));
  EXPECT_THROW(sample_choices({}, {}), ShapeError);
}

TEST(Draw, FallsOnEachWordAsOftenAsItsProbabilitySays) {
  const std::vector<Prediction> choices = sample_choices(std::vector<float>{0.5F, 2, 1, -1, 1.5F}, {.temperature = 0.8});
  constexpr int kDraws = 200000;
  std::map<std::int32_t, int> counts;
  for (std::uint64_t step = 0; step < kDraws; ++step)
    ++counts[draw(choices, uniform_at(42, step))];
  double chi_square = 0;
  for (const Prediction& choice : choices) {
    const double wanted = kDraws * choice.probability;
    chi_square += (counts[choice.id] - wanted) * (counts[choice.id] - wanted) / wanted;
  }
  EXPECT_LT(chi_square, 18.5) << "four degrees of freedom: exceeded once in a thousand seeds";
  EXPECT_EQ(draw(choices, 0), choices.front().id);
  EXPECT_EQ(draw(choices, std::nextafter(1.0, 0.0)), choices.back().id);
  EXPECT_THROW(draw({}, 0.5), ShapeError);
}

TEST(UniformAt, IsSplitMixOfTheSeed) {
  // The first outputs of SplitMix64 from state 1234567, as its authors' code gives them.
  constexpr std::uint64_t kOutputs[] = {6457827717110365317U, 3203168211198807973U, 9817491932198370423U, 4593380528125082431U};
  for (std::uint64_t step = 0; step < 4; ++step)
    EXPECT_EQ(uniform_at(1234567, step), static_cast<double>(kOutputs[step] >> 11U) * 0x1.0p-53);
  double sum = 0;
  for (std::uint64_t step = 0; step < 10000; ++step)
    sum += uniform_at(7, step);
  EXPECT_NEAR(sum / 10000, 0.5, 0.01);
}

}  // namespace
}  // namespace headroom
