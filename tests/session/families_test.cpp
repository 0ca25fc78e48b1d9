// Models other than Llama's in a Session: what the views are given of GPT-2, BERT and BART.

#include <gmock/gmock.h>

#include "core/formats/save_model.h"
#include "core/model/hidden_tokens.h"
#include "core/model/translation_pass.h"
#include "core/session/engine.h"
#include "core/session/on_demand.h"
#include "core/session/reduce.h"
#include "core/tensor/error.h"
#include "tests/formats/testing.h"
#include "tests/model/families.h"

namespace headroom {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing_files::TemporaryFolder;

constexpr const char* kTokenizer =
    R"({"version":"1.0","pre_tokenizer":{"type":"Whitespace"},"model":{"type":"WordLevel","vocab":{"<bos>":0,"<unk>":1,"<mask>":2,"a":3,"b":4,"c":5,"d":6},"unk_token":"<unk>"}})";

/// A folder of one family, and a Session that opened it.
struct Opened {
  explicit Opened(const std::string& family) : params(test::stirred_params(test::family_config(family), 3)) {
    save_model_folder(params, kTokenizer, folder / "model");
    act(ModelOpened{ModelSource::kFolder, (folder / "model").string(), read_model_shape(folder / "model")});
    act(TextEdited{"a b c d b a"});
  }
  void act(Action action) {
    Reduced reduced = reduce(session, std::move(action));
    session = std::move(reduced.session);
    if (!reduced.notice.empty()) notices.push_back(reduced.notice);
  }
  std::shared_ptr<const Snapshot> snapshot() {
    EngineOptions options;
    options.assets = std::filesystem::path(HEADROOM_SOURCE_DIR) / "assets";
    options.n_threads = 2;
    Computer computer(options);
    return computer.add_held_out_loss(computer.compute(session.compute, 1));
  }

  TemporaryFolder folder;
  ModelParams params;
  Session session;
  std::vector<std::string> notices;
};

TEST(FamilySession, Gpt2IsReadOnAndItsHeadsMayBeOdd) {
  Opened gpt2("gpt2");
  EXPECT_EQ(gpt2.session.compute.mask.direction, Direction::kCausal);
  gpt2.act(HeadsCountSet{5});
  EXPECT_EQ(gpt2.session.compute.n_heads, 5);
  EXPECT_EQ(gpt2.session.compute.d_head(), 3);
  gpt2.act(KvHeadsSet{1});
  const auto snapshot = gpt2.snapshot();
  EXPECT_EQ(snapshot->config.shape.n_kv_heads, 1);
  EXPECT_EQ(snapshot->losses.size(), snapshot->seq() - 1);
  EXPECT_EQ(snapshot->heads.at(1).size(), 5u);
  EXPECT_EQ(snapshot->hidden_logits, nullptr);
  EXPECT_EQ(predictions_after(*snapshot, 2, 3).size(), 3u);
}

TEST(FamilySession, ATextBeyondTheLearnedPositionsIsCutWithASentence) {
  Opened gpt2("gpt2");
  gpt2.act(TextEdited{"a b c d a b c d a b c d"});
  const auto snapshot = gpt2.snapshot();
  EXPECT_EQ(snapshot->seq(), 9u);
  EXPECT_EQ(snapshot->trace->ids.size(), 9u);
  EXPECT_THAT(snapshot->notices, Contains("The model has learned 9 positions: the text was cut to its first 9 tokens of 12."));
}

TEST(FamilySession, BertReadsBothSidesAndIsAskedForHiddenTokens) {
  Opened bert("bert");
  EXPECT_EQ(bert.session.compute.mask.direction, Direction::kBidirectional);
  EXPECT_THAT(bert.notices, Contains(HasSubstr("reads both sides")));
  const auto snapshot = bert.snapshot();
  ASSERT_NE(snapshot->hidden_logits, nullptr);
  EXPECT_EQ(snapshot->losses.size(), snapshot->seq());
  // Token 3 hidden by hand: the same logits and the same loss.
  std::vector<std::int32_t> ids = snapshot->trace->ids;
  const std::int32_t hidden = std::exchange(ids[3], 2);
  ThreadPool pool(1);
  const auto backend = make_reference_backend();
  const auto layer = make_cpu_attention_layer(pool, *backend);
  const Mask mask{.direction = Direction::kBidirectional};
  const ForwardTrace trace = forward(bert.params, ids, *layer, pool, {.mask = mask});
  for (std::size_t word = 0; word < 13; ++word)
    EXPECT_NEAR(snapshot->hidden_logits->row(3)[word], trace.logits.row(3)[word], 1e-4);
  double sum = 0;
  for (const float logit : trace.logits.row(3))
    sum += std::exp(static_cast<double>(logit));
  EXPECT_NEAR(snapshot->losses[3], std::log(sum) - static_cast<double>(trace.logits.row(3)[static_cast<std::size_t>(hidden)]),
              1e-4);
  EXPECT_EQ(predictions_after(*snapshot, 3, 1).front().id, top_predictions(trace.logits, 3, 1).front().id);
  bert.act(DirectionSet{Direction::kCausal});
  EXPECT_GT(std::abs(bert.snapshot()->losses[1] - snapshot->losses[1]), 1e-3) << "the mask counts";
}

constexpr const char* kPairTokenizer =
    R"({"version":"1.0","pre_tokenizer":{"type":"Whitespace"},"post_processor":{"type":"TemplateProcessing",
"single":[{"SpecialToken":{"id":"<bos>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
"pair":[{"SpecialToken":{"id":"<bos>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"<bos>","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
"special_tokens":{"<bos>":{"id":"<bos>","ids":[0],"tokens":["<bos>"]}}},
"model":{"type":"WordLevel","vocab":{"<bos>":0,"<unk>":1,"<mask>":2,"a":3,"b":4,"c":5,"d":6},"unk_token":"<unk>"}})";

TEST(FamilySession, ABertReadsTwoSentencesWithTheirTypes) {
  Opened bert("bert");
  ModelParams params = bert.params;
  params.token_types = Tensor({2, 15});
  for (std::int64_t i = 0; i < params.token_types.size(); ++i)
    params.token_types.data()[i] = 0.5F * std::sin(static_cast<float>(i));
  save_model_folder(params, kPairTokenizer, bert.folder / "pairs");
  bert.act(ModelOpened{ModelSource::kFolder, (bert.folder / "pairs").string(), read_model_shape(bert.folder / "pairs")});
  EXPECT_TRUE(bert.session.compute.trained.reads_pairs);
  bert.act(TextEdited{"a b"});
  bert.act(SecondTextEdited{"c d a"});
  const auto pair = bert.snapshot();
  EXPECT_EQ(pair->trace->ids, (std::vector<std::int32_t>{0, 3, 4, 0, 5, 6, 3}));
  const std::vector<std::int32_t> types{0, 0, 0, 0, 1, 1, 1};
  for (std::size_t i = 0; i < types.size(); ++i)
    EXPECT_EQ(pair->tokens[i].type, types[i]);
  ThreadPool pool(1);
  const auto backend = make_reference_backend();
  const auto layer = make_cpu_attention_layer(pool, *backend);
  ForwardOptions options{.mask = {.direction = Direction::kBidirectional}, .token_types = types};
  const ForwardTrace with = forward(params, pair->trace->ids, *layer, pool, options);
  options.token_types.clear();
  const ForwardTrace without = forward(params, pair->trace->ids, *layer, pool, options);
  double distance = 0;
  for (std::int64_t i = 0; i < with.logits.size(); ++i) {
    ASSERT_NEAR(pair->trace->logits.data()[i], with.logits.data()[i], 1e-4);
    distance = std::max(distance, std::abs(static_cast<double>(with.logits.data()[i]) - without.logits.data()[i]));
  }
  EXPECT_GT(distance, 1e-2) << "the types count";
  // What is hidden is hidden with its type, too.
  std::vector<std::int32_t> hidden = pair->trace->ids;
  hidden[5] = 2;
  options.token_types = types;
  const ForwardTrace masked = forward(params, hidden, *layer, pool, options);
  for (std::size_t word = 0; word < 13; ++word)
    EXPECT_NEAR(pair->hidden_logits->row(5)[word], masked.logits.row(5)[word], 1e-4);
  bert.act(SecondTextEdited{""});
  EXPECT_EQ(bert.snapshot()->trace->ids, (std::vector<std::int32_t>{0, 3, 4}));
}

TEST(FamilySession, WithoutATemplateForPairsTheSecondSentenceIsLeftOut) {
  Opened bert("bert");
  bert.act(SecondTextEdited{"c d"});
  const auto snapshot = bert.snapshot();
  EXPECT_EQ(snapshot->seq(), 6u);
  EXPECT_THAT(snapshot->notices, Contains(HasSubstr("no template for two sentences")));
}

TEST(FamilySession, BackToACausalModelTheMaskIsCausalAgain) {
  Opened bert("bert");
  bert.act(ModelOpened{ModelSource::kBundled, "grammar-base", ModelShape{}});
  EXPECT_EQ(bert.session.compute.mask.direction, Direction::kCausal);
  EXPECT_THAT(bert.notices, Contains(HasSubstr("the mask is causal")));
}

TEST(FamilySession, BartBeginsWithItsEncoder) {
  Opened bart("bart");
  EXPECT_EQ(bart.session.compute.trained.n_encoder_layers, 3);
  EXPECT_EQ(bart.session.compute.trained.n_layers, 2) << "the decoder's";
  EXPECT_EQ(bart.session.compute.stack, AttentionStack::kEncoder);
  EXPECT_EQ(bart.session.compute.mask.direction, Direction::kBidirectional);
  const auto snapshot = bart.snapshot();
  EXPECT_EQ(snapshot->heads.size(), 3u);
  EXPECT_THAT(snapshot->losses, IsEmpty());
  EXPECT_FALSE(snapshot->held_out.has_value());
  EXPECT_THAT(predictions_after(*snapshot, 2, 3), IsEmpty());
  EXPECT_THAT(why_no_predictions(*snapshot), HasSubstr("An encoder by itself predicts nothing"));
  ThreadPool pool(1);
  const auto backend = make_flash_backend(pool);
  const TranslationTrace whole = translate_pass(bart.params, snapshot->trace->ids, std::vector<std::int32_t>{0}, *backend, pool);
  for (std::int64_t i = 0; i < whole.encoder.output.size(); ++i)
    ASSERT_NEAR(snapshot->trace->output.data()[i], whole.encoder.output.data()[i], 1e-4);
}

TEST(FamilySession, RandomParametersOfEveryFamilyRun) {
  for (const std::string family : {"gpt2", "bert", "bart"}) {
    SCOPED_TRACE(family);
    Opened opened(family);
    opened.act(ParameterSourceSet{ParameterSource::kLab});
    opened.act(DModelSet{24});
    opened.act(HeadsCountSet{8});
    EXPECT_EQ(opened.session.compute.n_heads, 8) << "d_k = 3 is odd, and no rotary positions turn pairs";
    EXPECT_EQ(opened.snapshot()->config.shape.d_ff, 96);
  }
}

TEST(HiddenPositions, AreFixedAndAboutFifteenInAHundred) {
  std::size_t n = 0;
  for (std::size_t row = 0; row < 200; ++row) {
    const std::vector<std::int64_t> positions = hidden_positions(row, 48);
    EXPECT_EQ(positions, hidden_positions(row, 48));
    EXPECT_FALSE(positions.empty());
    EXPECT_GT(positions.front(), 0);
    n += positions.size();
  }
  EXPECT_NEAR(static_cast<double>(n) / (200 * 47), 0.15, 0.02);
  EXPECT_EQ(hidden_positions(7, 2), (std::vector<std::int64_t>{1}));
  EXPECT_THAT(hidden_positions(7, 1), IsEmpty());
}

TEST(MeanHiddenLoss, IsThatOfItsHiddenTokens) {
  const ModelParams params = test::stirred_params(test::family_config("bert"), 8);
  const std::vector<std::vector<std::int32_t>> rows = {{0, 3, 4, 5, 6, 3}, {0, 4}, {5}, {0, 6, 6, 3, 4, 4, 5, 3}};
  const ForwardOptions options{.mask = {.direction = Direction::kBidirectional}};
  ThreadPool one(1), two(2);
  const HiddenLoss loss = mean_hidden_loss(params, rows, 2, two, options, {});
  EXPECT_EQ(loss.loss, mean_hidden_loss(params, rows, 2, one, options, {}).loss);
  const auto backend = make_reference_backend();
  const auto layer = make_cpu_attention_layer(one, *backend);
  double sum = 0;
  std::int64_t n = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::vector<std::int32_t> hidden = rows[r];
    for (const std::int64_t position : hidden_positions(r, std::ssize(rows[r])))
      hidden[static_cast<std::size_t>(position)] = 2;
    const Tensor logits = forward(params, hidden, *layer, one, options).logits;
    for (const std::int64_t position : hidden_positions(r, std::ssize(rows[r]))) {
      double total = 0;
      for (const float logit : logits.row(position))
        total += std::exp(static_cast<double>(logit));
      sum += std::log(total) -
             static_cast<double>(logits.row(position)[static_cast<std::size_t>(rows[r][static_cast<std::size_t>(position)])]);
      ++n;
    }
  }
  EXPECT_EQ(loss.n_tokens, n);
  EXPECT_NEAR(loss.loss, sum / static_cast<double>(n), 1e-4);
  EXPECT_THROW(mean_hidden_loss(params, std::vector<std::vector<std::int32_t>>{{3}}, 2, one, options, {}), Error);
}

}  // namespace
}  // namespace headroom
