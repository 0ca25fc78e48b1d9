#include "core/session/capture_source.h"

#include <algorithm>
#include <system_error>
#include <type_traits>

#include "core/formats/capture_plan.h"
#include "core/formats/safetensors.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;

template <typename T, typename... Types>
inline constexpr bool kIsOneOf = (std::is_same_v<T, Types> || ...);

}  // namespace

TrainedShape shape_of(const CaptureFacts& facts) {
  TrainedShape shape;
  shape.n_layers = facts.n_layers;
  shape.n_encoder_layers = facts.n_encoder_layers;
  shape.n_heads = facts.n_heads;
  shape.n_kv_heads = facts.n_kv_heads;
  shape.d_head = std::max<std::int64_t>(1, facts.d_head);
  shape.d_model = facts.d_model > 0 ? facts.d_model : std::min<std::int64_t>(shape.n_heads * shape.d_head, 65536);
  shape.d_ff = 0;
  shape.vocab_size = 1;
  shape.max_positions = std::clamp<std::int64_t>(std::max(facts.seq_q, facts.seq_k), 1, 1 << 28);
  shape.kind = facts.kind;
  shape.positions = PositionKind::kLearned;  // nothing is asked of them: rotary ones would want an even d_k
  return shape;
}

ModelOpened capture_opened(const fs::path& path) {
  const Capture capture(path);
  return {ModelSource::kCapture, path.string(), shape_of(capture.facts())};
}

bool is_capture_path(const fs::path& path) {
  std::error_code error;
  if (!has_capture_ending(path) || !fs::is_regular_file(path, error)) return false;
  if (path.extension() != ".safetensors") return true;
  try {  // a model's weights end so too: names tell them apart
    return holds_attention(open_capture_file(path));
  } catch (const Error&) {
    return false;
  }
}

std::optional<std::string> why_not_on_capture(const Action& action) {
  return std::visit(
      [](const auto& done) -> std::optional<std::string> {
        using T = std::decay_t<decltype(done)>;
        if constexpr (kIsOneOf<T, TextEdited, SecondTextEdited, ContinuationSet>)
          return "The tokens of a capture are those that were captured: open a model to type another text.";
        if constexpr (kIsOneOf<T, HeadsCountSet, KvHeadsSet, DModelSet, ParameterSourceSet, LabSeedSet, ShapeReset, DirectionSet,
                               PatternSet, HeadPruneToggled, PruningCleared, BackendSet, DepthSet>)
          return kCaptureIsFixed;
        return std::nullopt;
      },
      action);
}

CaptureStore::Opened CaptureStore::open(const fs::path& path) {
  std::error_code size_error, time_error;
  Stamp stamp{path, fs::file_size(path, size_error), 0};
  const auto time = fs::last_write_time(path, time_error);
  const bool is_gone = size_error || time_error;
  if (capture_ && stamp_.path == path && is_gone) return {capture_, true};
  stamp.time = is_gone ? 0 : static_cast<std::int64_t>(time.time_since_epoch().count());
  if (!capture_ || stamp_ != stamp) {
    auto opened = std::make_shared<const Capture>(path);
    capture_ = std::move(opened);
    stamp_ = stamp;
  }
  return {capture_, false};
}

std::shared_ptr<CaptureView> CaptureStore::find(const std::shared_ptr<const Capture>& capture, const CaptureChoice& choice) const {
  return shown_ && shown_of_ == capture && choice_ == choice ? shown_ : nullptr;
}

void CaptureStore::keep(const std::shared_ptr<const Capture>& capture, const CaptureChoice& choice,
                        std::shared_ptr<CaptureView> view) {
  shown_of_ = capture;
  choice_ = choice;
  shown_ = std::move(view);
}

}  // namespace headroom
