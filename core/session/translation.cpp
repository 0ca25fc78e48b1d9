#include "core/session/translation.h"

#include <chrono>

#include "core/tensor/error.h"

namespace headroom {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

/// Times of both stacks, stage by stage.
std::vector<StageTime> summed(std::vector<StageTime> times, const std::vector<StageTime>& more) {
  for (const StageTime& time : more) {
    const auto found = std::ranges::find(times, time.stage, &StageTime::stage);
    if (found != times.end()) {
      found->ms += time.ms;
    } else {
      times.push_back(time);
    }
  }
  return times;
}

std::string reason_of(BackendChoice choice) {
  if (choice == BackendChoice::kAuto) return "auto: the CPU, which runs every encoder-decoder.";
  if (choice == BackendChoice::kGl) return "gl was chosen, but the CPU computes: an encoder-decoder runs there only.";
  return std::string(choice == BackendChoice::kReference ? "reference"
                     : choice == BackendChoice::kNaive   ? "naive"
                                                         : "flash") +
         " was chosen.";
}

}  // namespace

ModelConfig encoder_config(const ModelConfig& config) {
  ModelConfig encoder = config;
  encoder.kind = ModelKind::kMasked;
  encoder.shape.n_layers = config.n_encoder_layers;
  encoder.n_encoder_layers = 0;
  encoder.has_output_bias = encoder.has_head_transform = false;
  encoder.predicts = false;
  return encoder;
}

Tensor encode_source(const PreparedModel& model, const ReadText& source, const Mask& mask, Devices& devices, std::stop_token stop) {
  const TranslationOptions options{.keep = ForwardOptions::Keep::kLogitsOnly, .encoder_mask = mask, .stop = std::move(stop)};
  AttentionBackend& flash = devices.cpu_backend(BackendChoice::kFlash);
  // Any one token for the decoder: its row costs little, and its logits are not needed.
  const std::vector<std::int32_t> target = {model.write_ids.decoder_start.value_or(0)};
  return translate_pass(*model.params, source.ids, target, flash, devices.pool(), options).encoder.output;
}

std::vector<std::int32_t> write_translation(const PreparedModel& model, const DecoderJob& job, Devices& devices) {
  const Tensor encoded = encode_source(model, job.source, job.mask, devices, job.write.stop);
  Writer writer(*model.params, CrossSource{encoded, job.mask.key_lengths}, devices.pool());
  WriteJob write = job.write;
  if (job.target.ids.size() == 1) write.first_token = model.write_ids.forced_first.value_or(-1);
  write.ends = model.write_ids.ends;
  return write_on(writer, model.params->config, job.target.ids, write);
}

Translation translate(const PreparedModel& model, const ReadText& source, const ReadText& typed, const Compute& compute,
                      const PictureTools& tools) {
  Translation made{.params = model.params_id,
                   .source_ids = source.ids,
                   .typed_ids = typed.ids,
                   .mask = compute.mask,
                   .backend = compute.backend,
                   .wrote_itself = writes_itself(compute),
                   .target = typed,
                   .reason = reason_of(compute.backend)};
  if (made.wrote_itself) {
    tools.progress("what the decoder writes", 0);
    WriteJob job{.most = kMostAutoWritten, .stop = tools.stop, .progress = [&](std::int64_t n) {
                   tools.progress("what the decoder writes", 0.5 * static_cast<double>(n) / kMostAutoWritten);
                 }};
    const std::vector<std::int32_t> written = write_translation(model, {source, typed, compute.mask, job}, tools.devices);
    const TextSource from{*model.loaded->tokenizer, model.params->config, model.write_ids, 0};
    append_written(made.target, from, written);
  }
  cut_to_positions(made.target, model.params->config);
  made.target.n_written = std::min(made.target.n_written, made.target.ids.size());
  tools.progress("the pass", 0.5);
  const BackendChoice device = compute.backend == BackendChoice::kReference || compute.backend == BackendChoice::kNaive
                                   ? compute.backend
                                   : BackendChoice::kFlash;
  const auto start = Clock::now();
  TranslationTrace trace = translate_pass(*model.params, source.ids, made.target.ids, tools.devices.cpu_backend(device),
                                          tools.devices.pool(), {.encoder_mask = compute.mask, .stop = tools.stop});
  made.cpu = {tools.devices.cpu_text(device), summed(trace.encoder.times, trace.decoder.times), ms_since(start)};
  // Its rows are the decoder's tokens, and so are the words that follow them.
  trace.cross.logits = trace.decoder.logits;
  trace.cross.output = trace.decoder.output;
  made.pass = std::make_shared<const TranslationTrace>(std::move(trace));
  return made;
}

const Picture& picture_of(Translation& translation, AttentionStack stack, const PictureTools& tools) {
  std::shared_ptr<const Picture>& kept = translation.pictures[static_cast<std::size_t>(stack)];
  if (kept) return *kept;
  tools.progress("the heads", 0.8);
  Picture made;
  const TranslationTrace& pass = *translation.pass;
  const ForwardTrace& shown = stack == AttentionStack::kEncoder ? pass.encoder
                              : stack == AttentionStack::kCross ? pass.cross
                                                                : pass.decoder;
  made.pass = {.trace = std::shared_ptr<const ForwardTrace>(translation.pass, &shown),
               .cpu = translation.cpu,
               .gpu = {},
               .reason = translation.reason};
  if (stack == AttentionStack::kEncoder) {
    made.no_prediction = "An encoder by itself predicts nothing: look at the Decoder or Cross tab for the words that follow.";
  } else {
    made.losses = next_token_losses(pass.decoder.logits, translation.target.ids);
  }
  look_at_heads(made, tools);
  kept = std::make_shared<const Picture>(std::move(made));
  return *kept;
}

}  // namespace headroom
