#include "core/session/decode_requests.h"

#include "core/session/engine.h"

namespace headroom {

const char* decode_part_name(DecodePart part) {
  switch (part) {
    case DecodePart::kSteps:
      return "generating";
    case DecodePart::kGrowth:
      return "time over position";
    case DecodePart::kQuality:
      return "quality of caches";
    case DecodePart::kBatch:
      return "requests";
  }
  return "";
}

DecodeRequest decode_request(const Session& session) { return {session.compute, session.decode, session.write}; }

DecodeGrowthRequest decode_growth_request(const Session& session) { return {session.compute, session.decode.cache}; }

QualityRequest quality_request(const Session& session) {
  return {.compute = session.compute, .cache = session.decode.cache, .choices = {}};
}

BatchWish batch_wish(const Session& session) { return {session.compute, session.batch, session.decode.cache}; }

void take_answer(DecodeState& state, const Answer& answer) {
  if (!answer.decode_part) return;
  if (answer.decoded) state.decoded = answer.decoded;
  if (answer.decode_growth) state.growth = answer.decode_growth;
  if (answer.quality) state.quality = answer.quality;
  if (answer.batch) state.batch = answer.batch;
  state.failures[static_cast<std::size_t>(*answer.decode_part)] = answer.failure;
}

}  // namespace headroom
