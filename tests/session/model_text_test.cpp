#include "core/session/model_text.h"

#include <gmock/gmock.h>

#include "core/runs/plan.h"
#include "core/session/engine.h"

namespace headroom {
namespace {

const std::filesystem::path kAssets = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets";

std::string sentence_of(const std::string& model) { return model_sentence(read_model_shape(kAssets / "models" / model)); }

TEST(ModelSentence, SaysWhatTheModelIs) {
  EXPECT_EQ(
      sentence_of("grammar-gqa"),
      "Sees what came before and predicts the next word; rotary positions: 4 layers of 8 heads over 2 K/V heads, d_model 128, "
      "367 tokens known.");
  EXPECT_EQ(
      sentence_of("induction"),
      "Sees what came before and predicts the next word; rotary positions: 2 layers of 4 heads, no MLP, d_model 64, 29 tokens "
      "known.");
  EXPECT_THAT(sentence_of("grammar-learned"), testing::HasSubstr("learned positions (GPT-2's architecture): 4 layers of 8 heads,"));
  EXPECT_THAT(sentence_of("grammar-translation"), testing::HasSubstr("cross-attention): 3 and 3 layers of 8 heads,"));
}

TEST(BundledRecipe, IsThereForEveryModelThatComesWithTheProgram) {
  for (const BundledModel& model : list_bundled_models(kAssets))
    EXPECT_EQ(find_recipe(bundled_recipe_name(model.name)).name, bundled_recipe_name(model.name));
  EXPECT_THROW(find_recipe(bundled_recipe_name("another")), std::exception);
}

}  // namespace
}  // namespace headroom
