#pragma once

#include <filesystem>

#include "core/session/decode_requests.h"

namespace headroom {

/// Runs on this thread what a section of the Decode stage shows. `kNo` times: nothing is measured, so that the picture is the same each
/// time. Errors  Error with one sentence.
struct DecodeNow {
  std::filesystem::path assets;
  DecodeSection section = DecodeSection::kSteps;
  enum class Times { kNo, kMeasured } times = Times::kNo;
};
DecodeState decode_now(const Session& session, const DecodeNow& wanted);

}  // namespace headroom
