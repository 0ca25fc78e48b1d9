#include <algorithm>
#include <utility>

#include "core/session/computer_state.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

const Computer::Progress kSilent = [](const std::string&, double) {};

}  // namespace

DecoderInput Computer::State::decoder_input(const Compute& compute, DecoderInput::Reads reads, const std::stop_token& stop) {
  if (compute.model_source == ModelSource::kCapture) throw Error("A capture holds attention, not a model that could generate.");
  DecoderInput input{.model = models.prepare(compute, stop, kSilent)};
  const ModelConfig& config = input.model.params->config;
  if (config.kind == ModelKind::kMasked)
    throw Error("This model tells hidden words; it does not generate. A decoder does, such as grammar-base.");
  if (!config.predicts) throw Error("This stack has no output: it generates nothing.");
  const bool has_encoder = config.kind == ModelKind::kEncoderDecoder;
  if (!has_encoder && reads == DecoderInput::Reads::kNothing) return input;
  ReadText text = read(input.model, compute, stop);
  if (text.tokens.empty()) throw Error("The sentence is empty: type at least one word.");
  const TextSource from = source_of(input.model);
  if (has_encoder) {
    input.encoded = encode_source(input.model, text, compute.mask, devices, stop);
    if (reads == DecoderInput::Reads::kText) input.read = read_target(from, compute, stop);
    return input;
  }
  if (compute.continuation.empty()) append_written(text, from, {});
  input.read = std::move(text);
  return input;
}

std::shared_ptr<const Decoded> Computer::decode(const DecodeRequest& request, std::stop_token stop,
                                                const std::function<void(std::shared_ptr<const Decoded>)>& grown) {
  State& state = *state_;
  const Compute& compute = request.compute;
  const DecoderInput input = state.decoder_input(compute, DecoderInput::Reads::kText, stop);
  const GenerationIds& ids = input.model.write_ids;
  const std::vector<std::int32_t>& before = compute.continuation;
  if (!before.empty() && std::ranges::find(ids.ends, before.back()) != ids.ends.end())
    throw Error("The model has ended its text: take away what was written to generate anew.");
  std::vector<Token> tokens = input.read.tokens;
  const auto decoded = [&](const std::shared_ptr<const DecodeRun>& run) {
    for (std::size_t i = tokens.size() - run->prompt.size(); i < run->steps.size(); ++i)
      tokens.push_back(bare_token(*input.model.loaded->tokenizer, run->steps[i]->id));
    return std::make_shared<const Decoded>(Decoded{request, run, tokens});
  };
  const bool is_first = input.encoded && input.read.ids.size() == 1;
  DecodeJob job{.cache = request.plan.cache,
                .most = request.plan.tokens,
                .sample = {.temperature = request.write.temperature, .top_k = request.write.top_k, .top_p = request.write.top_p},
                .seed = request.write.seed,
                .first_step = before.size(),
                .ends = ids.ends,
                .first_token = is_first ? ids.forced_first.value_or(-1) : -1,
                .stop = stop};
  job.progress = [&](const std::shared_ptr<const DecodeRun>& run) {
    ++state.counters.decoded;
    if (grown && !run->is_finished) grown(decoded(run));
  };
  const auto run = input.with_source(
      compute.mask, [&](const DecodeSource& from) { return headroom::decode(from, input.read.ids, job, state.devices.pool()); });
  return decoded(run);
}

std::shared_ptr<const DecodedGrowth> Computer::decode_growth(
    const DecodeGrowthRequest& request, std::stop_token stop,
    const std::function<void(std::shared_ptr<const DecodedGrowth>)>& grown) {
  State& state = *state_;
  const DecoderInput input = state.decoder_input(request.compute, DecoderInput::Reads::kNothing, stop);
  constexpr double kLongestCall = 4;  // s: each length is answered by itself
  DecodeGrowthJob job{.cache = request.cache, .longest_call = kLongestCall, .stop = stop};
  job.progress = [&](const std::shared_ptr<const DecodeGrowth>& growth) {
    if (grown && !growth->is_finished) grown(std::make_shared<const DecodedGrowth>(DecodedGrowth{request, growth}));
  };
  const auto growth = input.with_source(
      request.compute.mask, [&](const DecodeSource& from) { return measure_decode_growth(from, job, state.devices.pool()); });
  return std::make_shared<const DecodedGrowth>(DecodedGrowth{request, growth});
}

std::shared_ptr<const Quality> Computer::quality(const QualityRequest& request, std::stop_token stop,
                                                 const std::function<void(std::shared_ptr<const Quality>)>& grown) {
  State& state = *state_;
  const Compute& compute = request.compute;
  DecoderInput input = state.decoder_input(compute, DecoderInput::Reads::kNothing, stop);
  const ModelParams& params = *input.model.params;
  const HeldOutText* held_out = state.held_out_of(input.model);
  if (held_out == nullptr) input = state.decoder_input(compute, DecoderInput::Reads::kText, stop);
  const std::vector<std::vector<std::int32_t>> sentence = {input.read.ids};
  QualityJob job{.rows = held_out != nullptr ? std::span(held_out->rows) : std::span(sentence),
                 .mask = compute.mask,
                 .choices = request.choices.empty() ? quality_curves(params) : request.choices,
                 .most_tokens = request.most_tokens,
                 .stop = stop};
  const bool is_known = request.cache.eviction == Eviction::kNone && request.cache.type == KvType::kFloat32;
  if (!is_known) job.choices.push_back({.curve = QualityCurve::kOther, .cache = request.cache});
  const auto measured = [&](const std::shared_ptr<const QualityReport>& report) {
    return std::make_shared<const Quality>(Quality{request, report, held_out != nullptr ? "the held-out text" : "the sentence"});
  };
  job.progress = [&](const std::shared_ptr<const QualityReport>& report) {
    if (grown && !report->is_finished) grown(measured(report));
  };
  return measured(measure_quality(params, job, state.devices.pool()));
}

std::shared_ptr<const Batched> Computer::batch(const BatchWish& request, std::stop_token stop, const Progress& progress) {
  State& state = *state_;
  if (request.compute.model_source == ModelSource::kCapture)
    throw Error("A capture holds attention, not a model whose cache has a size.");
  if (const auto problem = validate(request.cache)) throw Error(*problem);
  const PreparedModel model = state.models.prepare(request.compute, stop, progress ? progress : kSilent);
  if (model.params->config.kind == ModelKind::kMasked)
    throw Error("This model reads a text once and keeps nothing of it: it has no cache to share memory with.");
  Batched made{.request = request, .token_bytes = token_bytes(cache_shape(*model.params), request.cache.type), .run = nullptr};
  BatchJob job{.plan = request.plan, .token_bytes = made.token_bytes, .page_rows = request.cache.page_rows, .stop = stop};
  if (progress) job.progress = [&](double share) { progress(decode_part_name(DecodePart::kBatch), share); };
  made.run = std::make_shared<const BatchRun>(run_batch(job));
  return std::make_shared<const Batched>(std::move(made));
}

}  // namespace headroom
