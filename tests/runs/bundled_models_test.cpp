// The models under assets/models are what their READMEs say: everything in them is measured again, on all held-out probes. HEADROOM_BLESS=1 writes
// the READMEs anew, after models were trained anew on purpose. That `transformers` opens every folder is checked where the outputs are made that
// tests/model/bundled_golden_test.cpp compares with: tests/golden/make_bundled_golden.py.

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "core/formats/file.h"
#include "core/formats/model_folder.h"
#include "core/formats/safetensors.h"
#include "core/runs/checkpoint.h"
#include "core/training/layout.h"
#include "tests/runs/testing.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

/// What a bundled model must be able to do: its best head of each of these roles is above the threshold and above the baseline.
struct Bundled {
  const char* name;
  const char* recipe;
  std::vector<const char*> roles;
  std::vector<Behaviour> behaviours;  ///< answered right in at least kWellAnswered of the cases
};

constexpr double kWellAnswered = 0.95;

const std::vector<Bundled>& bundled() {
  using enum Behaviour;
  static const std::vector<Bundled> all = {
      {"grammar-base",
       "bundled-base",
       {"subject", "predicate", "antecedent", "name_before_pronoun", "possessor", "name", "copy", "previous", "induction"},
       {kAgreement, kAgreementAcrossDistractor, kCoreference, kCopying, kSurname, kRandomCopying}},
      {"grammar-gqa",
       "bundled-gqa",
       {"subject", "predicate", "antecedent", "name_before_pronoun", "name", "copy", "previous", "induction"},
       {kAgreement, kAgreementAcrossDistractor, kCoreference, kCopying, kSurname, kRandomCopying}},
      {"grammar-learned",
       "bundled-learned",
       {"subject", "relative_subject", "antecedent"},
       {kAgreement, kAgreementAcrossDistractor}},
      {"grammar-masked", "bundled-masked", {"previous", "next"}, {kAgreement}},
      {"grammar-mqa",
       "bundled-mqa",
       {"subject", "predicate", "antecedent", "name_before_pronoun", "possessor", "name", "copy", "previous", "induction"},
       {kAgreement, kAgreementAcrossDistractor, kCoreference, kCopying, kSurname, kRandomCopying}},
      {"grammar-translation",
       "bundled-translation",
       {"alignment"},
       {kAgreement, kAgreementAcrossDistractor, kCoreference, kTokens}},
      {"induction", "bundled-induction", {"induction", "previous", "copy"}, {kRandomCopying}},
  };
  return all;
}

fs::path folder_of(const Bundled& model) { return test::assets() / "models" / model.name; }

/// A bundled model, measured as `headroom train` measures it at the end.
struct Measured {
  TrainPlan plan;
  TrainMaterial material;
  ModelParams params;
  HeadReport report;
};

Measured measure(const Bundled& model) {
  Measured result;
  result.plan = settle(find_recipe(model.recipe).plan).plan;
  result.material = open_material(result.plan, test::assets());
  result.params = load_model_folder(folder_of(model)).params;
  ThreadPool pool(2);
  Network network(result.params.config, pool);
  std::ranges::copy(flatten(network.layout(), result.params), network.parameters().begin());
  network.parameters_changed();
  result.report = measure_roles(network, result.material.probes(result.plan, kFullProbes));
  return result;
}

std::string readme_of(const Bundled& model, const Measured& measured) {
  return run_readme(
      {.plan = measured.plan,
       .material = measured.material,
       .params = measured.params,
       .state = {},
       .report = &measured.report,
       .command = std::string("headroom train --recipe ") + model.recipe + " --threads 1 --model-only --out " + model.name});
}

bool is_blessing() { return std::getenv("HEADROOM_BLESS") != nullptr; }

class BundledModel : public testing::TestWithParam<Bundled> {};

TEST_P(BundledModel, IsWhatItsReadmeSays) {
  const Bundled& model = GetParam();
  Measured measured = measure(model);
  const SafetensorsFile weights(folder_of(model) / "model.safetensors");
  EXPECT_EQ(weights.metadata().at("recipe"), model.recipe);
  EXPECT_EQ(weights.metadata().at("seed"), std::to_string(measured.plan.seed));
  measured.report.tokens = std::stoll(weights.metadata().at("tokens"));
  EXPECT_GE(measured.report.tokens, measured.plan.tokens) << "trained as long as the recipe says";
  EXPECT_LT(measured.report.tokens, measured.plan.tokens + 2 * tokens_per_step(measured.plan));
  const fs::path readme = folder_of(model) / "README.md";
  const std::string expected = readme_of(model, measured);
  if (is_blessing()) std::ofstream(readme, std::ios::binary) << expected;
  EXPECT_EQ(read_text_file(readme, 1u << 16), expected);
  EXPECT_EQ(measured.material.tokenizer_json(), read_text_file(folder_of(model) / "tokenizer.json", 1u << 20))
      << "the vocabulary is the corpus's, so that training can go on";

  for (const char* id : model.roles) {
    const RoleScore* score = measured.report.role(id);
    ASSERT_NE(score, nullptr) << id;
    EXPECT_TRUE(score->names_head()) << id << ": " << score->why();
  }
  for (const Behaviour which : model.behaviours) {
    const BehaviourScore* score = measured.report.behaviour(which);
    ASSERT_NE(score, nullptr) << behaviour_id(which);
    EXPECT_GE(score->accuracy, kWellAnswered) << behaviour_id(which);
  }
  EXPECT_FALSE(measured.report.has_shortcut);
}

INSTANTIATE_TEST_SUITE_P(Models, BundledModel, testing::ValuesIn(bundled()), [](const auto& test_info) {
  std::string name = test_info.param.name;
  std::ranges::replace(name, '-', '_');
  return name;
});

// ---- the table of all models ----

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

/// "| a | b |" -> {"a", "b"}
std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  for (std::size_t at = 2; at < line.size();) {
    const std::size_t end = std::min(line.find(" |", at), line.size());
    cells.push_back(line.substr(at, end - at));
    at = end + 3;
  }
  return cells;
}

/// A row of the table, of what the model's own README says.
std::string row_of(const Bundled& model) {
  const ModelParams params = load_model_folder(folder_of(model)).params;
  const ModelShape& shape = params.config.shape;
  const std::string readme = read_text_file(folder_of(model) / "README.md", 1u << 16);
  const std::string loss_words = "Held-out loss ", floor_words = "on average, is ";
  const auto number_after = [&](const std::string& words) {
    const std::size_t at = readme.find(words);
    return at == std::string::npos ? std::string("not known") : readme.substr(at + words.size(), 5);
  };
  std::string named;
  for (const std::string& line : lines_of(readme)) {
    const std::vector<std::string> cells = cells_of(line);
    if (cells.size() != 6 || cells.back() != "yes") continue;
    named += (named.empty() ? "" : ", ") + cells[0] + " " + cells[2];
  }
  const std::string layers = params.config.kind == ModelKind::kEncoderDecoder
                                 ? std::to_string(params.config.n_encoder_layers) + " + " + std::to_string(shape.n_layers)
                                 : std::to_string(shape.n_layers);
  return "| [" + std::string(model.name) + "](" + model.name + "/README.md) | " + params.config.family + " | " + layers + " | " +
         std::to_string(shape.d_model) + " | " + std::to_string(shape.n_heads) + " | " + std::to_string(shape.n_kv_heads) + " | " +
         std::to_string(count_parameters(params).total()) + " | " + number_after(loss_words) + " | " + number_after(floor_words) +
         " | " + (named.empty() ? "none" : named) + " |\n";
}

std::string table() {
  std::string text =
      "# The models that come with the program\n\n"
      "Hugging Face folders that `transformers` opens too. Each was trained by this program, on one thread of a processor, with "
      "the command in its "
      "own README.md, which has every score of its heads and of its answers; a test measures all of them anew. Losses are in nats "
      "a target, on held-out "
      "rows; a floor is what nothing that knows only the grammar can beat on average (a masked model sees both sides: it may, and "
      "has none). A role is "
      "named only above its threshold, above what a fixed offset reaches, and at no fixed distance; behind it stands the best "
      "head's score.\n\n"
      "| model | family | layers | d_model | h | kv_heads | parameters | loss | floor | roles that a head has |\n"
      "|---|---|---:|---:|---:|---:|---:|---:|---:|---|\n";
  for (const Bundled& model : bundled())
    text += row_of(model);
  return text;
}

TEST(BundledModels, StandInOneTable) {
  const fs::path path = test::assets() / "models" / "README.md";
  const std::string expected = table();
  if (is_blessing()) std::ofstream(path, std::ios::binary) << expected;
  EXPECT_EQ(read_text_file(path, 1u << 16), expected);
}

TEST(BundledModels, AreAllThereAndSmall) {
  std::vector<std::string> names;
  std::uintmax_t bytes = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(test::assets() / "models")) {
    if (entry.is_regular_file()) bytes += entry.file_size();
    if (entry.path().filename() == "config.json") names.push_back(entry.path().parent_path().filename().string());
  }
  std::vector<std::string> expected;
  for (const Bundled& model : bundled())
    expected.emplace_back(model.name);
  EXPECT_THAT(names, testing::UnorderedElementsAreArray(expected));
  EXPECT_LT(bytes, 24u << 20);
}

}  // namespace
}  // namespace headroom
