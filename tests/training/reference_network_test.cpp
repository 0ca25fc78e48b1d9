// The oracle of the other tests is itself held against transformers in double (tests/golden/make_training_golden.py).

#include "tests/training/reference_network.h"

#include <cmath>

#include "tests/training/forms.h"
#include "tests/training/golden.h"

namespace headroom {
namespace {

// The golden numbers are rounded to float32, and transformers computes rotary angles in float32.
constexpr double kTolerance = 2e-6;

TEST(ReferenceNetwork, LossesAndLogitsEqualTransformersForEveryForm) {
  const test::TrainingGolden golden;
  for (const test::Form& form : test::forms()) {
    const ParameterLayout layout(form.config);
    const std::vector<double> parameters = test::in_double(golden.row(layout, form.name + ".parameter."));
    const Batch batch = golden.batch(form.name);
    const test::ReferenceRun run = test::run_reference(layout, parameters, batch, {.keep = test::ReferenceOptions::Keep::kAll});
    EXPECT_NEAR(run.loss / static_cast<double>(run.n_targets), static_cast<double>(golden.floats(form.name + ".loss").at(0)),
                kTolerance)
        << form.name;
    const std::vector<float> losses = golden.floats(form.name + ".losses");
    ASSERT_EQ(losses.size(), run.losses.size());
    for (std::size_t i = 0; i < losses.size(); ++i)
      EXPECT_NEAR(run.losses[i], static_cast<double>(losses[i]), 10 * kTolerance) << form.name << ", token " << i;
    const std::vector<float> logits = golden.floats(form.name + ".logits");
    ASSERT_EQ(logits.size(), run.logits.size());
    for (std::size_t i = 0; i < logits.size(); ++i)
      EXPECT_NEAR(run.logits[i], static_cast<double>(logits[i]), 10 * kTolerance) << form.name << ", logit " << i;
  }
}

TEST(ReferenceNetwork, ATeachersLossEqualsPyTorch) {
  const test::TrainingGolden golden;
  const ParameterLayout layout(test::form("qwen2"));
  const std::vector<double> parameters = test::in_double(golden.row(layout, "qwen2.parameter."));
  Batch batch = golden.batch("qwen2");
  batch.teacher = golden.floats("distilled.teacher");
  const test::ReferenceRun run = test::run_reference(layout, parameters, batch, {.distillation = {0.7F, 2.5F}});
  EXPECT_NEAR(run.loss / static_cast<double>(run.n_targets), static_cast<double>(golden.floats("distilled.loss").at(0)),
              kTolerance);
}

// Moves all parameters of a slot a little along PyTorch's gradient: the loss changes by its squared length.
TEST(ReferenceNetwork, ChangesAsPyTorchsGradientsSay) {
  const test::TrainingGolden golden;
  for (const test::Form& form : test::forms()) {
    const ParameterLayout layout(form.config);
    const std::vector<double> parameters = test::in_double(golden.row(layout, form.name + ".parameter."));
    const std::vector<double> gradients = test::in_double(golden.row(layout, form.name + ".gradient."));
    const Batch batch = golden.batch(form.name);
    for (const ParameterSlot& slot : layout.slots()) {
      double square = 0;
      for (std::int64_t i = slot.offset; i < slot.offset + slot.size(); ++i)
        square += gradients[static_cast<std::size_t>(i)] * gradients[static_cast<std::size_t>(i)];
      const double length = std::sqrt(square);
      const auto loss_at = [&](double move) {
        std::vector<double> moved = parameters;
        for (std::int64_t i = slot.offset; i < slot.offset + slot.size(); ++i)
          moved[static_cast<std::size_t>(i)] += move * gradients[static_cast<std::size_t>(i)] / std::max(length, 1e-12);
        const test::ReferenceRun run = test::run_reference(layout, moved, batch);
        return run.loss / static_cast<double>(run.n_targets);
      };
      constexpr double kMove = 1e-4;
      EXPECT_NEAR((loss_at(kMove) - loss_at(-kMove)) / (2 * kMove), length, 1e-5 * length + 1e-7) << form.name << ", " << slot.name;
    }
  }
}

}  // namespace
}  // namespace headroom
