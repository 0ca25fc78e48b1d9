// What is trained here is what the rest of the program then runs: both compute the same logits from the same parameters.

#include "core/attention/backend.h"
#include "core/model/translation_pass.h"
#include "tests/training/stirred_network.h"

namespace headroom {
namespace {

constexpr double kTolerance = 5e-5;  // two ways through float32

/// Logits of one row of the batch by the forward pass that the views use.
std::vector<float> forward_logits(const ModelParams& params, const Batch& batch, std::int64_t row, ThreadPool& pool) {
  const auto backend = make_flash_backend(pool);
  const std::span<const std::int32_t> ids =
      std::span(batch.inputs).subspan(static_cast<std::size_t>(row * batch.seq), static_cast<std::size_t>(batch.seq));
  Tensor logits;
  if (params.config.kind == ModelKind::kEncoderDecoder) {
    const std::span<const std::int32_t> source =
        std::span(batch.sources)
            .subspan(static_cast<std::size_t>(row * batch.source_seq),
                     static_cast<std::size_t>(batch.source_lengths[static_cast<std::size_t>(row)]));
    logits = translate_pass(params, source, ids, *backend, pool).decoder.logits;
  } else {
    const auto layer = make_cpu_attention_layer(pool, *backend);
    logits = forward(params, ids, *layer, pool, {.mask = {.direction = default_direction(params.config.kind)}, .stop = {}}).logits;
  }
  return {logits.span().begin(), logits.span().end()};
}

TEST(ForwardAgreement, TrainingAndViewsComputeTheSameLogits) {
  for (test::Form form : test::forms()) {
    for (const std::int64_t d_ff : {form.config.shape.d_ff, std::int64_t{0}}) {
      form.config.shape.d_ff = d_ff;
      test::Stirred stirred(form.config, 2);
      const Batch batch = test::random_batch(form.config, {.n_rows = 2, .seq = 9}, 3);
      std::vector<LogitsAt> at;
      for (std::int64_t i = 0; i < batch.n_tokens(); ++i)
        at.push_back({i / batch.seq, i % batch.seq});
      const std::vector<float> trained = stirred.network.evaluate(batch, {.logits_at = at}).logits;
      std::vector<float> viewed;
      const ModelParams params = unflatten(stirred.network.layout(), stirred.network.parameters());
      for (std::int64_t row = 0; row < batch.n_rows; ++row) {
        const std::vector<float> logits = forward_logits(params, batch, row, stirred.pool);
        viewed.insert(viewed.end(), logits.begin(), logits.end());
      }
      test::expect_near(viewed, trained, kTolerance, form.name + ", d_ff = " + std::to_string(d_ff));
    }
  }
}

}  // namespace
}  // namespace headroom
