#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "computer_fixture.h"
#include "core/session/models.h"

namespace headroom {
namespace {

using testing::compute_of;
using testing::failure_of;
using ::testing::HasSubstr;
using testing::mentions;
using testing::ModelCopy;

TEST(BadInput, AModelFolderThatGoesWhileOpen) {
  const ModelCopy copy("grammar-gqa");
  Compute compute = copy.compute();
  Computer computer(testing::options());
  const auto before = computer.compute(compute, 1);
  EXPECT_FALSE(mentions(before->notices, "no longer there"));
  copy.remove();
  compute.text = "the dog";
  const auto after = computer.compute(compute, 2);
  EXPECT_EQ(after->seq(), 3u);
  EXPECT_TRUE(mentions(after->notices, "no longer there"));
  Computer fresh(testing::options());
  EXPECT_THAT(failure_of([&] { fresh.compute(compute, 3); }), HasSubstr(copy.path().string()));
  EXPECT_EQ(fresh.compute(Compute{}, 4)->seq(), 10u) << "another model still opens";
}

TEST(BadInput, AModelThatChangesWhileOpen) {
  const ModelCopy copy("grammar-base");
  const Compute compute = copy.compute();
  Computer computer(testing::options());
  computer.compute(compute, 1);
  copy.overwrite_weights(1000, std::string(400, '\0'));
  std::filesystem::last_write_time(copy.path() / "model.safetensors",
                                   std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  computer.compute(compute, 2);
  EXPECT_EQ(computer.counters().models_loaded, 2);
  EXPECT_EQ(computer.counters().passes, 2);
  Compute other = compute;
  other.trained.n_kv_heads = other.n_kv_heads = 4;
  EXPECT_THAT(failure_of([&] { computer.compute(other, 3); }), HasSubstr("kv_heads = 8, not 4"));
}

TEST(BadInput, WeightsThatAreNotNumbers) {
  for (const bool all : {false, true}) {
    const ModelCopy copy("grammar-base");
    std::string nan("\0\0\xC0\x7F", 4);
    std::string bytes = nan;
    if (all) {
      for (int i = 0; i < 18; ++i)
        bytes += bytes;
    }
    copy.overwrite_weights(0, bytes);
    Computer computer(testing::options());
    const auto snapshot = computer.compute(copy.compute(), 1);
    EXPECT_TRUE(mentions(snapshot->notices, "model.safetensors") || mentions(snapshot->notices, "finite") ||
                mentions(snapshot->notices, "NaN"))
        << "the file's own notice";
    for (const auto& layer : snapshot->thumbnails) {
      for (const Tile& tile : layer) {
        for (const float value : tile.values)
          EXPECT_TRUE(std::isnan(value) || (value >= 0 && value <= 1.0001f));
      }
    }
    const auto with_loss = computer.add_held_out_loss(snapshot);
    EXPECT_TRUE(!with_loss->held_out || std::isfinite(with_loss->held_out->after));
    EXPECT_TRUE(!all || mentions(with_loss->notices, "held-out loss is not a number"));
  }
}

TEST(BadInput, HostileTexts) {
  EngineOptions options = testing::options();
  options.max_tokens = 256;
  Computer computer(options);
  std::string words;
  for (int i = 0; i < 100000; ++i)
    words += "zebra" + std::to_string(i % 1000) + " ";
  const std::string texts[] = {
      words,
      std::string(1 << 20, 'x'),
      std::string(1 << 20, '\xFF'),
      "\xC3\x28 \xA0\xA1 \xE2\x28\xA1",
      "🙂 🙂🏽 👩‍👩‍👧 e\u0301",
      "\u202E שלום עולם \u202C مرحبا",
      std::string("\0\x01\x02\x1B[31m\x7F\r\n\t", 12),
      "   \n\t ",
  };
  for (const std::string& text : texts) {
    const auto snapshot = computer.compute(compute_of(text), 1);
    EXPECT_GE(snapshot->seq(), 1u);
    EXPECT_LE(snapshot->seq(), 256u);
    EXPECT_EQ(snapshot->trace->logits.dim(0), static_cast<std::int64_t>(snapshot->seq()));
    for (const Token& token : snapshot->tokens)
      EXPECT_TRUE(token.begin <= token.end && token.end <= text.size());
  }
  EXPECT_TRUE(mentions(computer.compute(compute_of(words), 1)->notices, "100,001 tokens"));
  EXPECT_TRUE(mentions(computer.compute(compute_of("\xFF\xFE cat"), 1)->notices, "UTF-8"));
}

TEST(BadInput, ModelsThatAreNotThere) {
  Computer computer(testing::options());
  Compute compute;
  compute.model = "no-such-model";
  EXPECT_THAT(failure_of([&] { computer.compute(compute, 1); }), HasSubstr("grammar-base, grammar-gqa"));
  for (const char* name : {"../models/grammar-base", "", ".", "..", "grammar-base/", "/etc"}) {
    compute.model = name;
    EXPECT_THAT(failure_of([&] { computer.compute(compute, 1); }), HasSubstr("not the name of a bundled model")) << name;
  }
  compute.model_source = ModelSource::kFolder;
  compute.model = "/no/such/folder";
  EXPECT_THAT(failure_of([&] { computer.compute(compute, 1); }), HasSubstr("/no/such/folder"));
  EngineOptions elsewhere = testing::options();
  elsewhere.assets = "/no/assets";
  Computer lost(elsewhere);
  EXPECT_THAT(failure_of([&] { lost.compute(Compute{}, 1); }), HasSubstr("/no/assets"));
}

TEST(BadInput, ALabModelThatDoesNotFitIsRefused) {
  ModelConfig trained;
  trained.shape = {28, 896, 14, 2, 64, 4864, 151936, 32768};
  Session session = testing::session_after({ModelOpened{ModelSource::kFolder, "/a", trained.shape}, DModelSet{4096}});
  const ModelConfig config = lab_config(trained, session.compute);
  EXPECT_EQ(config.shape.d_ff, 10920);
  const std::int64_t d = 4096, kv = session.compute.n_kv_heads * session.compute.d_head();
  const std::int64_t bytes = 4 * (28 * (2 * d * d + 2 * d * kv + 3 * d * 10920) + 151936 * d);
  check_lab_memory(config, 2 * bytes);
  EXPECT_THAT(failure_of([&] { check_lab_memory(config, 2 * bytes - 2); }), HasSubstr("choose a smaller d_model"));
}

TEST(LabModel, LeavesWhatBelongsToTheTrainedWidth) {
  ModelConfig trained;
  trained.shape = {2, 48, 4, 2, 12, 40, 20, 16};
  trained.mlp = MlpKind::kGeGluTanh;
  trained.embedding_scale = trained.logit_scale = 7;
  trained.rope_scaling = {
      .kind = RopeScaling::Kind::kLongRope, .short_factors = {1, 2, 3, 4, 5, 6}, .long_factors = {1, 2, 3, 4, 5, 6}};
  const Session session = testing::session_after({ModelOpened{ModelSource::kFolder, "/a", trained.shape}, DModelSet{64}});
  const ModelConfig config = lab_config(trained, session.compute);
  EXPECT_EQ(config.shape.d_ff, 168) << "gated: 8/3 of 64, in eights";
  EXPECT_EQ(config.embedding_scale, 8);
  EXPECT_EQ(config.logit_scale, 0.125f);
  EXPECT_EQ(config.rope_scaling, RopeScaling());
  EXPECT_NO_THROW(make_random_params(config, 1));
}

}  // namespace
}  // namespace headroom
