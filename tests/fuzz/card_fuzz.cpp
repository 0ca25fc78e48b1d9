#include "core/cost/card.h"
#include "core/formats/card_reader.h"
#include "tests/fuzz/target.h"

using namespace headroom;

/// Any config.json as a card, of families that are known and of others.
HEADROOM_FUZZ_TARGET(card) {
  return fuzz::accepts([&] { read_card_text(bytes, "config.json"); });
}
