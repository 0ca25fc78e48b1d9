// Folders opened one after another: what stays when one cannot be opened, and when files are read again.

#include <gtest/gtest.h>

#include "computer_fixture.h"
#include "tests/formats/stored_files.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using testing::failure_of;
using testing::ModelCopy;

TEST(OpenModel, AFolderThatCannotBeOpenedLeavesTheEarlierModel) {
  Computer computer(testing::options());
  const ModelCopy first("grammar-gqa"), second("grammar-mqa");
  const Compute asked = second.compute();
  EXPECT_NE(computer.compute(first.compute(), 1, {}), nullptr);
  EXPECT_EQ(computer.counters().models_loaded, 1);
  fs::resize_file(second.path() / "model.safetensors", fs::file_size(second.path() / "model.safetensors") - 8);
  EXPECT_NE(failure_of([&] { computer.compute(asked, 2, {}); }).find("truncated by 8 bytes"), std::string::npos);
  EXPECT_NE(computer.compute(first.compute(), 3, {}), nullptr);
  EXPECT_EQ(computer.counters().models_loaded, 1) << "it was still in memory";
}

TEST(OpenModel, ACancelledOpeningLeavesTheEarlierModel) {
  Computer computer(testing::options());
  const ModelCopy first("grammar-gqa"), second("grammar-mqa");
  computer.compute(first.compute(), 1, {});
  std::stop_source source;
  int n_calls = 0;
  const auto stop_soon = [&](const std::string& what, double) {
    if (what == "reading the model" && ++n_calls == 5) source.request_stop();
  };
  EXPECT_THROW(computer.compute(second.compute(), 2, source.get_token(), stop_soon), Cancelled);
  EXPECT_EQ(n_calls, 5) << "no piece is read after the stop";
  computer.compute(first.compute(), 3, {});
  EXPECT_EQ(computer.counters().models_loaded, 1);
}

TEST(OpenModel, ShardsAreReadOnceAndAgainWhenOneChanges) {
  Computer computer(testing::options());
  const ModelCopy copy("grammar-gqa");
  const Compute compute = copy.compute();
  testing_files::cut_into_shards(copy.path(), 3);
  const auto first = computer.compute(compute, 1, {});
  EXPECT_FALSE(testing::mentions(first->notices, "no longer there"));
  computer.compute(compute, 2, {});
  EXPECT_EQ(computer.counters().models_loaded, 1);
  const fs::path shard = copy.path() / testing_files::shard_name(2, 3);
  fs::last_write_time(shard, fs::last_write_time(shard) + std::chrono::seconds(3));
  computer.compute(compute, 3, {});
  EXPECT_EQ(computer.counters().models_loaded, 2) << "another shard is another model";
  fs::remove(shard);
  EXPECT_TRUE(testing::mentions(computer.compute(compute, 4, {})->notices, "no longer there"));
  EXPECT_EQ(computer.counters().models_loaded, 2);
}

TEST(OpenModel, AFolderWithoutATokenizerIsReadOnce) {
  Computer computer(testing::options());
  const ModelCopy copy("grammar-gqa");
  Compute compute = copy.compute();
  fs::remove(copy.path() / "tokenizer.json");
  compute.text = "5 12 7";
  EXPECT_EQ(computer.compute(compute, 1, {})->tokens.size(), 3u);
  const auto again = computer.compute(compute, 2, {});
  EXPECT_FALSE(testing::mentions(again->notices, "no longer there"));
  EXPECT_EQ(computer.counters().models_loaded, 1);
}

TEST(OpenModel, ParametersOf16BitsGiveThePictureOfTheirValues) {
  Computer computer(testing::options());
  const ModelCopy narrow("grammar-gqa"), wide("grammar-gqa");
  testing_files::rewrite_as(narrow.path(), DType::kBF16);
  // The same rounded values, as float32.
  testing_files::write_bytes(wide.path() / "model.safetensors",
                             testing_files::file_of(testing_files::tensors_as(narrow.path() / "model.safetensors", DType::kF32)));
  const auto a = computer.compute(narrow.compute(), 1, {}), b = computer.compute(wide.compute(), 2, {});
  ASSERT_TRUE(a->trace && b->trace);
  EXPECT_TRUE(std::ranges::equal(a->trace->logits.span(), b->trace->logits.span()));
  // Pooled, sliced and pruned as well.
  for (const auto& narrowed : {narrow.compute(), wide.compute()}) {
    Compute changed = narrowed;
    changed.n_kv_heads = 1;
    changed.pruned = {{0, 1}, {3, 2}};
    EXPECT_NE(computer.compute(changed, 3, {}), nullptr);
  }
}

}  // namespace
}  // namespace headroom
