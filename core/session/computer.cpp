#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/session/computer_state.h"
#include "core/tensor/error.h"

namespace headroom {

std::uint64_t Computer::State::next_version() {
  static std::atomic<std::uint64_t> version{0};
  return ++version;
}

TextSource Computer::State::source_of(const PreparedModel& model) const {
  return {*model.loaded->tokenizer, model.loaded->params.config, model.write_ids, options.max_tokens};
}

const ReadText& Computer::State::read(const PreparedModel& model, const Compute& compute, std::stop_token stop) {
  const bool is_read = tokens.model == model.loaded_id && tokens.text == compute.text && tokens.second == compute.second &&
                       tokens.written == compute.continuation;
  if (is_read) return tokens.read;
  tokens.model = 0;
  ++counters.tokenisations;
  tokens.read = read_first(source_of(model), compute, std::move(stop));
  tokens.text = compute.text;
  tokens.second = compute.second;
  tokens.written = compute.continuation;
  tokens.model = model.loaded_id;
  return tokens.read;
}

PictureTools Computer::State::tools(const PreparedModel& model, const Compute& compute, const Control& control) {
  return {devices,       compute.n_heads, compute.backend, options.free_bytes, mask_token(*model.loaded->tokenizer),
          control.first, control.second};
}

std::shared_ptr<const Picture> Computer::State::picture(const PreparedModel& model, const Compute& compute, const ReadText& text,
                                                        const Control& control) {
  const bool is_same = last.picture && last.params == model.params_id && last.ids == text.ids && last.mask == compute.mask &&
                       last.backend == compute.backend;
  const bool is_too_deep = last.picture && last.picture->has_all_layers && compute.depth == Depth::kFirstLayer;
  if (is_same && !is_too_deep) return last.picture;
  last.picture.reset();  // two long texts need not fit at once
  const PassRequest request{*model.params, text.ids, compute.mask, text.types()};
  const PictureTools with = tools(model, compute, control);
  auto made = std::make_shared<const Picture>(is_long(text) ? first_layer_picture(request, with) : short_picture(request, with));
  last = {model.params_id, text.ids, compute.mask, compute.backend, made};
  return made;
}

std::shared_ptr<const Picture> Computer::State::next_picture(PreparedModel& model, const Compute& compute, const ReadText& text,
                                                             const Control& control) {
  const Picture& shown = *last.picture;
  const PictureTools with = tools(model, compute, control);
  const bool wants_all = compute.depth == Depth::kAllLayers && !shown.has_all_layers;
  if (!shown.has_all_layers && !shown.deeper) {
    return std::make_shared<const Picture>(with_estimate(shown, {*model.params, text.ids, compute.mask}, with));
  }
  if (wants_all && shown.deeper->refusal.empty()) {
    models.shape(model, compute, DrawnLayers::kAll);
    return std::make_shared<const Picture>(deep_picture(shown, {*model.params, text.ids, compute.mask}, with));
  }
  if (can_refine(shown)) return std::make_shared<const Picture>(refined_picture(shown, with));
  return nullptr;
}

Computer::Computer(EngineOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Computer::~Computer() = default;

const ComputerCounters& Computer::counters() const { return state_->counters; }
void Computer::note_arrival(std::chrono::steady_clock::time_point arrival) { state_->arrival = arrival; }

std::shared_ptr<const Snapshot> Computer::compute(const Compute& compute, std::uint64_t id, std::stop_token stop,
                                                  const Progress& progress) {
  const State::Clock::time_point start = state_->arrival.value_or(State::Clock::now());
  state_->arrival.reset();
  const Progress report = progress ? progress : [](const std::string&, double) {};
  if (compute.model_source == ModelSource::kCapture) return state_->capture_snapshot(compute, {id, start}, {stop, report});
  PreparedModel model = state_->models.open(compute, stop, report);
  if (stop.stop_requested()) throw Cancelled();
  const ReadText& read = state_->read(model, compute, stop);
  if (read.tokens.empty()) throw Error("The sentence is empty: type at least one word.");
  if (stop.stop_requested()) throw Cancelled();
  if (compute.trained.kind == ModelKind::kEncoderDecoder)
    return state_->translation_snapshot(model, compute, {id, start}, {stop, report});
  state_->models.shape(model, compute, state_->is_long(read) ? DrawnLayers::kFirst : DrawnLayers::kAll);
  state_->picture(model, compute, read, {stop, report});
  return state_->snapshot(model, compute, read, {id, start});
}

std::shared_ptr<const Snapshot> Computer::refine(const std::shared_ptr<const Snapshot>& shown, std::stop_token stop,
                                                 const Progress& progress) {
  State& state = *state_;
  if (shown->compute.model_source == ModelSource::kCapture)
    return state.refined_capture(shown, {stop, progress ? progress : [](const std::string&, double) {}});
  if (!shown->is_long || shown->version != state.last.version) return shown;
  const Progress report = progress ? progress : [](const std::string&, double) {};
  const Compute& compute = shown->compute;
  PreparedModel model = state.models.open(compute, stop, report);
  state.models.shape(model, compute, DrawnLayers::kFirst);
  if (model.params_id != state.last.params) return shown;  // the files changed meanwhile: a new request reads them
  const std::shared_ptr<const Picture> next = state.next_picture(model, compute, state.tokens.read, {stop, report});
  if (!next) return shown;
  state.last.picture = next;
  state.last.params = model.params_id;
  return state.snapshot(model, compute, state.tokens.read, {shown->id, state.last.start});
}

std::shared_ptr<Snapshot> Computer::State::describe(const PreparedModel& model, const Compute& compute, const Picture& shown,
                                                    const Request& request) {
  auto made = std::make_shared<Snapshot>();
  made->id = request.id;
  made->version = next_version();
  made->compute = compute;
  made->tokenizer = model.loaded->tokenizer;
  made->is_untrained = compute.parameters == ParameterSource::kLab;
  made->parameters = count_parameters(*model.params);
  made->notices = model.notices;
  made->notices.insert(made->notices.end(), shown.notices.begin(), shown.notices.end());
  made->trace = shown.pass.trace;
  made->losses = shown.losses;
  made->hidden_logits = shown.hidden_logits;
  made->no_prediction = shown.no_prediction;
  made->heads = shown.heads;
  made->thumbnails = shown.thumbnails;
  made->cpu = shown.pass.cpu;
  made->gpu = shown.pass.gpu;
  made->ran_on_gpu = shown.pass.ran_on_gpu;
  made->backend_reason = shown.pass.reason;
  made->is_long = shown.is_long;
  const bool is_gpu_missed = compute.backend == BackendChoice::kGl && !made->ran_on_gpu;
  if (is_gpu_missed && (!shown.is_long || shown.has_all_layers)) made->notices.push_back(made->backend_reason);
  made->engine_ms = std::chrono::duration<double, std::milli>(Clock::now() - request.start).count();
  return made;
}

std::shared_ptr<const Snapshot> Computer::State::snapshot(const PreparedModel& model, const Compute& compute, const ReadText& text,
                                                          const Request& request) {
  const Picture& shown = *last.picture;
  std::shared_ptr<Snapshot> made = describe(model, compute, shown, request);
  made->tokens = text.tokens;
  made->unknown = text.unknown;
  made->n_written = text.n_written;
  made->config = model.params->config;
  for (const LayerParams& layer : model.params->layers)
    made->n_kv_heads_left.push_back(std::ssize(layer.kv_heads));
  made->notices.insert(made->notices.end(), text.notices.begin(), text.notices.end());
  const std::int64_t trained_positions = model.loaded->params.config.shape.max_positions;
  if (!made->is_untrained && std::ssize(text.tokens) > trained_positions) {
    made->notices.push_back("The model was trained on contexts of " + std::to_string(trained_positions) +
                            " tokens; later positions are extrapolated.");
  }
  made->deeper = shown.deeper;
  if (shown.is_long) made->params = model.params;
  if (compute.depth == Depth::kAllLayers && shown.deeper && !shown.deeper->refusal.empty())
    made->notices.push_back(shown.deeper->refusal);
  last.version = made->version;
  last.start = request.start;
  return made;
}

}  // namespace headroom
