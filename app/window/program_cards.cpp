#include "app/window/program_state.h"
#include "core/session/cards.h"

namespace headroom {

void Program::State::follow_session_in_cards() {
  if (session().view.stage != StageView::kCard) return;
  const std::string key = card_key(session());
  if (key == read_cards_of) return;
  read_cards_of = key;
  model.cards.is_reading = true;
  files.post(
      [this, key, wanted = session(), assets = options.engine.assets, known = model.cards]() -> Background::Then {
        const CardState read = read_cards(wanted, assets, known);
        return [this, key, read] {
          if (key == read_cards_of) model.cards = read;  // else another card was asked for meanwhile
        };
      },
      failing());
}

}  // namespace headroom
