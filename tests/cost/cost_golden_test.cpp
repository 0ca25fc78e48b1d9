// Computed work against counters of the reference library (tests/golden/make_cost_golden.py).
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "core/cost/pass_cost.h"
#include "core/formats/card_library.h"
#include "core/formats/json_value.h"

namespace headroom {
namespace {

const std::filesystem::path kSource = HEADROOM_SOURCE_DIR;

TEST(CostGolden, WorkAndCacheOfKnownModels) {
  const JsonDocument golden = read_json_file(kSource / "tests" / "golden" / "cost_golden.json", 1 << 20);
  const std::vector<LibraryCard> library = read_card_library(kSource / "assets" / "cards");
  const auto number = [&](const char* name) { return static_cast<std::int64_t>(golden.root.find(name)->number()); };
  const JsonValue& cards = *golden.root.find("cards");
  EXPECT_EQ(cards.members.size(), 9);
  for (const auto& [id, counted] : cards.members) {
    const ModelCard& card = find_library_card(library, id)->card;
    const PassCost prefill = pass_cost(card, {.context = number("tokens"), .batch = number("batch"), .logits = LogitRows::kEvery});
    EXPECT_EQ(prefill.linear_flops + prefill.naive.attention_flops, counted.find("prefill_flops")->number()) << id;
    if (card.kind == CardKind::kEncoder) continue;
    const PassCost step = pass_cost(card, {.kind = PassKind::kDecode, .context = number("held"), .batch = number("batch")});
    EXPECT_EQ(step.flops(), counted.find("decode_flops")->number()) << id;
    EXPECT_EQ(step.kv_bytes, 2 * counted.find("cache_values")->number()) << id;
  }
}

}  // namespace
}  // namespace headroom
