#include "core/figure/canvas.h"
#include "core/figure/decode_figures.h"

namespace headroom {
namespace {

constexpr const char* kTitle = "What each next token costs";

}  // namespace

Figure decode_figure(const FigureInput& input, const DecodeState& state) {
  const std::string& failure = state.failure(DecodePart::kSteps);
  if (!failure.empty()) return message_figure(input, kTitle, {"Nothing was generated", failure});
  return message_figure(input, kTitle,
                        {"Nothing generated yet", "Decode: the model writes on, token by token, with a cache and without."});
}

}  // namespace headroom
