// Every family of decoders against transformers (tests/golden/make_decoder_golden.py): logits, each head's probabilities, residual stream.

#include <gmock/gmock.h>

#include <functional>

#include "core/model/forward_steps.h"
#include "core/model/long_pass.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

using test::largest_error;

const std::string kFolder = HEADROOM_SOURCE_DIR "/tests/golden/decoders/";

constexpr double kRelativeLogitsTolerance = 2e-4;
constexpr double kProbsTolerance = 1e-4;
constexpr double kRelativeStateTolerance = 1e-4;
/// What a wrongly read model differs by at least.
constexpr double kClearlyWrong = 0.01;

struct Golden {
  explicit Golden(const std::string& name)
      : model(load_model_folder(kFolder + name)), file(kFolder + name + "/golden.safetensors") {
    for (const std::int64_t id : file.read_integers(*file.find("input_ids")))
      ids.push_back(static_cast<std::int32_t>(id));
  }
  Tensor tensor(const std::string& name) const { return file.read_float(*file.find(name)); }

  LoadedModel model;
  SafetensorsFile file;
  std::vector<std::int32_t> ids;
};

/// Largest |a - b|, in parts of the largest |b|.
double relative_error(std::span<const float> ours, std::span<const float> theirs) {
  float largest = 0;
  for (const float value : theirs)
    largest = std::max(largest, std::abs(value));
  return largest_error(ours, theirs) / static_cast<double>(largest);
}

/// One head's probability, from what a trace keeps of its layer.
double probability(const LayerTrace& layer, std::int64_t head, std::int64_t i, std::int64_t j) {
  if (!is_visible(layer.mask, 0, i, j)) return 0;
  const auto kv = layer.kv_head_of[static_cast<std::size_t>(head)];
  double score = 0;
  for (std::int64_t c = 0; c < layer.d_head; ++c)
    score += static_cast<double>(layer.attention.q.row(i)[static_cast<std::size_t>(head * layer.d_head + c)]) *
             static_cast<double>(layer.attention.k.row(j)[static_cast<std::size_t>(kv * layer.d_head + c)]);
  score *= static_cast<double>(layer.scale);
  const auto cap = static_cast<double>(layer.soft_cap);
  if (cap > 0) score = cap * std::tanh(score / cap);
  return std::exp(score - static_cast<double>(layer.attention.logsumexp.row(head)[static_cast<std::size_t>(i)]));
}

/// The largest error of each head of each layer. Shapes  theirs [layers, heads, n, n].
std::vector<double> probs_errors(const std::vector<LayerTrace>& layers, const Tensor& theirs) {
  std::vector<double> errors;
  const float* value = theirs.data();
  for (const LayerTrace& layer : layers)
    for (std::int64_t head = 0; head < theirs.dim(1); ++head) {
      errors.push_back(0);
      for (std::int64_t i = 0; i < theirs.dim(2); ++i)
        for (std::int64_t j = 0; j < theirs.dim(3); ++j, ++value)
          errors.back() = std::max(errors.back(), std::abs(probability(layer, head, i, j) - static_cast<double>(*value)));
    }
  return errors;
}

struct Case {
  const char* name;
  const char* prefix;  ///< of the golden tensors
  std::size_t n;       ///< tokens read
};

constexpr std::size_t kAll = 19, kShort = 7;
constexpr Case kCases[] = {{"llama", "", kAll},
                           {"llama-biased", "", kAll},
                           {"llama-linear", "", kAll},
                           {"llama-dynamic", "", kAll},
                           {"llama-dynamic", "short.", kShort},
                           {"llama-llama3", "", kAll},
                           {"llama-yarn", "", kAll},
                           {"llama-yarn-mscale", "", kAll},
                           {"mistral", "", kAll},
                           {"qwen2", "", kAll},
                           {"qwen3", "", kAll},
                           {"gemma", "", kAll},
                           {"gemma2", "", kAll},
                           {"phi3", "", kAll},
                           {"phi3-longrope", "", kAll},
                           {"phi3-longrope", "short.", kShort},
                           {"gpt_neox", "", kAll},
                           {"gpt_neox-sequential", "", kAll},
                           {"gpt2-scales", "", kAll}};

class Decoders : public ::testing::TestWithParam<std::tuple<Case, const char*>> {};

TEST_P(Decoders, AgreeWithTransformers) {
  const auto& [golden_case, backend] = GetParam();
  const Golden golden(golden_case.name);
  EXPECT_THAT(golden.model.notices, ::testing::IsEmpty());
  const std::string prefix = golden_case.prefix;
  const std::vector<std::int32_t> ids(golden.ids.begin(), golden.ids.begin() + static_cast<std::ptrdiff_t>(golden_case.n));
  test::CpuAttention attention(backend);
  const ForwardTrace trace = attention.pass(golden.model.params, ids);
  EXPECT_LT(relative_error(trace.logits.span(), golden.tensor(prefix + "logits").span()), kRelativeLogitsTolerance);
  for (const double error : probs_errors(trace.layers, golden.tensor(prefix + "attentions")))
    EXPECT_LT(error, kProbsTolerance);

  const Tensor states = golden.tensor(prefix + "hidden_states");
  const std::size_t size = static_cast<std::size_t>(states.dim(1) * states.dim(2));
  ASSERT_EQ(states.dim(0), std::ssize(trace.layers) + 1);
  for (std::size_t i = 0; i < trace.layers.size(); ++i)
    EXPECT_LT(relative_error(trace.layers[i].input.span(), states.span().subspan(i * size, size)), kRelativeStateTolerance) << i;
  Tensor last = trace.output;
  const ModelParams& params = golden.model.params;
  normalize(attention.pool, params.config, last.matrix(), params.final_norm, params.final_norm_bias, last.matrix());
  EXPECT_LT(relative_error(last.span(), states.span().subspan(trace.layers.size() * size, size)), kRelativeStateTolerance);
}

class LongDecoders : public ::testing::TestWithParam<Case> {};

TEST_P(LongDecoders, AgreeWithTheShortPass) {
  const Golden golden(GetParam().name);
  const ModelParams& params = golden.model.params;
  test::CpuAttention attention;
  const ForwardTrace whole = attention.pass(params, golden.ids);
  LongPassOptions options;
  options.rows_per_stretch = 3;
  for (const ForwardTrace& trace : {long_forward(params, golden.ids, *attention.backend, attention.pool, options),
                                    long_forward(params, golden.ids, *attention.layer, attention.pool, options)}) {
    EXPECT_LT(relative_error(trace.output.span(), whole.output.span()), 1e-5);
    EXPECT_LT(relative_error(logits_of(params, trace, 5, attention.pool).span(), whole.logits.row(5)), 1e-5);
    EXPECT_LT(relative_error(trace.layers[1].attention.q.span(), whole.layers[1].attention.q.span()), 1e-5);
  }
  const ForwardTrace first = first_layer_pass(params, golden.ids, attention.pool, options);
  EXPECT_LT(relative_error(first.layers[0].attention.q.span(), whole.layers[0].attention.q.span()), 1e-5);
  EXPECT_LT(relative_error(first.layers[0].attention.k.span(), whole.layers[0].attention.k.span()), 1e-5);
  const FirstLayerVectors vectors = first_layer_vectors(params, golden.ids[4], 4);
  EXPECT_LT(relative_error(vectors.v, whole.layers[0].attention.v.row(4)), 1e-5);
}

std::string name_of(const Case& golden_case) {
  std::string name = std::string(golden_case.name) + golden_case.prefix;
  std::ranges::replace_if(
      name, [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
}
std::string long_name(const ::testing::TestParamInfo<Case>& info) { return name_of(info.param); }
std::string backend_name(const ::testing::TestParamInfo<std::tuple<Case, const char*>>& info) {
  return name_of(std::get<0>(info.param)) + "_" + std::get<1>(info.param);
}

INSTANTIATE_TEST_SUITE_P(Families, Decoders,
                         ::testing::Combine(::testing::ValuesIn(kCases), ::testing::Values("reference", "flash")), backend_name);
INSTANTIATE_TEST_SUITE_P(Families, LongDecoders, ::testing::ValuesIn(kCases), long_name);

// ---- Negative twins: each trap of a dialect, fallen into on purpose, is seen by the comparison above ------------------------------

Tensor rows_picked(const Tensor& tensor, const std::function<std::int64_t(std::int64_t)>& from) {
  Tensor result(tensor.shape());
  const std::int64_t n = tensor.dim(0), cols = tensor.size() / n;
  for (std::int64_t r = 0; r < n; ++r)
    std::copy_n(tensor.data() + from(r) * cols, cols, result.data() + r * cols);
  return result;
}

struct Twin {
  const char* name;
  const char* model;
  void (*spoil)(ModelParams& params);
};

template <typename Change>
void each_layer(ModelParams& params, const Change& change) {
  for (LayerParams& layer : params.layers)
    change(layer);
}

Tensor less_one(Tensor gains) {
  for (float& gain : gains.span())
    gain -= 1;
  return gains;
}

/// q, k and v as they would be read from one matrix below another, where the file has them head by head; and the same of their biases.
void read_as_stacked(Tensor& q, Tensor& k, Tensor& v, std::int64_t d_head) {
  const std::int64_t d = q.dim(0), cols = q.size() / d;
  Tensor file({3 * d, cols});
  for (std::int64_t r = 0; r < d; ++r) {
    const Tensor* parts[] = {&q, &k, &v};
    for (std::int64_t p = 0; p < 3; ++p)
      std::copy_n(parts[p]->data() + r * cols, cols, file.row(r / d_head * 3 * d_head + p * d_head + r % d_head).data());
  }
  std::copy_n(file.data(), q.size(), q.data());
  std::copy_n(file.data() + q.size(), q.size(), k.data());
  std::copy_n(file.data() + 2 * q.size(), q.size(), v.data());
}

const Twin kTwins[] = {
    {"KvHeadByRemainder", "llama",
     [](ModelParams& p) { each_layer(p, [](LayerParams& l) { l.kv_head_of = {0, 1, 0, 1, 0, 1}; }); }},
    {"PairsInsteadOfHalves", "llama",
     [](ModelParams& p) {
       each_layer(p, [](LayerParams& l) {
         const auto apart = [](std::int64_t r) { return r / 8 * 8 + (r % 8 < 4 ? 2 * (r % 8) : 2 * (r % 8 - 4) + 1); };
         l.w_q = rows_picked(l.w_q, apart);
         l.w_k = rows_picked(l.w_k, apart);
       });
     }},
    {"TiedOutput", "llama", [](ModelParams& p) { p.config.ties_embeddings = true; }},
    {"NoBiasOfTheGate", "llama-biased", [](ModelParams& p) { each_layer(p, [](LayerParams& l) { l.b_gate = Tensor(); }); }},
    {"NoBiasAfterAttention", "llama-biased", [](ModelParams& p) { each_layer(p, [](LayerParams& l) { l.b_o = Tensor(); }); }},
    {"SiluForGelu", "llama-biased", [](ModelParams& p) { p.config.mlp = MlpKind::kSwiGlu; }},
    {"LinearIgnored", "llama-linear", [](ModelParams& p) { p.config.rope_scaling = {}; }},
    {"DynamicIgnored", "llama-dynamic", [](ModelParams& p) { p.config.rope_scaling = {}; }},
    {"DynamicAsLinear", "llama-dynamic", [](ModelParams& p) { p.config.rope_scaling.kind = RopeScaling::Kind::kLinear; }},
    {"Llama3Ignored", "llama-llama3", [](ModelParams& p) { p.config.rope_scaling = {}; }},
    {"Llama3AsLinear", "llama-llama3", [](ModelParams& p) { p.config.rope_scaling.kind = RopeScaling::Kind::kLinear; }},
    {"Llama3OriginalIgnored", "llama-llama3", [](ModelParams& p) { p.config.rope_scaling.original_positions = 0; }},
    {"YarnIgnored", "llama-yarn", [](ModelParams& p) { p.config.rope_scaling = {}; }},
    {"YarnWithoutItsFactor", "llama-yarn", [](ModelParams& p) { p.config.rope_scaling.attention_factor = 1; }},
    {"YarnRounded", "llama-yarn-mscale", [](ModelParams& p) { p.config.rope_scaling.truncates = true; }},
    {"YarnWithoutMscale", "llama-yarn-mscale", [](ModelParams& p) { p.config.rope_scaling.mscale.reset(); }},
    {"WindowOneLonger", "mistral", [](ModelParams& p) { p.config.windows.assign(3, 6); }},
    {"WindowOneShorter", "mistral", [](ModelParams& p) { p.config.windows.assign(3, 4); }},
    {"NoWindow", "mistral", [](ModelParams& p) { p.config.windows.clear(); }},
    {"WindowInTheFirstLayerToo", "qwen2", [](ModelParams& p) { p.config.windows.assign(3, 4); }},
    {"NoBiasOfQ", "qwen2", [](ModelParams& p) { each_layer(p, [](LayerParams& l) { l.b_q = Tensor(); }); }},
    {"LayerTypesIgnored", "qwen3",
     [](ModelParams& p) {
       p.config.windows = {0, 6, 6};
     }},
    {"NoNormOfQAndK", "qwen3", [](ModelParams& p) { each_layer(p, [](LayerParams& l) { l.q_norm = l.k_norm = Tensor(); }); }},
    {"GainsWithoutOne", "gemma",
     [](ModelParams& p) {
       p.final_norm = less_one(p.final_norm);
       each_layer(p, [](LayerParams& l) { l.attention_norm = less_one(l.attention_norm); });
     }},
    {"NoFactorOnEmbeddings", "gemma", [](ModelParams& p) { p.config.embedding_scale = 1; }},
    {"ExactGelu", "gemma", [](ModelParams& p) { p.config.mlp = MlpKind::kGeGlu; }},
    {"NoCapOfScores", "gemma2", [](ModelParams& p) { p.config.score_cap = 0; }},
    {"NoCapOfLogits", "gemma2", [](ModelParams& p) { p.config.logit_cap = 0; }},
    {"ScaleByDHead", "gemma2", [](ModelParams& p) { p.config.attention_scale.reset(); }},
    {"WindowInTheOtherLayers", "gemma2",
     [](ModelParams& p) {
       p.config.windows = {0, 4, 0, 4};
     }},
    {"NormsOfGemma1", "gemma2",
     [](ModelParams& p) { each_layer(p, [](LayerParams& l) { std::swap(l.attention_out_norm, l.mlp_norm); }); }},
    {"NormsBeforeAlone", "gemma2", [](ModelParams& p) { p.config.norm_place = NormPlace::kBefore; }},
    {"AllOfAHeadTurns", "phi3", [](ModelParams& p) { p.config.rotary_share = 1; }},
    {"GateAndUpExchanged", "phi3", [](ModelParams& p) { each_layer(p, [](LayerParams& l) { std::swap(l.w_gate, l.w_up); }); }},
    {"ShortFactors", "phi3-longrope",
     [](ModelParams& p) { p.config.rope_scaling.long_factors = p.config.rope_scaling.short_factors; }},
    {"LongropeWithoutItsFactor", "phi3-longrope", [](ModelParams& p) { p.config.rope_scaling.attention_factor = 1; }},
    {"StackedQkv", "gpt_neox",
     [](ModelParams& p) {
       each_layer(p, [](LayerParams& l) {
         read_as_stacked(l.w_q, l.w_k, l.w_v, 8);
         read_as_stacked(l.b_q, l.b_k, l.b_v, 8);
       });
     }},
    {"OneAfterTheOther", "gpt_neox", [](ModelParams& p) { p.config.block_order = BlockOrder::kSequential; }},
    {"AllOfAHeadTurnsInNeox", "gpt_neox", [](ModelParams& p) { p.config.rotary_share = 1; }},
    {"SideBySide", "gpt_neox-sequential", [](ModelParams& p) { p.config.block_order = BlockOrder::kParallel; }},
    {"OddPartRoundedDown", "gpt_neox-sequential", [](ModelParams& p) { p.config.rotary_share = 0.4; }},
    {"OddPartRoundedUp", "gpt_neox-sequential", [](ModelParams& p) { p.config.rotary_share = 0.6; }},
    {"ScaledByDHead", "gpt2-scales", [](ModelParams& p) { p.config.attention_scale.reset(); }},
    {"NotDividedByLayer", "gpt2-scales", [](ModelParams& p) { p.config.divides_scale_by_layer = false; }},
    {"GeluForRelu", "gpt2-scales", [](ModelParams& p) { p.config.mlp = MlpKind::kGelu; }},
};

class DecoderTwin : public ::testing::TestWithParam<Twin> {};

TEST_P(DecoderTwin, IsSeen) {
  const Golden golden(GetParam().model);
  test::CpuAttention attention;
  ModelParams wrong = golden.model.params;
  for (LayerParams& layer : wrong.layers)  // 16 bits may be wrong as well as 32
    for (Tensor* tensor : {&layer.w_q, &layer.w_k, &layer.w_v})
      *tensor = tensor->widened();
  const Tensor logits = golden.tensor("logits");
  ASSERT_LT(relative_error(attention.pass(wrong, golden.ids).logits.span(), logits.span()), kRelativeLogitsTolerance);
  GetParam().spoil(wrong);
  const double error = relative_error(attention.pass(wrong, golden.ids).logits.span(), logits.span());
  // The two GELUs are close, but apart.
  EXPECT_GT(error, GetParam().name == std::string("ExactGelu") ? 1.5 * kRelativeLogitsTolerance : kClearlyWrong);
}

std::string twin_name(const ::testing::TestParamInfo<Twin>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Traps, DecoderTwin, ::testing::ValuesIn(kTwins), twin_name);

}  // namespace
}  // namespace headroom
