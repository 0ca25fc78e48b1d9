#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/model/hidden_tokens.h"
#include "core/session/devices.h"
#include "core/session/engine.h"
#include "core/session/held_out.h"
#include "core/session/models.h"
#include "core/session/picture.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxLosses = 64;

std::uint64_t next_version() {
  static std::atomic<std::uint64_t> version{0};
  return ++version;
}

}  // namespace

struct Computer::State {
  explicit State(EngineOptions given) : options(std::move(given)), models(options.assets, counters), devices(options, counters) {}

  EngineOptions options;
  ComputerCounters counters;
  ModelStore models;
  Devices devices;
  std::shared_ptr<const SpeedReport> speed;  ///< the newest
  std::optional<GpuKernels> gpu_kernels;     ///< opened for the first measurement: a driver compiles them for seconds
  std::optional<Clock::time_point> arrival;

  struct {
    std::uint64_t model = 0;
    SharedText text;
    ReadText read;
  } tokens;
  struct {
    std::uint64_t params = 0;
    std::vector<std::int32_t> ids;
    Mask mask;
    BackendChoice backend = BackendChoice::kAuto;
    std::shared_ptr<const Picture> picture;
    std::uint64_t version = 0;  ///< of the last snapshot of the picture
    Clock::time_point start;    ///< when its request arrived
  } last;
  std::uint64_t held_out_model = 0;
  std::optional<HeldOutText> held_out;
  struct Loss {
    std::uint64_t model = 0;
    Compute of;
    double loss = 0;
  };
  std::vector<Loss> losses;  ///< newest last

  const ReadText& read(const PreparedModel& model, const SharedText& text, std::stop_token stop) {
    if (tokens.model != model.loaded_id || tokens.text != text) {
      tokens.model = 0;
      ++counters.tokenisations;
      tokens.read = read_text(*model.loaded->tokenizer, text, options.max_tokens, stop);
      cut_to_positions(tokens.read, model.loaded->params.config);
      tokens.text = text;
      tokens.model = model.loaded_id;
    }
    return tokens.read;
  }

  bool is_long(const ReadText& text) const { return text.tokens.size() > options.long_tokens; }

  PictureTools tools(const PreparedModel& model, const Compute& compute, const std::pair<std::stop_token, Progress>& control) {
    return {devices,       compute.n_heads, compute.backend, options.free_bytes, mask_token(*model.loaded->tokenizer),
            control.first, control.second};
  }

  std::shared_ptr<const Picture> picture(const PreparedModel& model, const Compute& compute, const ReadText& text,
                                         const std::pair<std::stop_token, Progress>& control) {
    const bool is_same = last.picture && last.params == model.params_id && last.ids == text.ids && last.mask == compute.mask &&
                         last.backend == compute.backend;
    const bool is_too_deep = last.picture && last.picture->has_all_layers && compute.depth == Depth::kFirstLayer;
    if (is_same && !is_too_deep) return last.picture;
    last.picture.reset();  // two long texts need not fit at once
    const PassRequest request{*model.params, text.ids, compute.mask};
    const PictureTools with = tools(model, compute, control);
    auto made = std::make_shared<const Picture>(is_long(text) ? first_layer_picture(request, with) : short_picture(request, with));
    last = {model.params_id, text.ids, compute.mask, compute.backend, made};
    return made;
  }

  /// What comes after a long text's picture: the estimate of a full pass, that pass where it was asked for, more rows. None when nothing
  /// is left.
  std::shared_ptr<const Picture> next_picture(PreparedModel& model, const Compute& compute, const ReadText& text,
                                              const std::pair<std::stop_token, Progress>& control) {
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

  std::shared_ptr<const Snapshot> snapshot(const PreparedModel& model, const Compute& compute, const ReadText& text,
                                           std::pair<std::uint64_t, Clock::time_point> request);

  /// Mean loss of `params` on the held-out text, remembered under what the parameters are and the mask.
  double loss(const PreparedModel& model, const ModelParams& params, Compute of,
              const std::pair<std::stop_token, std::function<void(double)>>& control) {
    of.text = {};
    of.backend = BackendChoice::kAuto;
    of.depth = Depth::kFirstLayer;
    if (of.parameters == ParameterSource::kTrained) of.lab_seed = 0;
    const auto it = std::find_if(losses.begin(), losses.end(),
                                 [&](const Loss& known) { return known.model == model.loaded_id && known.of == of; });
    if (it != losses.end()) {
      std::rotate(it, it + 1, losses.end());
      return losses.back().loss;
    }
    ForwardOptions forward_options;
    forward_options.mask = of.mask;
    forward_options.keep = ForwardOptions::Keep::kLogitsOnly;
    forward_options.stop = control.first;
    const bool is_masked = params.config.kind == ModelKind::kMasked;
    const double value = is_masked ? mean_hidden_loss(params, held_out->rows, mask_token(*model.loaded->tokenizer), devices.pool(),
                                                      forward_options, control.second)
                                         .loss
                                   : mean_loss(params, held_out->rows, devices.cpu_layer(BackendChoice::kFlash), devices.pool(),
                                               forward_options, control.second);
    ++counters.losses;
    losses.push_back({model.loaded_id, std::move(of), value});
    if (losses.size() > kMaxLosses) losses.erase(losses.begin());
    return value;
  }
};

Computer::Computer(EngineOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Computer::~Computer() = default;

const ComputerCounters& Computer::counters() const { return state_->counters; }
void Computer::note_arrival(Clock::time_point arrival) { state_->arrival = arrival; }

std::shared_ptr<const Snapshot> Computer::compute(const Compute& compute, std::uint64_t id, std::stop_token stop,
                                                  const Progress& progress) {
  const Clock::time_point start = state_->arrival.value_or(Clock::now());
  state_->arrival.reset();
  const Progress report = progress ? progress : [](const std::string&, double) {};
  PreparedModel model = state_->models.open(compute, stop, report);
  if (stop.stop_requested()) throw Cancelled();
  const ReadText& read = state_->read(model, compute.text, stop);
  if (read.tokens.empty()) throw Error("The sentence is empty: type at least one word.");
  if (stop.stop_requested()) throw Cancelled();
  state_->models.shape(model, compute, state_->is_long(read) ? DrawnLayers::kFirst : DrawnLayers::kAll);
  state_->picture(model, compute, read, {stop, report});
  return state_->snapshot(model, compute, read, {id, start});
}

std::shared_ptr<const Snapshot> Computer::refine(const std::shared_ptr<const Snapshot>& shown, std::stop_token stop,
                                                 const Progress& progress) {
  State& state = *state_;
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

std::shared_ptr<const Snapshot> Computer::State::snapshot(const PreparedModel& model, const Compute& compute, const ReadText& text,
                                                          std::pair<std::uint64_t, Clock::time_point> request) {
  const Picture& shown = *last.picture;
  auto made = std::make_shared<Snapshot>();
  made->id = request.first;
  made->version = next_version();
  made->compute = compute;
  made->tokenizer = model.loaded->tokenizer;
  made->tokens = text.tokens;
  made->unknown = text.unknown;
  made->is_untrained = compute.parameters == ParameterSource::kLab;
  made->config = model.params->config;
  made->parameters = count_parameters(*model.params);
  for (const LayerParams& layer : model.params->layers)
    made->n_kv_heads_left.push_back(static_cast<std::int64_t>(layer.kv_heads.size()));
  made->notices = model.notices;
  made->notices.insert(made->notices.end(), text.notices.begin(), text.notices.end());
  made->notices.insert(made->notices.end(), shown.notices.begin(), shown.notices.end());
  const std::int64_t trained_positions = model.loaded->params.config.shape.max_positions;
  if (!made->is_untrained && static_cast<std::int64_t>(text.tokens.size()) > trained_positions) {
    made->notices.push_back("The model was trained on contexts of " + std::to_string(trained_positions) +
                            " tokens; later positions are extrapolated.");
  }
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
  const bool is_gpu_missed = compute.backend == BackendChoice::kGl && !made->ran_on_gpu;
  if (is_gpu_missed && (!shown.is_long || shown.has_all_layers)) made->notices.push_back(made->backend_reason);
  made->is_long = shown.is_long;
  made->deeper = shown.deeper;
  if (shown.is_long) made->params = model.params;
  if (compute.depth == Depth::kAllLayers && shown.deeper && !shown.deeper->refusal.empty())
    made->notices.push_back(shown.deeper->refusal);
  made->engine_ms = std::chrono::duration<double, std::milli>(Clock::now() - request.second).count();
  last.version = made->version;
  last.start = request.second;
  return made;
}

std::shared_ptr<const Snapshot> Computer::add_held_out_loss(const std::shared_ptr<const Snapshot>& snapshot, std::stop_token stop,
                                                            const Progress& progress) {
  const Progress report = progress ? progress : [](const std::string&, double) {};
  State& state = *state_;
  const Compute& compute = snapshot->compute;
  // It would draw all layers of random parameters, for a loss that says nothing.
  if (snapshot->is_long && snapshot->is_untrained) return snapshot;
  const PreparedModel model = state.models.prepare(compute, stop, report);
  if (state.held_out_model != model.loaded_id) {
    state.held_out.reset();
    state.held_out = read_held_out_text(state.options.assets, *model.loaded->tokenizer);
    state.held_out_model = model.loaded_id;
  }
  const ModelConfig& config = model.loaded->params.config;
  const bool is_masked = config.kind == ModelKind::kMasked;
  if (!state.held_out || !config.predicts || (is_masked && mask_token(*model.loaded->tokenizer) < 0)) return snapshot;
  const std::int64_t longest =
      std::ssize(*std::ranges::max_element(state.held_out->rows, {}, [](const auto& row) { return row.size(); }));
  if (config.positions == PositionKind::kLearned && longest > config.shape.max_positions) return snapshot;

  // The model as opened; of the lab's, which were never opened, the one with all its heads.
  Compute opened = compute;
  opened.mask = Mask{.direction = own_direction(compute.trained)};
  opened.pruned.clear();
  const bool is_lab = compute.parameters == ParameterSource::kLab;
  if (!is_lab) {
    opened.n_heads = compute.trained.n_heads;
    opened.n_kv_heads = compute.trained.n_kv_heads;
    opened.d_model = compute.trained.d_model;
  }
  const ModelParams& opened_params = is_lab ? *model.unpruned : model.loaded->params;
  HeldOutLoss loss;
  loss.n_tokens = state.held_out->n_tokens;
  loss.floor = is_masked ? 0 : state.held_out->floor;
  if (is_masked) {
    loss.of = LossOf::kHiddenTokens;
    loss.n_tokens = 0;
    for (std::size_t row = 0; row < state.held_out->rows.size(); ++row)
      loss.n_tokens += std::ssize(hidden_positions(row, std::ssize(state.held_out->rows[row])));
  }
  const auto share = [&](double from) { return [&report, from](double done) { report("held-out loss", from + done / 2); }; };
  loss.before = state.loss(model, opened_params, opened, {stop, share(0)});
  loss.after = state.loss(model, *model.params, compute, {stop, share(0.5)});

  auto copy = std::make_shared<Snapshot>(*snapshot);
  copy->version = next_version();
  if (std::isfinite(loss.before) && std::isfinite(loss.after)) {
    copy->held_out = loss;
  } else {
    copy->notices.push_back("The held-out loss is not a number with these parameters.");
  }
  return copy;
}

std::shared_ptr<const Snapshot> Computer::add_other_device_timing(const std::shared_ptr<const Snapshot>& snapshot,
                                                                  std::stop_token stop, const Progress& progress) {
  const Progress report = progress ? progress : [](const std::string&, double) {};
  if (snapshot->is_long)
    throw Error("The devices are compared on texts of up to " + std::to_string(state_->options.long_tokens) +
                " tokens: a longer one runs on one device.");
  const PreparedModel model = state_->models.prepare(snapshot->compute, stop, report);
  PassRequest request{*model.params, {}, snapshot->compute.mask};
  for (const Token& token : snapshot->tokens)
    request.ids.push_back(token.id);
  auto copy = std::make_shared<Snapshot>(*snapshot);
  copy->version = next_version();
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
