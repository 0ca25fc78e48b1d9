#include <utility>

#include "core/session/engine_state.h"

namespace headroom {

void Engine::State::run_stage(Computer& computer, const std::stop_token& outer) {
  std::optional<DecodeRequest> decoding;
  std::optional<DecodeGrowthRequest> growing;
  std::optional<QualityRequest> judging;
  std::optional<BatchWish> batching;
  std::stop_source own;
  Answer said{.about = Answer::About::kDecodeStage};
  {
    const std::lock_guard lock(mutex);
    // The quickest first.
    const auto take = [&](auto& wish, auto& to, DecodePart part) {
      if (said.decode_part || !wish) return;
      to = std::exchange(wish, std::nullopt);
      said.decode_part = part;
    };
    take(batch_wish, batching, DecodePart::kBatch);
    take(decode_wish, decoding, DecodePart::kSteps);
    take(growth_wish, growing, DecodePart::kGrowth);
    take(quality_wish, judging, DecodePart::kQuality);
    if (!said.decode_part) return;
    stage_running = own;
    stage_part = said.decode_part;
    said.id = newest;
  }
  const std::stop_callback link(outer, [&own] { own.request_stop(); });
  const std::stop_token stop = own.get_token();
  const auto tell = [&](auto member, auto value, double share) {
    report(decode_part_name(*said.decode_part), share);
    Answer grown = said;
    grown.*member = std::move(value);
    answer(std::move(grown), stop);
    run_wishes_meanwhile(computer, outer);
  };
  report(decode_part_name(*said.decode_part), 0);
  guarded(said, stop, [&] {
    if (batching) {
      const Computer::Progress progress_to = [&](const std::string& stage, double share) { report(stage, share); };
      tell(&Answer::batch, computer.batch(*batching, stop, progress_to), 1);
    }
    if (decoding) {
      const auto grown = [&](std::shared_ptr<const Decoded> part) {
        const auto n = static_cast<double>(part->run->steps.size());
        tell(&Answer::decoded, std::move(part), n / static_cast<double>(decoding->plan.tokens));
      };
      tell(&Answer::decoded, computer.decode(*decoding, stop, grown), 1);
    }
    if (growing) {
      const auto n_lengths = static_cast<double>(DecodeGrowthJob{}.lengths.size());
      const auto grown = [&](std::shared_ptr<const DecodedGrowth> part) {
        const auto n = static_cast<double>(part->growth->cached.points.size());
        tell(&Answer::decode_growth, std::move(part), n / n_lengths);
      };
      tell(&Answer::decode_growth, computer.decode_growth(*growing, stop, grown), 1);
    }
    if (judging) {
      const auto grown = [&](std::shared_ptr<const Quality> part) {
        const double share = static_cast<double>(part->report->n_rows) / static_cast<double>(part->report->most_rows);
        tell(&Answer::quality, std::move(part), share);
      };
      tell(&Answer::quality, computer.quality(*judging, stop, grown), 1);
    }
  });
  const std::lock_guard lock(mutex);
  stage_part.reset();
}

void Engine::State::run_wishes_meanwhile(Computer& computer, const std::stop_token& stop) {
  std::shared_ptr<const Snapshot> picture;
  {
    const std::lock_guard lock(mutex);
    if (!(write_wish || lens_wish) || !last || last->id != newest) return;
    picture = last;
  }
  run_wishes(computer, picture, stop);
}

template <typename Wish, typename Request>
void Engine::wish_for(Wish State::*wish, Request request, DecodePart part) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->is_measuring_speed) state_->stop_running();
    if (state_->stage_part == part) state_->stage_running.request_stop();
    *state_.*wish = std::move(request);
  }
  state_->changed.notify_all();
}

void Engine::decode(DecodeRequest request) { wish_for(&State::decode_wish, std::move(request), DecodePart::kSteps); }
void Engine::measure_decode_growth(DecodeGrowthRequest request) {
  wish_for(&State::growth_wish, std::move(request), DecodePart::kGrowth);
}
void Engine::measure_quality(QualityRequest request) { wish_for(&State::quality_wish, std::move(request), DecodePart::kQuality); }
void Engine::run_batch(BatchWish request) { wish_for(&State::batch_wish, std::move(request), DecodePart::kBatch); }

void Engine::cancel_decode_stage() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->forget_stage();
  }
  state_->changed.notify_all();
}

}  // namespace headroom
