#include "app/commands/decode_now.h"

#include "app/commands/command.h"
#include "core/session/decode_times.h"
#include "core/session/engine.h"

namespace headroom {

DecodeState decode_now(const Session& session, const DecodeNow& wanted) {
  EngineOptions options;
  options.assets = wanted.assets;
  Computer computer(std::move(options));
  DecodeState state;
  switch (wanted.section) {
    case DecodeSection::kSteps:
      state.decoded = computer.decode(decode_request(session));
      if (wanted.times == DecodeNow::Times::kNo) {
        state.decoded = without_times(*state.decoded);
        break;
      }
      try {
        state.growth = computer.decode_growth(decode_growth_request(session));
      } catch (const Error& error) {  // the steps can be shown all the same
        state.failures[static_cast<std::size_t>(DecodePart::kGrowth)] = error.what();
        print_note(std::string(decode_part_name(DecodePart::kGrowth)) + ": " + error.what());
      }
      break;
    case DecodeSection::kBatch:
      state.batch = computer.batch(batch_wish(session));
      break;
    case DecodeSection::kQuality:
      state.quality = computer.quality(quality_request(session));
      break;
  }
  return state;
}

}  // namespace headroom
