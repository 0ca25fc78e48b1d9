#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>

#include "core/session/devices.h"
#include "core/session/engine.h"
#include "core/session/held_out.h"
#include "core/session/models.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using Clock = std::chrono::steady_clock;

/// Suggestions are for a person to read: beyond so many different words no one does.
constexpr std::size_t kMaxSuggestedWords = 200;
constexpr std::size_t kMaxSuggestedBytes = 64;
constexpr std::size_t kSuggestions = 3;
constexpr std::size_t kMaxLosses = 64;

std::uint64_t next_version() {
  static std::atomic<std::uint64_t> version{0};
  return ++version;
}

struct ReadText {
  std::vector<Token> tokens;
  std::vector<UnknownWord> unknown;
  std::vector<std::string> notices;
  std::vector<std::int32_t> ids;
};

ReadText read_text(const Tokenizer& tokenizer, const std::string& text, std::size_t max_tokens, std::stop_token stop) {
  ReadText read;
  Encoding encoding = tokenizer.encode(text, max_tokens);
  read.tokens = std::move(encoding.tokens);
  read.notices = std::move(encoding.notices);
  std::map<std::string, std::vector<std::string>> suggested;
  for (std::size_t i = 0; i < read.tokens.size(); ++i) {
    const Token& token = read.tokens[i];
    read.ids.push_back(token.id);
    if (!token.is_unknown) continue;
    UnknownWord unknown{i, token.source, {}};
    auto it = suggested.find(token.source);
    if (it == suggested.end() && suggested.size() < kMaxSuggestedWords && token.source.size() <= kMaxSuggestedBytes) {
      if (stop.stop_requested()) throw Cancelled();
      it = suggested.emplace(token.source, tokenizer.nearest_words(token.source, kSuggestions)).first;
    }
    if (it != suggested.end()) unknown.suggestions = it->second;
    read.unknown.push_back(std::move(unknown));
  }
  return read;
}

/// What is read off one pass.
struct Picture {
  PassResult pass;
  std::vector<double> losses;
  std::vector<std::vector<HeadMetrics>> heads;
  std::vector<std::vector<Tile>> thumbnails;
  std::vector<std::string> notices;
};

std::vector<std::vector<Tile>> make_thumbnails(const ForwardTrace& trace, std::int64_t n_heads, ThreadPool& pool,
                                               std::stop_token stop) {
  const auto seq = static_cast<std::int64_t>(trace.ids.size());
  const auto n_layers = static_cast<std::int64_t>(trace.layers.size());
  const std::int64_t side = std::min(seq, kThumbnailCells);
  std::vector<std::vector<Tile>> tiles(static_cast<std::size_t>(n_layers), std::vector<Tile>(static_cast<std::size_t>(n_heads)));
  pool.parallel_for(
      n_layers * n_heads,
      [&](std::int64_t item, int) {
        TileRequest request;
        request.layer = item / n_heads;
        request.head = item % n_heads;
        request.row_end = request.col_end = seq;
        request.rows = request.cols = side;
        tiles[static_cast<std::size_t>(request.layer)][static_cast<std::size_t>(request.head)] = evaluate_tile(trace, request);
      },
      stop);
  return tiles;
}

bool all_finite(const Tensor& tensor) {
  const auto values = tensor.span();
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
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
      tokens.text = text;
      tokens.model = model.loaded_id;
    }
    return tokens.read;
  }

  std::shared_ptr<const Picture> picture(const PreparedModel& model, const Compute& compute, const std::vector<std::int32_t>& ids,
                                         const std::pair<std::stop_token, Progress>& control) {
    if (last.picture && last.params == model.params_id && last.ids == ids && last.mask == compute.mask &&
        last.backend == compute.backend) {
      return last.picture;
    }
    const auto& [stop, progress] = control;
    auto made = std::make_shared<Picture>();
    progress("the pass", 0);
    made->pass = devices.run({*model.params, ids, compute.mask}, compute.backend, stop);
    const ForwardTrace& trace = *made->pass.trace;
    progress("the heads", 0.5);
    made->losses = next_token_losses(trace.logits, ids);
    made->heads = measure_heads(trace, compute.n_heads, {.stop = stop});
    made->thumbnails = make_thumbnails(trace, compute.n_heads, devices.pool(), stop);
    if (!all_finite(trace.logits)) {
      made->notices.push_back(
          "The model computes values that are not numbers (NaN or infinite); cells without a value look masked.");
    }
    last = {model.params_id, ids, compute.mask, compute.backend, made};
    return made;
  }

  /// Mean loss of `params` on the held-out text, remembered under what the parameters are and the mask.
  double loss(const PreparedModel& model, const ModelParams& params, Compute of,
              const std::pair<std::stop_token, std::function<void(double)>>& control) {
    of.text = {};
    of.backend = BackendChoice::kAuto;
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
    const double value = mean_loss(params, held_out->rows, devices.cpu_layer(BackendChoice::kFlash), devices.pool(),
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
  const PreparedModel model = state_->models.prepare(compute, stop, report);
  if (stop.stop_requested()) throw Cancelled();
  const ReadText& read = state_->read(model, compute.text, stop);
  if (read.tokens.empty()) throw Error("The sentence is empty: type at least one word.");
  if (stop.stop_requested()) throw Cancelled();
  const std::shared_ptr<const Picture> picture = state_->picture(model, compute, read.ids, {stop, report});

  auto snapshot = std::make_shared<Snapshot>();
  snapshot->id = id;
  snapshot->version = next_version();
  snapshot->compute = compute;
  snapshot->tokenizer = model.loaded->tokenizer;
  snapshot->tokens = read.tokens;
  snapshot->unknown = read.unknown;
  snapshot->is_untrained = compute.parameters == ParameterSource::kLab;
  snapshot->config = model.params->config;
  snapshot->parameters = count_parameters(*model.params);
  for (const LayerParams& layer : model.params->layers) {
    snapshot->n_kv_heads_left.push_back(static_cast<std::int64_t>(layer.kv_heads.size()));
  }
  snapshot->notices = model.notices;
  snapshot->notices.insert(snapshot->notices.end(), read.notices.begin(), read.notices.end());
  snapshot->notices.insert(snapshot->notices.end(), picture->notices.begin(), picture->notices.end());
  const std::int64_t trained_positions = model.loaded->params.config.shape.max_positions;
  if (!snapshot->is_untrained && static_cast<std::int64_t>(read.tokens.size()) > trained_positions) {
    snapshot->notices.push_back("The model was trained on contexts of " + std::to_string(trained_positions) +
                                " tokens; later positions are extrapolated.");
  }
  snapshot->trace = picture->pass.trace;
  snapshot->losses = picture->losses;
  snapshot->heads = picture->heads;
  snapshot->thumbnails = picture->thumbnails;
  snapshot->cpu = picture->pass.cpu;
  snapshot->gpu = picture->pass.gpu;
  snapshot->ran_on_gpu = picture->pass.ran_on_gpu;
  snapshot->backend_reason = picture->pass.reason;
  if (compute.backend == BackendChoice::kGl && !snapshot->ran_on_gpu) snapshot->notices.push_back(snapshot->backend_reason);
  snapshot->engine_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  return snapshot;
}

std::shared_ptr<const Snapshot> Computer::add_held_out_loss(const std::shared_ptr<const Snapshot>& snapshot, std::stop_token stop,
                                                            const Progress& progress) {
  const Progress report = progress ? progress : [](const std::string&, double) {};
  State& state = *state_;
  const Compute& compute = snapshot->compute;
  const PreparedModel model = state.models.prepare(compute, stop, report);
  if (state.held_out_model != model.loaded_id) {
    state.held_out.reset();
    state.held_out = read_held_out_text(state.options.assets, *model.loaded->tokenizer);
    state.held_out_model = model.loaded_id;
  }
  if (!state.held_out) return snapshot;

  // The model as opened; of the lab's, which were never opened, the one with all its heads.
  Compute opened = compute;
  opened.mask = Mask{};
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
  loss.floor = state.held_out->floor;
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
