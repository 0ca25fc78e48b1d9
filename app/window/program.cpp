#include "app/window/program.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "app/window/backend_text.h"
#include "app/window/program_state.h"
#include "app/window/settings.h"
#include "app/window/startup_trace.h"

namespace headroom {
namespace {

constexpr std::size_t kMaxToasts = 6;

double seconds_shown(Toast::Kind kind) {
  switch (kind) {
    case Toast::Kind::kInfo:
      return 6;
    case Toast::Kind::kWarning:
      return 10;
    case Toast::Kind::kError:
      return 20;
  }
  return 10;
}

}  // namespace

void Program::State::tell(Toast::Kind kind, const std::string& text) {
  if (text.empty()) return;
  for (Toast& toast : model.toasts) {
    if (toast.text != text) continue;
    toast.shown_at = model.now;
    return;
  }
  model.toasts.push_back({kind, text, model.now});
  if (model.toasts.size() > kMaxToasts) model.toasts.pop_front();
}

void Program::State::start_engine() {
  model.bundled = list_bundled_models(options.engine.assets);
  engine = std::make_unique<Engine>(options.engine, options.wake);
  submitted = session().compute;
  engine->submit(submitted);
}

void Program::State::session_changed() {
  model.is_modified = session() != saved;
  if (session() != autosaved && session_changed_at == kForever) session_changed_at = model.now;
  follow_session_in_training();
  follow_session_in_cards();
  follow_session_in_costs();
  if (session().compute == submitted) return;
  submitted = session().compute;
  model.is_writing = false;  // it is stopped: what it followed is no longer there
  engine->submit(submitted);
}

void Program::State::take_answers() {
  for (Answer& answer : engine->take_answers()) {
    if (answer.part) {
      take_speed(answer);
      continue;
    }
    if (take_wish(answer)) continue;
    if (!answer.failure.empty()) {
      model.failure = answer.failure;
      tell(Toast::Kind::kError, answer.failure);
      continue;
    }
    if (!answer.snapshot) continue;
    const std::shared_ptr<const Snapshot> before = std::exchange(model.snapshot, answer.snapshot);
    model.failure.clear();
    describe_backend(model);
    // A later answer to the same request only adds a loss, or the other device's times.
    const bool has_new_gpu_time = model.snapshot->gpu && (!before || !before->gpu);
    if (timed_id != answer.id) {
      remember_timing(model);
    } else if (has_new_gpu_time) {
      model.timing.gpu_ms.push_back(model.snapshot->gpu->total_ms);
    }
    timed_id = answer.id;
    for (const std::string& notice : model.snapshot->notices) {
      const bool is_old = before && std::count(before->notices.begin(), before->notices.end(), notice) > 0;
      if (!is_old && model.settings.is_presenter) tell(Toast::Kind::kWarning, notice);  // else the inspector says it
    }
    trace_startup("first snapshot taken");
  }
  model.progress = engine->progress();
  model.speed.running = model.progress.part;
}

void Program::State::take_speed(const Answer& answer) {
  if (answer.speed) {
    model.speed.report = answer.speed;
    model.speed.failures.erase(*answer.part);
    return;
  }
  model.speed.failures[*answer.part] = answer.failure;
  if (session().view.stage != StageView::kSpeed) tell(Toast::Kind::kError, answer.failure);  // else the picture says it
}

void Program::State::measure_speed(SpeedSection section) {
  if (!model.snapshot) return;  // its tokens are what is measured
  SpeedRequest request = speed_request_of(session(), static_cast<std::int64_t>(model.snapshot->seq()), section);
  for (const SpeedPart part : request.parts)
    model.speed.failures.erase(part);
  engine->measure_speed(std::move(request));
}

void Program::State::change_settings(const Settings& wanted) {
  if (wanted == model.settings) return;
  // Through the reader's own rules, so that nothing is kept that would not be read.
  model.settings = settings_from_json(settings_to_json(wanted));
  if (settings_changed_at == kForever) settings_changed_at = model.now;
  update_scale();
}

void Program::State::run(const Command& command) {
  std::visit(
      [this](const auto& c) {
        using T = std::decay_t<decltype(c)>;
        if constexpr (std::is_same_v<T, OpenPath>) open(c.path);
        if constexpr (std::is_same_v<T, SaveSession>) save(c.path);
        if constexpr (std::is_same_v<T, ExportFigure>) export_figure(c);
        if constexpr (std::is_same_v<T, CancelWork>) {
          engine->cancel();
          model.is_writing = false;
        }
        if constexpr (std::is_same_v<T, LookThrough>) look_through(c.token);
        if constexpr (std::is_same_v<T, WriteOn>) write_on();
        if constexpr (std::is_same_v<T, MeasureThisMachine>) measure_this_machine();
        if constexpr (std::is_same_v<T, DecodeOn>) wish_for(DecodePart::kSteps);
        if constexpr (std::is_same_v<T, MeasureDecodeGrowth>) wish_for(DecodePart::kGrowth);
        if constexpr (std::is_same_v<T, MeasureQuality>) wish_for(DecodePart::kQuality);
        if constexpr (std::is_same_v<T, RunBatch>) wish_for(DecodePart::kBatch);
        if constexpr (std::is_same_v<T, CancelDecode>) engine->cancel_decode_stage();
        if constexpr (std::is_same_v<T, MeasureOtherDevice>) engine->measure_other_device();
        if constexpr (std::is_same_v<T, MeasureSpeed>) measure_speed(c.section);
        if constexpr (std::is_same_v<T, ChangeSettings>) change_settings(c.settings);
        if constexpr (std::is_same_v<T, ShowNotice>) tell(Toast::Kind::kWarning, c.text);
        if constexpr (std::is_same_v<T, CopyText>) effects.copied.push_back(c.text);
        if constexpr (std::is_same_v<T, Quit>) effects.quits = may_close();
        if constexpr (std::is_same_v<T, OrderTraining>) order_training(c.order);
        if constexpr (std::is_same_v<T, UseTrained>) use_trained();
        if constexpr (std::is_same_v<T, SaveTrained>) save_trained(c.folder);
        if constexpr (std::is_same_v<T, SaveTrainPlan>) save_train_plan(c.file);
        if constexpr (std::is_same_v<T, HealModel>) heal_model();
        if constexpr (std::is_same_v<T, RunExperiment>) run_experiment(c.id);
        if constexpr (std::is_same_v<T, CancelExperiment>) training->cancel_experiment();
        if constexpr (std::is_same_v<T, AnswerClosing>) answer_closing(c.answer);
        if constexpr (std::is_same_v<T, AnswerKeptRun>) answer_kept_run(c.answer);
        if constexpr (std::is_same_v<T, Undo>) {
          model.history.undo();
          session_changed();
        }
        if constexpr (std::is_same_v<T, Redo>) {
          model.history.redo();
          session_changed();
        }
        if constexpr (std::is_same_v<T, NewSession>) {
          act(SessionReplaced{first});
          model.session_path.clear();
          saved = session();
          model.is_modified = false;
        }
        if constexpr (std::is_same_v<T, ForgetRecent>) {
          std::erase_if(model.recent, [&](const RecentFile& file) { return file.path == c.path; });
          save_recent_list();
        }
        if constexpr (std::is_same_v<T, DismissToast>) {
          if (c.index < model.toasts.size()) model.toasts.erase(model.toasts.begin() + static_cast<std::ptrdiff_t>(c.index));
        }
      },
      command);
}

Program::Program(ProgramOptions options) : state_(std::make_unique<State>(std::move(options))) {
  State& state = *state_;
  if (!state.options.wake) state.options.wake = [] {};
  if (state.options.session) state.model.history = History(*state.options.session);
  state.model.session_path = state.options.session_path;
  state.first = Session{};
  state.saved = state.autosaved = state.session();
  state.start_training();  // no thread until something trains
  state.start_engine();    // Before the window: it loads while that is made.
  const LoadedSettings loaded = load_settings(state.options.folders.config);
  state.model.settings = state.saved_settings = loaded.settings;
  state.tell(Toast::Kind::kWarning, loaded.notice);
  state.update_scale();
  state.follow_session_in_cards();
  state.follow_session_in_costs();
  state.load_state_folder();
  if (state.options.open) state.open(*state.options.open);
}

Program::~Program() = default;

const AppModel& Program::model() const { return state_->model; }

void Program::set_monitor_scale(double scale) {
  if (!std::isfinite(scale) || scale <= 0) return;
  state_->monitor_scale = scale;
  state_->update_scale();
}

void Program::set_window_size(int width, int height) {
  Settings settings = state_->model.settings;
  settings.window_width = width;
  settings.window_height = height;
  state_->change_settings(settings);
}

void Program::apply(const Outbox& outbox) {
  for (const Outbox::Sent& sent : outbox.actions)
    state_->act(sent.action, sent.group);
  for (const Command& command : outbox.commands)
    state_->run(command);
}

void Program::open(const fs::path& path) { state_->open(path); }

void Program::update(double now) {
  State& state = *state_;
  state.model.now = now;
  for (Background* background : {&state.files, &state.exports, &state.measures}) {
    for (const Background::Then& then : background->take())
      then();
  }
  state.take_answers();
  state.take_training();
  std::erase_if(state.model.toasts, [&](const Toast& toast) { return now >= toast.shown_at + seconds_shown(toast.kind); });
  state.save_when_due();
}

double Program::seconds_to_next() const {
  const State& state = *state_;
  double next = state.seconds_to_save();
  for (const Toast& toast : state.model.toasts)
    next = std::min(next, toast.shown_at + seconds_shown(toast.kind) - state.model.now);
  return std::max(0.0, next);
}

Effects Program::take_effects() { return std::exchange(state_->effects, {}); }

void Program::finish_window_export(const ExportFigure& wanted, std::function<std::string()> make_bytes) {
  state_->write_export(wanted, std::move(make_bytes));
}

void Program::tell(Toast::Kind kind, const std::string& text) { state_->tell(kind, text); }

}  // namespace headroom
