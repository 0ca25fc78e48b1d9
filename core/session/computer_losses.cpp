#include <algorithm>
#include <cmath>

#include "core/model/hidden_tokens.h"
#include "core/session/computer_state.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxLosses = 64;

}  // namespace

double Computer::State::loss(const PreparedModel& model, const ModelParams& params, Compute of,
                             const std::pair<std::stop_token, std::function<void(double)>>& control) {
  of.text = of.second = {};
  of.continuation.clear();
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

const HeldOutText* Computer::State::held_out_of(const PreparedModel& model) {
  if (held_out_model != model.loaded_id) {
    held_out.reset();
    held_out = read_held_out_text(options.assets, *model.loaded->tokenizer);
    held_out_model = model.loaded_id;
  }
  return held_out ? &*held_out : nullptr;
}

std::shared_ptr<const Snapshot> Computer::add_held_out_loss(const std::shared_ptr<const Snapshot>& snapshot, std::stop_token stop,
                                                            const Progress& progress) {
  const Progress report = progress ? progress : [](const std::string&, double) {};
  State& state = *state_;
  const Compute& compute = snapshot->compute;
  if (compute.model_source == ModelSource::kCapture) return snapshot;
  // The text is of sentences to go on, not of translations.
  if (compute.trained.kind == ModelKind::kEncoderDecoder) return snapshot;
  // It would draw all layers of random parameters, for a loss that says nothing.
  if (snapshot->is_long && snapshot->is_untrained) return snapshot;
  const PreparedModel model = state.models.prepare(compute, stop, report);
  const HeldOutText* text = state.held_out_of(model);
  const ModelConfig& config = model.loaded->params.config;
  const bool is_masked = config.kind == ModelKind::kMasked;
  if (text == nullptr || !config.predicts || (is_masked && mask_token(*model.loaded->tokenizer) < 0)) return snapshot;
  const std::int64_t longest = std::ssize(*std::ranges::max_element(text->rows, {}, [](const auto& row) { return row.size(); }));
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
  loss.n_tokens = text->n_tokens;
  loss.floor = is_masked ? 0 : text->floor;
  if (is_masked) {
    loss.of = LossOf::kHiddenTokens;
    loss.n_tokens = 0;
    for (std::size_t row = 0; row < text->rows.size(); ++row)
      loss.n_tokens += std::ssize(hidden_positions(row, std::ssize(text->rows[row])));
  }
  const auto share = [&](double from) { return [&report, from](double done) { report("held-out loss", from + done / 2); }; };
  loss.before = state.loss(model, opened_params, opened, {stop, share(0)});
  loss.after = state.loss(model, *model.params, compute, {stop, share(0.5)});

  auto copy = std::make_shared<Snapshot>(*snapshot);
  copy->version = State::next_version();
  if (std::isfinite(loss.before) && std::isfinite(loss.after)) {
    copy->held_out = loss;
  } else {
    copy->notices.push_back("The held-out loss is not a number with these parameters.");
  }
  return copy;
}

}  // namespace headroom
