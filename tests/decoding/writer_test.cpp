// A model reading on token after token against whole passes over the same text, and what it writes against transformers
// (tests/golden/make_writing_golden.py).

#include "core/decoding/writer.h"

#include <gmock/gmock.h>

#include "core/formats/generation_ids.h"
#include "core/formats/json_value.h"
#include "core/formats/model_folder.h"
#include "core/model/translation_pass.h"
#include "core/tensor/error.h"
#include "tests/model/families.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

const std::vector<std::int32_t> kIds = {1, 7, 3, 12, 0, 5, 5, 2};
constexpr double kTolerance = 2e-4;

double largest_difference(std::span<const float> a, std::span<const float> b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return largest;
}

/// Reads kIds in three parts and compares the logits after each with those of a whole pass.
void expect_as_whole(const ModelParams& params, const Mask& mask, bool keeps) {
  test::CpuAttention attention("flash");
  const ForwardTrace whole = attention.pass(params, kIds, mask);
  Writer writer(params, mask, attention.pool);
  EXPECT_EQ(writer.keeps_keys(), keeps);
  for (const auto& [begin, end] : std::vector<std::pair<std::size_t, std::size_t>>{{0, 3}, {3, 4}, {4, 5}, {5, 8}}) {
    const std::span<const float> logits = writer.read(std::span(kIds).subspan(begin, end - begin));
    const bool sees_later = mask.direction == Direction::kBidirectional;
    if (sees_later && end < kIds.size()) continue;  // the whole text's rows have seen what comes
    EXPECT_LT(largest_difference(logits, whole.logits.row(static_cast<std::int64_t>(end) - 1)), kTolerance) << "after " << end;
  }
  EXPECT_EQ(writer.n_read(), 8);
}

TEST(Writer, ReadsOnAsAWholePassDoes) {
  for (const std::string family : {"qwen2", "llama", "mistral", "gpt2"}) {
    SCOPED_TRACE(family);
    expect_as_whole(test::stirred_params(test::family_config(family), 4), {}, true);
  }
}

TEST(Writer, KnowsWindowsNormsOfQueriesAndParallelBlocks) {
  ModelConfig config = test::family_config("qwen2");
  config.windows = {3, 0};
  expect_as_whole(test::stirred_params(config, 4), {}, true);
  config = test::family_config("gpt2");
  config.block_order = BlockOrder::kParallel;
  expect_as_whole(test::stirred_params(config, 4), {}, true);
  expect_as_whole(test::stirred_params(config, 4), {.pattern = {.kind = PatternKind::kLocalWindow, .window = 2}}, true);
}

TEST(Writer, ReadsTheWholeTextAgainWhereKeysWouldChange) {
  const ModelParams params = test::stirred_params(test::family_config("qwen2"), 4);
  expect_as_whole(params, {.pattern = {.kind = PatternKind::kStrided, .stride = 3}}, false);
  expect_as_whole(params, {.direction = Direction::kBidirectional}, false);
}

/// Reads kIds token by token and compares the logits of each with those of a whole pass over both texts.
void expect_as_translated(const ModelParams& params, const Mask& encoder_mask) {
  const std::vector<std::int32_t> source = {3, 4, 11, 6, 2};
  test::CpuAttention attention("flash");
  const TranslationTrace whole =
      translate_pass(params, source, kIds, *attention.backend, attention.pool, {.encoder_mask = encoder_mask});
  Writer writer(params, CrossSource{whole.encoder.output, encoder_mask.key_lengths}, attention.pool);
  for (std::size_t i = 0; i < kIds.size(); ++i) {
    const auto logits = writer.read(std::span(kIds).subspan(i, 1));
    EXPECT_LT(largest_difference(logits, whole.decoder.logits.row(static_cast<std::int64_t>(i))), kTolerance) << i;
  }
}

TEST(Writer, OfADecoderReadsTheEncoder) {
  for (const char* family : {"bart", "t5"}) {
    SCOPED_TRACE(family);
    expect_as_translated(test::stirred_params(test::family_config(family), 4), {.direction = Direction::kBidirectional});
  }
}

TEST(Writer, ReadsNoPaddingOfTheSource) {
  for (const char* family : {"bart", "t5"}) {
    SCOPED_TRACE(family);
    expect_as_translated(test::stirred_params(test::family_config(family), 4),
                         {.direction = Direction::kBidirectional, .key_lengths = {3}});
  }
}

TEST(Writer, CapsTheScoresOfTheDecodersReading) {
  ModelConfig config = test::family_config("bart");
  config.score_cap = 0.2F;
  expect_as_translated(test::stirred_params(config, 4), {.direction = Direction::kBidirectional});
}

TEST(Writer, RefusesOtherModelsAndPlacesThatDoNotExist) {
  ThreadPool pool(1);
  const ModelParams bert = test::stirred_params(test::family_config("bert"), 4),
                    gpt2 = test::stirred_params(test::family_config("gpt2"), 4);
  EXPECT_THROW(Writer(bert, Mask{}, pool), ShapeError);
  EXPECT_THROW(Writer(gpt2, CrossSource{Tensor({2, 15})}, pool), ShapeError);
  Writer writer(gpt2, Mask{}, pool);
  EXPECT_THROW(writer.read(std::vector<std::int32_t>{99}), Error);
  EXPECT_THROW(writer.read(std::vector<std::int32_t>(10, 1)), ShapeError) << "nine positions are learned";
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_THROW(writer.read(kIds, stopped.get_token()), Cancelled);
}

TEST(WriteOn, EndsWhereTheModelOrTheRoomEnds) {
  ThreadPool pool(1);
  const ModelParams params = test::stirred_params(test::family_config("gpt2"), 4);
  const auto write = [&](WriteJob job) {
    Writer writer(params, Mask{}, pool);
    return write_on(writer, params.config, std::vector<std::int32_t>{1, 7}, job);
  };
  const std::vector<std::int32_t> all = write({.most = 100});
  EXPECT_THAT(all, SizeIs(7)) << "nine positions, two of them the text's";
  EXPECT_THAT(write({.most = 3}), ElementsAre(all[0], all[1], all[2]));
  EXPECT_THAT(write({.most = 100, .ends = {all[1]}}), SizeIs(all[0] == all[1] ? 1 : 2));
  EXPECT_EQ(write({.most = 2, .first_token = 9}).front(), 9);
  std::vector<std::int64_t> told;
  write({.most = 2, .progress = [&](std::int64_t n) { told.push_back(n); }});
  EXPECT_THAT(told, ElementsAre(1, 2));
}

TEST(WriteOn, InTwoPartsIsAsInOne) {
  ThreadPool pool(2);
  const ModelParams params = test::stirred_params(test::family_config("qwen2"), 4);
  const WriteJob job{.most = 12, .sample = {.temperature = 1.5, .top_k = 8, .top_p = 0.95}, .seed = 77};
  Writer one(params, Mask{}, pool), first(params, Mask{}, pool), then(params, Mask{}, pool);
  std::vector<std::int32_t> text = {1, 7, 3};
  const std::vector<std::int32_t> all = write_on(one, params.config, text, job);
  WriteJob part = job;
  part.most = 5;
  std::vector<std::int32_t> written = write_on(first, params.config, text, part);
  text.insert(text.end(), written.begin(), written.end());
  part.first_step = 5;
  part.most = 7;
  const std::vector<std::int32_t> rest = write_on(then, params.config, text, part);
  written.insert(written.end(), rest.begin(), rest.end());
  EXPECT_EQ(written, all);
  part.seed = 78;
  Writer other(params, Mask{}, pool);
  EXPECT_NE(write_on(other, params.config, text, part), rest);
}

TEST(WriteOn, WritesWhatTransformersWrites) {
  const JsonDocument golden =
      read_json_file(std::filesystem::path(HEADROOM_SOURCE_DIR) / "tests/golden/writing_golden.json", 1 << 20);
  ThreadPool pool(2);
  int n = 0;
  for (const JsonValue& each : golden.root.find("greedy")->items) {
    const std::string name = each.find("model")->string, text = each.find("text")->string;
    SCOPED_TRACE(name + ": " + text);
    const LoadedModel model = load_model_folder(test::asset("models/" + name));
    const GenerationIds ids = read_generation_ids(test::asset("models/" + name), model.params.config.shape.vocab_size);
    std::vector<std::int32_t> read, wanted;
    for (const Token& token : model.tokenizer->encode(text, 1000).tokens)
      read.push_back(token.id);
    for (const JsonValue& id : each.find("written")->items)
      wanted.push_back(static_cast<std::int32_t>(id.number()));
    std::vector<std::int32_t> written;
    if (model.params.config.kind == ModelKind::kEncoderDecoder) {
      const std::vector<std::int32_t> start = {ids.decoder_start.value()};
      test::CpuAttention attention("flash");
      const TranslationTrace trace = translate_pass(model.params, read, start, *attention.backend, pool);
      Writer writer(model.params, CrossSource{trace.encoder.output}, pool);
      written = write_on(writer, model.params.config, start, {.most = 16, .ends = ids.ends});
    } else {
      Writer writer(model.params, Mask{}, pool);
      written = write_on(writer, model.params.config, read, {.most = 16, .ends = ids.ends});
      // And as whole passes, one a token, say.
      test::CpuAttention attention("flash");
      for (const std::int32_t id : written) {
        const Tensor logits = attention.pass(model.params, read, {}).logits;
        EXPECT_EQ(top_predictions(logits, logits.dim(0) - 1, 1).front().id, id);
        read.push_back(id);
      }
    }
    EXPECT_EQ(written, wanted);
    ++n;
  }
  EXPECT_EQ(n, 7);
}

}  // namespace
}  // namespace headroom
