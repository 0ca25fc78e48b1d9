#include "tests/training/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/training/forms.h"
#include "tests/training/reference_network.h"

namespace headroom::test {
namespace {

// The step of the central differences: in double their own error is below 1e-8 of the gradients here.
constexpr double kMove = 3e-5;
// float32 activations through a few layers, relative to the length of a slot's gradient (an element: to the slot's largest).
constexpr double kRelative = 3e-5;
// What float32 leaves of a gradient that is zero in truth (the bias of k without rotary positions), relative to the largest of all gradients.
constexpr double kAbsolute = 2e-6;
constexpr double kLossTolerance = 1e-5;

double length_of(std::span<const float> values) {
  double squares = 0;
  for (const float value : values)
    squares += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(squares);
}

class Check {
 public:
  explicit Check(const GradientCase& c) : c_(c), pool_(c.threads), network_(c.config, pool_) {}

  void run() {
    const ParameterLayout& layout = network_.layout();
    const std::vector<float> parameters = stirred_parameters(layout, 11);
    std::ranges::copy(parameters, network_.parameters().begin());
    network_.parameters_changed();
    network_.set_heads_off(c_.heads_off);
    parameters_ = in_double(parameters);
    const ReferenceRun reference = reference_run();
    n_targets_ = static_cast<double>(reference.n_targets);

    const Network::Loss loss =
        network_.accumulate(c_.batch, {.scale = static_cast<float>(1 / n_targets_), .distillation = c_.distillation});
    EXPECT_EQ(loss.n_targets, reference.n_targets) << c_.name;
    EXPECT_NEAR(loss.sum, reference.loss, kLossTolerance * std::max(1.0, reference.loss)) << c_.name;

    double largest = 0;
    for (const float value : network_.gradients())
      largest = std::max(largest, std::abs(static_cast<double>(value)));
    floor_ = kAbsolute * largest;
    for (const ParameterSlot& slot : layout.slots()) {
      check_direction(slot);
      check_elements(slot);
    }
    check_gaps();
  }

 private:
  ReferenceRun reference_run() const {
    return run_reference(network_.layout(), parameters_, c_.batch, {.heads_off = c_.heads_off, .distillation = c_.distillation});
  }
  double loss() const { return reference_run().loss / n_targets_; }
  std::span<const float> gradient(const ParameterSlot& slot) const {
    return std::as_const(network_).gradients().subspan(static_cast<std::size_t>(slot.offset),
                                                       static_cast<std::size_t>(slot.size()));
  }

  /// All parameters of a slot move at once, by +1 or -1 over the square root of their number.
  void check_direction(const ParameterSlot& slot) {
    std::mt19937 random(17);
    const double size = 1 / std::sqrt(static_cast<double>(slot.size()));
    std::vector<double> direction;
    for (std::int64_t i = 0; i < slot.size(); ++i)
      direction.push_back(random() % 2 == 0 ? size : -size);
    const std::vector<double> start = parameters_;
    const auto loss_at = [&](double move) {
      for (std::int64_t i = 0; i < slot.size(); ++i)
        parameters_[static_cast<std::size_t>(slot.offset + i)] =
            start[static_cast<std::size_t>(slot.offset + i)] + move * direction[static_cast<std::size_t>(i)];
      return loss();
    };
    const double expected = (loss_at(kMove) - loss_at(-kMove)) / (2 * kMove);
    parameters_ = start;
    double got = 0;
    for (std::int64_t i = 0; i < slot.size(); ++i)
      got += direction[static_cast<std::size_t>(i)] * static_cast<double>(gradient(slot)[static_cast<std::size_t>(i)]);
    EXPECT_NEAR(got, expected, kRelative * length_of(gradient(slot)) + floor_) << c_.name << ", a direction through " << slot.name;
  }

  void check_elements(const ParameterSlot& slot) {
    double largest = 0;
    for (const float value : gradient(slot))
      largest = std::max(largest, std::abs(static_cast<double>(value)));
    const std::int64_t n = std::min<std::int64_t>(c_.elements_per_slot, slot.size());
    for (std::int64_t e = 0; e < n; ++e) {
      const std::int64_t i = n == slot.size() ? e : (e * slot.size() + slot.size() / 2) / n;
      double& parameter = parameters_[static_cast<std::size_t>(slot.offset + i)];
      const double start = parameter;
      parameter = start + kMove;
      const double above = loss();
      parameter = start - kMove;
      const double below = loss();
      parameter = start;
      EXPECT_NEAR(static_cast<double>(gradient(slot)[static_cast<std::size_t>(i)]), (above - below) / (2 * kMove),
                  kRelative * largest + floor_)
          << c_.name << ", " << slot.name << " [" << i / slot.cols << ", " << i % slot.cols << "]";
    }
  }

  void check_gaps() {
    std::vector<float> gaps(network_.gradients().begin(), network_.gradients().end());
    for (const ParameterSlot& slot : network_.layout().slots())
      std::fill_n(gaps.begin() + slot.offset, slot.size(), 0.0F);
    EXPECT_EQ(gaps, std::vector<float>(gaps.size())) << c_.name << ", between the slots";
  }

  const GradientCase& c_;
  ThreadPool pool_;
  Network network_;
  std::vector<double> parameters_;
  double n_targets_ = 1;
  double floor_ = 0;
};

}  // namespace

void expect_gradients(const GradientCase& c) { Check(c).run(); }

}  // namespace headroom::test
