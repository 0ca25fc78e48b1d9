#include "core/session/speed.h"

#include <algorithm>

namespace headroom {

std::vector<SpeedPart> speed_parts(SpeedSection section) {
  switch (section) {
    case SpeedSection::kAll:
      break;
    case SpeedSection::kLadder:
      return {SpeedPart::kLadder};
    case SpeedSection::kRoofline:
      return {SpeedPart::kRoofline};
    case SpeedSection::kGrowth:
      return {SpeedPart::kGrowth};
    case SpeedSection::kDevices:
      return {SpeedPart::kDevices, SpeedPart::kCases};
  }
  return {kSpeedParts.begin(), kSpeedParts.end()};
}

const char* speed_part_name(SpeedPart part) {
  switch (part) {
    case SpeedPart::kCases:
      return "backends";
    case SpeedPart::kLadder:
      return "ladder";
    case SpeedPart::kRoofline:
      return "roofline";
    case SpeedPart::kGrowth:
      return "time over n";
    case SpeedPart::kDevices:
      return "CPU and GPU";
  }
  return "";
}

SpeedShape speed_shape_of(const Session& session, std::int64_t sentence_tokens) {
  const Compute& compute = session.compute;
  SpeedShape shape;
  const std::int64_t of_sentence = std::clamp<std::int64_t>(sentence_tokens, 1, static_cast<std::int64_t>(kLongTokens));
  const std::int64_t n = session.view.speed_tokens > 0 ? session.view.speed_tokens : of_sentence;
  shape.config.n_heads = compute.n_heads;
  shape.config.n_kv_heads = compute.n_kv_heads;
  shape.config.d_head = compute.d_head();
  shape.config.seq_q = shape.config.seq_k = n;
  shape.config.mask = compute.mask;
  shape.d_model = compute.d_model;
  return shape;
}

SpeedRequest speed_request_of(const Session& session, std::int64_t sentence_tokens, SpeedSection section) {
  return {.shape = speed_shape_of(session, sentence_tokens),
          .parts = speed_parts(section),
          .budget = {.seconds = session.view.speed_seconds, .rounds = SpeedBudget{}.rounds}};
}

double estimated_seconds(const SpeedRequest& request) {
  // Figures that each part measures; a limit beside a figure takes about as long as the figure.
  double figures = 0, fixed = 0;
  for (const SpeedPart part : request.parts) {
    switch (part) {
      case SpeedPart::kCases:
        figures += 5;
        break;
      case SpeedPart::kLadder:
        figures += 6;
        break;
      case SpeedPart::kRoofline:
        figures += 12;
        break;
      case SpeedPart::kGrowth:
        figures += 21;
        fixed += 2;
        break;
      case SpeedPart::kDevices:
        figures += 4;
        fixed += 1;  // opening the device and compiling its kernels
        break;
    }
  }
  return fixed + figures * request.budget.seconds;
}

}  // namespace headroom
