#include "app/window/program_state.h"

namespace headroom {

void Program::State::look_through(std::int64_t token) {
  if (!model.snapshot || !model.snapshot->trace) return;
  if (looked_through == model.snapshot->trace && looked_token == token) return;  // it is on its way, or failed
  looked_through = model.snapshot->trace;
  looked_token = token;
  model.lens.failure.clear();
  engine->look_through(token);
}

void Program::State::write_on() {
  if (!model.snapshot) return;
  model.is_writing = true;
  engine->write({session().compute, session().write});
}

void Program::State::wish_for(DecodePart part) {
  model.decode.failures[static_cast<std::size_t>(part)].clear();
  switch (part) {
    case DecodePart::kSteps:
      return engine->decode(decode_request(session()));
    case DecodePart::kGrowth:
      return engine->measure_decode_growth(decode_growth_request(session()));
    case DecodePart::kQuality:
      return engine->measure_quality(quality_request(session()));
    case DecodePart::kBatch:
      return engine->run_batch(batch_wish(session()));
  }
}

bool Program::State::take_wish(const Answer& answer) {
  switch (answer.about) {
    case Answer::About::kPicture:
      return false;
    case Answer::About::kLens:
      if (answer.lens) {
        model.lens = {answer.lens, ""};
      } else {
        model.lens.failure = answer.failure;
      }
      return true;
    case Answer::About::kWriting:
      model.is_writing = false;
      if (!answer.written) {
        tell(Toast::Kind::kError, answer.failure);
      } else if (answer.written->compute == session().compute) {
        if (std::cmp_less(answer.written->n_new, session().write.tokens))
          tell(Toast::Kind::kInfo, "The model ended its text after " + std::to_string(answer.written->n_new) +
                                       (answer.written->n_new == 1 ? " token." : " tokens."));
        act(ContinuationSet{answer.written->ids});
      }
      return true;
    case Answer::About::kDecodeStage:
      take_answer(model.decode, answer);
      if (session().view.stage != StageView::kDecode) tell(Toast::Kind::kError, answer.failure);  // else the picture says it
      return true;
  }
  return false;
}

}  // namespace headroom
