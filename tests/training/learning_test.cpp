// Whole steps: the trajectory that PyTorch takes, and eight sentences learned by heart.

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "core/training/adamw.h"
#include "core/training/network.h"
#include "tests/training/forms.h"
#include "tests/training/golden.h"

namespace headroom {
namespace {

// Ten steps let float32 and double drift apart; Adam turns gradients near zero into whole steps of the rate (1e-2).
constexpr double kLossDrift = 2e-4;
constexpr double kNormDrift = 2e-3;
constexpr double kMeanDrift = 2e-5;

TEST(Trajectory, TenStepsEqualPyTorch) {
  const test::TrainingGolden golden;
  ThreadPool pool(2);
  Network network(test::form("qwen2"), pool);
  AdamW optimiser(network.layout(), {});
  std::ranges::copy(golden.row(network.layout(), "qwen2.parameter."), network.parameters().begin());
  network.parameters_changed();
  const std::vector<std::int32_t> inputs = golden.integers("trajectory.inputs"), targets = golden.integers("trajectory.targets");
  const std::vector<float> losses = golden.floats("trajectory.losses"), rates = golden.floats("trajectory.rates"),
                           norms = golden.floats("trajectory.norms");
  ASSERT_EQ(losses.size(), 10U);
  const std::size_t tokens = inputs.size() / losses.size();
  for (std::size_t n = 0; n < losses.size(); ++n) {
    Batch batch;
    batch.n_rows = 3;
    batch.seq = static_cast<std::int64_t>(tokens) / 3;
    batch.inputs.assign(inputs.begin() + static_cast<std::ptrdiff_t>(n * tokens),
                        inputs.begin() + static_cast<std::ptrdiff_t>((n + 1) * tokens));
    batch.targets.assign(targets.begin() + static_cast<std::ptrdiff_t>(n * tokens),
                         targets.begin() + static_cast<std::ptrdiff_t>((n + 1) * tokens));
    const Network::Loss loss = network.accumulate(batch, {.scale = 1 / static_cast<float>(tokens)});
    EXPECT_NEAR(loss.sum / static_cast<double>(tokens), static_cast<double>(losses[n]), kLossDrift) << "step " << n;
    const double norm = optimiser.step(pool, network.parameters(), network.gradients(), rates[n]);
    EXPECT_NEAR(norm, static_cast<double>(norms[n]), kNormDrift) << "step " << n;
    network.parameters_changed();
  }
  for (const ParameterSlot& slot : network.layout().slots()) {
    const std::vector<float> expected = golden.floats("trajectory.parameter." + slot.name);
    double error = 0;
    for (std::size_t i = 0; i < expected.size(); ++i)
      error += std::abs(static_cast<double>(network.parameters()[static_cast<std::size_t>(slot.offset) + i]) -
                        static_cast<double>(expected[i]));
    EXPECT_LT(error / static_cast<double>(expected.size()), kMeanDrift) << slot.name;
  }
}

/// Eight sentences with their words numbered as they come.
struct Sentences {
  Sentences() {
    const std::vector<std::string> lines = {
        "the cat that sat on the mat was fluffy",       "the cats near the dog were small and quick",
        "the dogs near the cat sleep in a garden",      "a fox that sees the dogs runs to the hill",
        "anna has her boxes in the forest by the lake", "peter has his boxes in the garden by the hill",
        "the hen said that the fox was near the mat",   "some wolves sat on a hill because they were slow"};
    for (const std::string& line : lines) {
      std::vector<std::int32_t> ids{id("<bos>")};
      std::istringstream words(line);
      for (std::string word; words >> word;)
        ids.push_back(id(word));
      rows.push_back(ids);
    }
  }
  std::int32_t id(const std::string& word) {
    return numbers.try_emplace(word, static_cast<std::int32_t>(numbers.size())).first->second;
  }
  std::int64_t longest() const {
    std::size_t longest = 0;
    for (const auto& row : rows)
      longest = std::max(longest, row.size());
    return static_cast<std::int64_t>(longest);
  }
  std::map<std::string, std::int32_t> numbers;
  std::vector<std::vector<std::int32_t>> rows;
};

/// What the form is to learn by heart of the sentences: the next words; every third word, hidden; each sentence from its reversal.
Batch batch_of(ModelKind kind, const Sentences& sentences, std::int32_t mask) {
  Batch batch;
  batch.n_rows = std::ssize(sentences.rows);
  batch.seq = sentences.longest();
  for (std::size_t r = 0; r < sentences.rows.size(); ++r) {
    std::vector<std::int32_t> row = sentences.rows[r];
    const auto length = std::ssize(row);
    row.resize(static_cast<std::size_t>(batch.seq));
    for (std::int64_t i = 0; i < batch.seq; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const bool is_hidden = kind == ModelKind::kMasked && i > 0 && i < length && (i + static_cast<std::int64_t>(r)) % 3 == 0;
      batch.inputs.push_back(is_hidden ? mask : row[at]);
      if (kind == ModelKind::kMasked)
        batch.targets.push_back(is_hidden ? row[at] : kIgnored);
      else
        batch.targets.push_back(i + 1 < length ? row[at + 1] : kIgnored);
    }
    if (kind == ModelKind::kEncoderDecoder) {
      batch.source_seq = batch.seq;
      std::reverse(row.begin(), row.begin() + length);
      batch.sources.insert(batch.sources.end(), row.begin(), row.end());
      batch.source_lengths.push_back(static_cast<std::int32_t>(length));
    }
  }
  return batch;
}

/// The least mean loss that any function of what the model sees can have, nats: a causal model sees the words so far, the others all
/// that makes each row unlike the others.
double floor_of(ModelKind kind, const Batch& batch) {
  if (kind != ModelKind::kCausal) return 0;
  std::map<std::vector<std::int32_t>, std::map<std::int32_t, int>> next;
  for (std::int64_t r = 0; r < batch.n_rows; ++r) {
    for (std::int64_t i = 0; i < batch.seq; ++i) {
      const auto begin = batch.inputs.begin() + r * batch.seq;
      const std::int32_t target = batch.targets[static_cast<std::size_t>(r * batch.seq + i)];
      if (target != kIgnored) ++next[{begin, begin + i + 1}][target];
    }
  }
  double loss = 0, n = 0;
  for (const auto& [seen, words] : next) {
    double total = 0;
    for (const auto& [word, count] : words)
      total += count;
    for (const auto& [word, count] : words)
      loss -= count * std::log(count / total);
    n += total;
  }
  return loss / n;
}

constexpr int kOverfitSteps = 80;     // 28 to 37 with this seed
constexpr double kAboveFloor = 0.02;  // nats

TEST(Overfit, EightSentencesFallToTheFloorForEveryForm) {
  for (const test::Form& form : test::forms()) {
    for (const std::int64_t d_ff : {std::int64_t{64}, std::int64_t{0}}) {
      Sentences sentences;
      const std::int32_t mask = sentences.id("<mask>");
      ModelConfig config = form.config;
      config.shape = {2, 32, 4, form.name == "qwen2" ? 2 : 4, 8, d_ff, std::ssize(sentences.numbers), 16};
      const Batch batch = batch_of(config.kind, sentences, mask);
      const auto n_targets = static_cast<double>(batch.n_tokens() - std::ranges::count(batch.targets, kIgnored));
      ThreadPool pool(2);
      Network network(config, pool);
      AdamW optimiser(network.layout(), {});
      std::ranges::copy(draw_parameters(network.layout(), 1), network.parameters().begin());
      network.parameters_changed();
      double first = 0, last = 0;
      int steps = 0;
      const double floor = floor_of(config.kind, batch);
      for (; steps < kOverfitSteps; ++steps) {
        const Network::Loss loss = network.accumulate(batch, {.scale = static_cast<float>(1 / n_targets)});
        last = loss.sum / n_targets;
        if (steps == 0) first = last;
        if (last < floor + kAboveFloor) break;
        optimiser.step(pool, network.parameters(), network.gradients(), 1e-2F * std::min(1.0F, static_cast<float>(steps + 1) / 10));
        network.parameters_changed();
      }
      RecordProperty(form.name + (d_ff == 0 ? "_without_mlp" : ""), steps);
      EXPECT_GT(first, 3) << form.name << ": an untrained model knows the words already";
      EXPECT_LT(last, floor + kAboveFloor) << form.name << ", d_ff = " << d_ff << ", floor " << floor << ", after " << steps
                                           << " steps";
      EXPECT_GT(last, floor - 1e-4) << form.name << ": below what can be known";
    }
  }
}

}  // namespace
}  // namespace headroom
