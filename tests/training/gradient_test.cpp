// Every backward against central differences in double, and against PyTorch's own gradients.

#include <algorithm>
#include <cmath>

#include "tests/training/forms.h"
#include "tests/training/golden.h"
#include "tests/training/gradient_check.h"

namespace headroom {
namespace {

test::GradientCase make_case(const std::string& name, const ModelConfig& config, const test::BatchSize& size, int threads) {
  return {.name = name, .config = config, .batch = test::random_batch(config, size, 23), .threads = threads};
}

// Every single parameter of a small model of each form.
TEST(Gradients, EveryElementOfEveryForm) {
  for (test::Form form : test::forms()) {
    ModelShape& shape = form.config.shape;
    shape.d_model = 6;
    shape.n_heads = 2;
    shape.n_kv_heads = form.name == "qwen2" ? 1 : 2;
    shape.d_head = 4;
    shape.d_ff = 5;
    shape.vocab_size = 7;
    shape.max_positions = 8;
    test::GradientCase c = make_case(form.name, form.config, {.n_rows = 2, .seq = 5, .source_seq = 4}, 2);
    c.elements_per_slot = 1 << 20;
    test::expect_gradients(c);
  }
}

TEST(Gradients, AnyLengthOnAnyNumberOfThreads) {
  for (test::Form form : test::forms()) {
    form.config.shape.max_positions = 80;
    int threads = 0;
    for (const std::int64_t seq : {1, 2, 17, 33, 65}) {
      threads = threads % 3 + 1;
      const test::BatchSize size{.n_rows = seq > 20 ? 2 : 5, .seq = seq, .source_seq = seq == 17 ? 33 : 10};
      test::GradientCase c = make_case(form.name + " at length " + std::to_string(seq), form.config, size, threads);
      c.elements_per_slot = seq > 20 ? 1 : 3;
      test::expect_gradients(c);
    }
  }
}

TEST(Gradients, WithoutAnMlp) {
  for (test::Form form : test::forms()) {
    form.config.shape.d_ff = 0;
    test::expect_gradients(make_case(form.name + " without MLP", form.config, {}, 2));
  }
}

TEST(Gradients, HeadsInAnyNumberAndSize) {
  struct Heads {
    std::int64_t n, kv, d_head;
  };
  for (test::Form form : test::forms()) {
    for (const Heads heads : {Heads{1, 1, 34}, {4, 2, 8}, {8, 1, 2}, {6, 3, 16}, {2, 2, 64}}) {
      form.config.shape.n_heads = heads.n;
      form.config.shape.n_kv_heads = heads.kv;
      form.config.shape.d_head = heads.d_head;
      const std::string name = form.name + " with h = " + std::to_string(heads.n) + ", d_head = " + std::to_string(heads.d_head);
      test::GradientCase c = make_case(name, form.config, {}, 2);
      c.elements_per_slot = 1;
      test::expect_gradients(c);
    }
  }
}

// Combinations beyond the four families: whatever ModelConfig can say is trained right.
TEST(Gradients, OtherCombinationsOfParts) {
  const auto check = [](const std::string& name, const std::string& form, const auto& change) {
    ModelConfig config = test::form(form);
    change(config);
    test::expect_gradients(make_case(name, config, {}, 2));
  };
  check("an output of its own", "qwen2", [](ModelConfig& c) { c.ties_embeddings = false; });
  check("gelu by the error function", "bert", [](ModelConfig& c) { c.mlp = MlpKind::kGelu; });
  check("gelu before, by the error function", "gpt2", [](ModelConfig& c) { c.mlp = MlpKind::kGelu; });
  check("no biases of q, k, v", "qwen2", [](ModelConfig& c) { c.has_qkv_bias = false; });
  check("a bias of the output projection", "qwen2", [](ModelConfig& c) { c.has_o_bias = true; });
  check("learned positions under RMSNorm", "qwen2", [](ModelConfig& c) { c.positions = PositionKind::kLearned; });
  check("rotary positions under LayerNorm", "gpt2", [](ModelConfig& c) { c.positions = PositionKind::kRotary; });
  check("masked words with norms before", "qwen2", [](ModelConfig& c) { c.kind = ModelKind::kMasked; });
  check("RMSNorm after", "bert", [](ModelConfig& c) { c.norm = NormKind::kRms; });
}

TEST(Gradients, HeadsThatAreOffLearnNothing) {
  for (const test::Form& form : test::forms()) {
    test::GradientCase c = make_case(form.name + " with heads off", form.config, {}, 2);
    const std::int64_t last = form.config.shape.n_layers - 1;
    c.heads_off = {{0, 1}, {last, 0}};
    test::expect_gradients(c);

    ThreadPool pool(2);
    Network network(form.config, pool);
    std::ranges::copy(test::stirred_parameters(network.layout(), 11), network.parameters().begin());
    network.parameters_changed();
    network.set_heads_off(c.heads_off);
    network.accumulate(c.batch, {});
    const ParameterSlot& w_q = network.layout().slot("layers.0.w_q");
    const ParameterSlot& w_o = network.layout().slot("layers.0.w_o");
    const std::int64_t d_head = form.config.shape.d_head;
    for (std::int64_t i = 0; i < d_head * w_q.cols; ++i)
      ASSERT_EQ(network.gradients()[static_cast<std::size_t>(w_q.offset + d_head * w_q.cols + i)], 0) << form.name;
    for (std::int64_t r = 0; r < w_o.rows; ++r) {
      for (std::int64_t i = 0; i < d_head; ++i)
        ASSERT_EQ(network.gradients()[static_cast<std::size_t>(w_o.offset + r * w_o.cols + d_head + i)], 0) << form.name;
    }
  }
}

TEST(Gradients, ATeacher) {
  for (const test::Form& form : test::forms()) {
    for (const Distillation how : {Distillation{0.9F, 2}, Distillation{1, 3.5F}, Distillation{0.25F, 1}}) {
      test::GradientCase c = make_case(form.name + " with a teacher", form.config, {}, 2);
      c.distillation = how;
      c.elements_per_slot = 1;
      test::add_teacher(c.batch, form.config.shape.vocab_size, 5);
      test::expect_gradients(c);
    }
  }
}

// Relative to the largest gradient of the slot: PyTorch's are exact to 1e-15 and rounded to float32.
constexpr double kGoldenTolerance = 3e-5;

void expect_golden(const Network& network, const test::TrainingGolden& golden, const std::string& prefix) {
  float largest_of_all = 0;
  for (const float value : network.gradients())
    largest_of_all = std::max(largest_of_all, std::abs(value));
  for (const ParameterSlot& slot : network.layout().slots()) {
    if (!golden.has(prefix + slot.name)) continue;
    const std::vector<float> expected = golden.floats(prefix + slot.name);
    ASSERT_EQ(std::ssize(expected), slot.size());
    float largest = 0;
    for (const float value : expected)
      largest = std::max(largest, std::abs(value));
    const double tolerance = kGoldenTolerance * static_cast<double>(largest) + 1e-6 * static_cast<double>(largest_of_all);
    for (std::size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(static_cast<double>(network.gradients()[static_cast<std::size_t>(slot.offset) + i]),
                  static_cast<double>(expected[i]), tolerance)
          << prefix << slot.name << ", element " << i;
  }
}

TEST(GoldenGradients, EverySlotOfEveryFormEqualsPyTorch) {
  const test::TrainingGolden golden;
  for (const test::Form& form : test::forms()) {
    for (const int threads : {1, 2}) {
      ThreadPool pool(threads);
      Network network(form.config, pool);
      std::ranges::copy(golden.row(network.layout(), form.name + ".parameter."), network.parameters().begin());
      network.parameters_changed();
      const Batch batch = golden.batch(form.name);
      const std::int64_t n = batch.n_tokens() - std::ranges::count(batch.targets, kIgnored);
      const Network::Loss loss = network.accumulate(batch, {.scale = 1 / static_cast<float>(n)});
      ASSERT_EQ(loss.n_targets, n);
      EXPECT_NEAR(loss.sum / static_cast<double>(n), static_cast<double>(golden.floats(form.name + ".loss").at(0)), 1e-5)
          << form.name;
      expect_golden(network, golden, form.name + ".gradient.");
    }
  }
}

TEST(GoldenGradients, ATeachersEqualPyTorch) {
  const test::TrainingGolden golden;
  ThreadPool pool(2);
  Network network(test::form("qwen2"), pool);
  std::ranges::copy(golden.row(network.layout(), "qwen2.parameter."), network.parameters().begin());
  network.parameters_changed();
  Batch batch = golden.batch("qwen2");
  batch.teacher = golden.floats("distilled.teacher");
  const std::int64_t n = batch.n_tokens() - std::ranges::count(batch.targets, kIgnored);
  const Network::Loss loss = network.accumulate(batch, {.scale = 1 / static_cast<float>(n), .distillation = {0.7F, 2.5F}});
  EXPECT_NEAR(loss.sum / static_cast<double>(n), static_cast<double>(golden.floats("distilled.loss").at(0)), 1e-5);
  expect_golden(network, golden, "distilled.gradient.");
}

}  // namespace
}  // namespace headroom
