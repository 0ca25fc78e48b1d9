// Each trap of the encoders' dialects, fallen into on purpose, is seen by the comparison with transformers.

#include <gtest/gtest.h>

#include <functional>

#include "core/model/forward_steps.h"
#include "tests/model/encoders.h"

namespace headroom {
namespace {

using test::EncoderText;

constexpr double kRight = 2e-4;
/// What a wrongly read model differs by at least.
constexpr double kClearlyWrong = 0.02;

/// A backend that is asked another question than the pass asked.
class AskedOtherwise : public AttentionBackend {
 public:
  using Change = std::function<void(AttentionConfig&)>;
  AskedOtherwise(AttentionBackend& inner, Change change) : inner_(inner), change_(std::move(change)) {}

  std::string_view name() const override { return inner_.name(); }
  Support supports(const AttentionConfig& config) const override { return inner_.supports(config); }
  void run(const AttentionConfig& config, const AttentionInputs& inputs, const AttentionOutputs& outputs,
           std::stop_token stop) override {
    AttentionConfig changed = config;
    change_(changed);
    inner_.run(changed, inputs, outputs, stop);
  }

 private:
  AttentionBackend& inner_;
  Change change_;
};

/// A golden model, and how far logits (or the last hidden state of what predicts nothing) are from transformers' when it is read wrongly.
class Twin {
 public:
  explicit Twin(const std::string& name)
      : name_(name), params_(load_model_folder(test::kEncodersFolder + name).params), texts_(test::read_encoder_texts(name)) {
    EXPECT_LT(error(params_), kRight) << name << ", read rightly";
  }

  const ModelParams& right() const { return params_; }
  EncoderText& text(std::size_t i) { return texts_[i]; }
  /// The largest over all texts.
  double error(
      const ModelParams& params, AskedOtherwise::Change change = [](AttentionConfig&) {}) {
    double largest = 0;
    for (const EncoderText& text : texts_) {
      AskedOtherwise backend(*attention_.backend, change);
      largest =
          std::max(largest, text.source.empty() ? encoder_error(params, text, backend) : translator_error(params, text, backend));
    }
    return largest;
  }
  /// After a change of the parameters.
  double error_when(const std::function<void(ModelParams&)>& change) {
    ModelParams wrong = params_;
    change(wrong);
    return error(wrong);
  }
  Tensor stored(const char* tensor) const {
    const SafetensorsFile file(test::kEncodersFolder + name_ + "/model.safetensors");
    return file.read_float(*file.find(tensor));
  }

 private:
  double encoder_error(const ModelParams& params, const EncoderText& text, AttentionBackend& backend) {
    const std::unique_ptr<AttentionLayer> layer = make_cpu_attention_layer(attention_.pool, backend);
    const ForwardTrace trace =
        forward(params, text.ids, *layer, attention_.pool, {.mask = text.mask(), .token_types = text.types, .stop = {}});
    if (!text.logits.empty()) return test::logits_error(trace.logits, text);
    return test::last_hidden_error(trace.output, text.hidden, text.n_rows());
  }
  double translator_error(const ModelParams& params, const EncoderText& text, AttentionBackend& backend) {
    const TranslationTrace trace =
        translate_pass(params, text.source, text.ids, backend, attention_.pool, {.encoder_mask = text.source_mask(), .stop = {}});
    return test::logits_error(trace.decoder.logits, text);
  }

  std::string name_;
  ModelParams params_;
  std::vector<EncoderText> texts_;
  test::CpuAttention attention_;
};

TEST(EncoderTwin, TokenTypesIgnored) {
  Twin bert("bert-pretraining");
  EXPECT_GT(bert.error_when([](ModelParams& wrong) { wrong.token_types = Tensor(); }), kClearlyWrong);
  bert.text(0).types.clear();
  EXPECT_GT(bert.error(bert.right()), kClearlyWrong) << "both sentences as if they were the first";
}

TEST(EncoderTwin, PaddingSeen) {
  Twin bert("bert-pretraining"), t5("t5");
  bert.text(1).length.reset();
  EXPECT_GT(bert.error(bert.right()), kClearlyWrong);
  t5.text(1).source_length.reset();
  EXPECT_GT(t5.error(t5.right()), kClearlyWrong);
}

TEST(EncoderTwin, BertWithTheNormBefore) {
  Twin bert("bert-pretraining");
  EXPECT_GT(bert.error_when([](ModelParams& wrong) {
    wrong.config.norm_place = NormPlace::kBefore;
    wrong.final_norm = wrong.embedding_norm;
    wrong.final_norm_bias = wrong.embedding_norm_bias;
  }),
            kClearlyWrong);
}

TEST(EncoderTwin, TheOtherGelu) {
  Twin bert("bert-old-names"), t5("t5-v1_1");
  // Close, but apart: several times what is allowed of the right one.
  EXPECT_GT(bert.error_when([](ModelParams& wrong) { wrong.config.mlp = MlpKind::kGelu; }), kRight);
  EXPECT_GT(t5.error_when([](ModelParams& wrong) { wrong.config.mlp = MlpKind::kGeGlu; }), kRight);
}

TEST(EncoderTwin, BertsUntiedOutputWithTheTiedOnesBias) {
  Twin bert("bert-old-names");
  EXPECT_GT(bert.error_when([&](ModelParams& wrong) { wrong.output_bias = bert.stored("cls.predictions.bias"); }), kClearlyWrong);
}

TEST(EncoderTwin, RobertaWithPositionsFromZero) {
  Twin roberta("roberta"), other("roberta-encoder");
  EXPECT_GT(roberta.error_when(
                [&](ModelParams& wrong) { wrong.positions = roberta.stored("roberta.embeddings.position_embeddings.weight"); }),
            kClearlyWrong);
  EXPECT_GT(other.error_when([&](ModelParams& wrong) {
    // As if its padding, too, were token 1.
    const Tensor all = other.stored("embeddings.position_embeddings.weight");
    std::copy_n(all.row(2).data(), wrong.positions.size(), wrong.positions.data());
  }),
            kClearlyWrong);
}

TEST(EncoderTwin, DistilbertWithoutTheTransformOfItsHead) {
  Twin distilbert("distilbert");
  EXPECT_GT(distilbert.error_when([](ModelParams& wrong) { wrong.config.has_head_transform = false; }), kClearlyWrong);
}

TEST(EncoderTwin, T5ScaledByTheRootOfItsHeads) {
  Twin t5("t5");
  EXPECT_GT(t5.error_when([](ModelParams& wrong) { wrong.config.attention_scale.reset(); }), kClearlyWrong);
}

TEST(EncoderTwin, T5WithTheBiasInItsFirstBlockAlone) {
  Twin t5("t5");
  const std::int64_t n_encoder = t5.right().config.n_encoder_layers;
  std::int64_t call = 0;
  // Encoder blocks first; then the decoder's, each with one attention on itself and one on the encoder, which never has a bias.
  const auto forget = [&](AttentionConfig& config) {
    const std::int64_t n_calls = n_encoder + 2 * t5.right().config.shape.n_layers;
    const std::int64_t at = call++ % n_calls;
    if (at != 0 && at != n_encoder) config.position_bias.reset();
  };
  EXPECT_GT(t5.error(t5.right(), forget), kClearlyWrong);
}

TEST(EncoderTwin, T5sDecoderWithTheBucketsOfItsEncoder) {
  Twin t5("t5");
  const ModelParams& params = t5.right();
  const auto both_sides =
      std::make_shared<const PositionBias>(bucketed_bias(params.relative_bias, params.config.relative_max_distance, true));
  EXPECT_GT(t5.error(params,
                     [&](AttentionConfig& config) {
                       if (config.mask.direction == Direction::kCausal) config.position_bias = both_sides;
                     }),
            kClearlyWrong);
}

TEST(EncoderTwin, T5sEncoderWithTheBucketsOfItsDecoder) {
  Twin t5("t5");
  const ModelParams& params = t5.right();
  const auto one_side =
      std::make_shared<const PositionBias>(bucketed_bias(params.encoder_relative_bias, params.config.relative_max_distance, false));
  EXPECT_GT(t5.error(params,
                     [&](AttentionConfig& config) {
                       if (config.position_bias && config.mask.direction == Direction::kBidirectional)
                         config.position_bias = one_side;
                     }),
            kClearlyWrong);
}

TEST(EncoderTwin, T5WithABiasBetweenItsTexts) {
  Twin t5("t5");
  std::shared_ptr<const PositionBias> last;
  EXPECT_GT(t5.error(t5.right(),
                     [&](AttentionConfig& config) {
                       if (config.position_bias) {
                         last = config.position_bias;
                       } else {
                         config.position_bias = last;
                       }
                     }),
            kClearlyWrong);
}

TEST(EncoderTwin, T5WithoutTheFactorAtItsTiedOutput) {
  Twin t5("t5");
  EXPECT_GT(t5.error_when([](ModelParams& wrong) { wrong.config.logit_scale = 1; }), kClearlyWrong);
}

TEST(EncoderTwin, LaterT5WithTheFactorOfTheFirst) {
  Twin t5("t5-v1_1");
  EXPECT_GT(t5.error_when([](ModelParams& wrong) { wrong.config.logit_scale = 1 / std::sqrt(26.0f); }), kClearlyWrong);
  EXPECT_GT(t5.error_when([](ModelParams& wrong) { wrong.config.ties_embeddings = true; }), kClearlyWrong);
}

TEST(EncoderTwin, T5WithGateAndInputExchanged) {
  Twin t5("t5-v1_1");
  EXPECT_GT(t5.error_when([](ModelParams& wrong) {
    for (auto* layers : {&wrong.layers, &wrong.encoder_layers})
      for (LayerParams& layer : *layers)
        std::swap(layer.w_gate, layer.w_up);
  }),
            kClearlyWrong);
}

TEST(EncoderTwin, T5WhoseDecoderReadsTheEncoderBeforeItsLastNorm) {
  Twin t5("t5");
  EXPECT_GT(t5.error_when([](ModelParams& wrong) { wrong.encoder_final_norm = Tensor(); }), kClearlyWrong);
}

TEST(EncoderTwin, BartWithoutTheFactorOnItsEmbeddings) {
  Twin bart("bart-scaled");
  EXPECT_GT(bart.error_when([](ModelParams& wrong) { wrong.config.embedding_scale = 1; }), kClearlyWrong);
}

TEST(EncoderTwin, BartWithoutTheOffsetOfItsPositions) {
  Twin bart("bart-scaled");
  EXPECT_GT(bart.error_when([&](ModelParams& wrong) { wrong.positions = bart.stored("model.decoder.embed_positions.weight"); }),
            kClearlyWrong);
  EXPECT_GT(
      bart.error_when([&](ModelParams& wrong) { wrong.encoder_positions = bart.stored("model.encoder.embed_positions.weight"); }),
      kClearlyWrong);
}

}  // namespace
}  // namespace headroom
