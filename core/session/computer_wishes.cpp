#include "core/decoding/writer.h"
#include "core/session/computer_state.h"
#include "core/session/validity.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

std::string written_text(std::int64_t n, std::int64_t most) {
  return "writing, " + std::to_string(n) + " of at most " + std::to_string(most) + " tokens";
}

}  // namespace

std::shared_ptr<const TokenLens> Computer::lens(const std::shared_ptr<const Snapshot>& snapshot, std::int64_t position,
                                                std::stop_token stop, const Progress& progress) {
  State& state = *state_;
  const Progress report = progress ? progress : [](const std::string&, double) {};
  const Compute& compute = snapshot->compute;
  if (compute.model_source == ModelSource::kCapture)
    throw Error("A capture holds attention, not the residual stream that the lens reads.");
  if (snapshot->is_long) throw Error("The lens needs the residual stream of every layer, which is not kept of a long text.");
  if (!snapshot->config.predicts) throw Error("This stack has no output: it predicts nothing, at no layer.");
  const PreparedModel model = state.models.prepare(compute, stop, report);
  ThreadPool& pool = state.devices.pool();
  report("logit lens", 0);
  auto made = std::make_shared<TokenLens>();
  made->trace = snapshot->trace;
  if (compute.trained.kind == ModelKind::kEncoderDecoder) {
    const Translation& known = state.translation;
    const ForwardTrace* shown = compute.stack == AttentionStack::kCross ? &known.pass->cross : &known.pass->decoder;
    if (!known.pass || shown != snapshot->trace.get()) throw Cancelled();  // a newer picture is on its way
    made->lens = logit_lens(*model.params, known.pass->decoder, position, kLensWords, pool);
    return made;
  }
  if (model.params->config.kind != ModelKind::kMasked) {
    made->lens = logit_lens(*model.params, *snapshot->trace, position, kLensWords, pool);
    return made;
  }
  const std::int32_t mask_id = mask_token(*model.loaded->tokenizer);
  if (mask_id < 0) throw Error("The tokenizer has no token that hides another, so nothing can be predicted.");
  if (position < 0 || position >= std::ssize(snapshot->trace->ids)) throw Error("There is no such token.");
  ReadText hidden;
  hidden.tokens = snapshot->tokens;
  hidden.ids = snapshot->trace->ids;
  hidden.ids[static_cast<std::size_t>(position)] = mask_id;
  const ForwardOptions options{.mask = compute.mask, .token_types = hidden.types(), .stop = stop};
  const ForwardTrace trace = forward(*model.params, hidden.ids, state.devices.cpu_layer(BackendChoice::kFlash), pool, options);
  made->lens = logit_lens(*model.params, trace, position, kLensWords, pool);
  return made;
}

std::shared_ptr<const Written> Computer::write(const WriteRequest& request, std::stop_token stop, const Progress& progress) {
  State& state = *state_;
  const Progress report = progress ? progress : [](const std::string&, double) {};
  const Compute& compute = request.compute;
  const WritePlan& plan = request.plan;
  if (compute.model_source == ModelSource::kCapture) throw Error("A capture holds attention, not a model that could write on.");
  const PreparedModel model = state.models.prepare(compute, stop, report);
  const ModelConfig& config = model.params->config;
  if (config.kind == ModelKind::kMasked)
    throw Error("This model tells hidden words; it does not write on. A decoder does, such as grammar-base.");
  const std::vector<std::int32_t>& before = compute.continuation;
  if (!before.empty() && std::ranges::find(model.write_ids.ends, before.back()) != model.write_ids.ends.end())
    throw Error("The model has ended its text: take away what was written to write anew.");
  WriteJob job{.most = std::min(plan.tokens, kMaxWrittenTokens - std::ssize(before)),
               .sample = {.temperature = plan.temperature, .top_k = plan.top_k, .top_p = plan.top_p},
               .seed = plan.seed,
               .first_step = before.size(),
               .ends = model.write_ids.ends,
               .stop = stop};
  job.progress = [&](std::int64_t n) {
    ++state.counters.written;
    report(written_text(n, job.most), static_cast<double>(n) / static_cast<double>(job.most));
  };
  report(written_text(0, job.most), 0);
  auto made = std::make_shared<Written>(Written{.compute = compute, .ids = before});
  ReadText read = state.read(model, compute, stop);
  if (read.tokens.empty()) throw Error("The sentence is empty: type at least one word.");
  const TextSource from = state.source_of(model);
  std::vector<std::int32_t> added;
  if (config.kind == ModelKind::kEncoderDecoder) {
    const ReadText target = read_target(from, compute, stop);
    added = write_translation(model, {read, target, compute.mask, job}, state.devices);
  } else {
    if (before.empty()) append_written(read, from, {});
    Writer writer(*model.params, compute.mask, state.devices.pool());
    added = write_on(writer, config, read.ids, job);
  }
  if (added.empty())
    throw Error("There is no room for another token: the model has learned " + std::to_string(config.shape.max_positions) +
                " positions, and a text can hold " + std::to_string(kMaxWrittenTokens) + " written tokens.");
  made->n_new = added.size();
  made->ids.insert(made->ids.end(), added.begin(), added.end());
  return made;
}

std::shared_ptr<const Snapshot> Computer::add_other_device_timing(const std::shared_ptr<const Snapshot>& snapshot,
                                                                  std::stop_token stop, const Progress& progress) {
  const Progress report = progress ? progress : [](const std::string&, double) {};
  if (snapshot->compute.model_source == ModelSource::kCapture)
    throw Error("A capture was computed elsewhere: there is nothing to time on this machine.");
  if (snapshot->compute.trained.kind == ModelKind::kEncoderDecoder)
    throw Error("An encoder-decoder runs on the CPU only: there is no other device's time.");
  if (snapshot->is_long)
    throw Error("The devices are compared on texts of up to " + std::to_string(state_->options.long_tokens) +
                " tokens: a longer one runs on one device.");
  const PreparedModel model = state_->models.prepare(snapshot->compute, stop, report);
  ReadText read;
  read.tokens = snapshot->tokens;
  PassRequest request{*model.params, snapshot->trace->ids, snapshot->compute.mask, read.types()};
  auto copy = std::make_shared<Snapshot>(*snapshot);
  copy->version = State::next_version();
  report(snapshot->ran_on_gpu ? "the CPU's times" : "the GPU's times", 0);
  if (snapshot->ran_on_gpu) {
    copy->cpu = state_->devices.time_cpu(request, stop);
  } else {
    copy->gpu = state_->devices.time_gpu(request, stop);
  }
  return copy;
}

std::shared_ptr<const SpeedReport> Computer::measure_speed(const SpeedRequest& request, SpeedPart part, std::stop_token stop,
                                                           const Progress& progress) {
  SpeedTools tools{.pool = state_->devices.pool(), .budget = request.budget, .open_gpu = {}, .stop = stop, .progress = progress};
  if (state_->options.gpu.open_kernels) {
    tools.open_gpu = [this] {
      if (!state_->gpu_kernels) state_->gpu_kernels = state_->options.gpu.open_kernels();
      return *state_->gpu_kernels;
    };
  }
  const SpeedReport before = state_->speed ? *state_->speed : SpeedReport{};
  state_->speed = std::make_shared<const SpeedReport>(measure_part(before, request.shape, part, tools));
  return state_->speed;
}

}  // namespace headroom
