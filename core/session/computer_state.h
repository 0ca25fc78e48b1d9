#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "core/session/capture_source.h"
#include "core/session/devices.h"
#include "core/session/engine.h"
#include "core/session/held_out.h"
#include "core/session/models.h"
#include "core/session/picture.h"
#include "core/session/texts.h"
#include "core/session/translation.h"

namespace headroom {

/// What the decoder of a model reads before it generates.
struct DecoderInput {
  enum class Reads { kText, kNothing };
  PreparedModel model;
  ReadText read = {};                  ///< by the decoder
  std::optional<Tensor> encoded = {};  ///< of an encoder-decoder: what its encoder makes of the source

  template <typename Act>
  auto with_source(const Mask& mask, const Act& act) const {
    if (!encoded) return act(DecodeSource{*model.params, mask});
    const CrossSource source{*encoded, mask.key_lengths};
    return act(DecodeSource{*model.params, mask, &source});
  }
};

/// What a Computer keeps between calls. Pictures are made in computer.cpp, those of an encoder-decoder in computer_translation.cpp, of a
/// capture in computer_capture.cpp, losses in computer_losses.cpp, what is asked for beside a picture in computer_wishes.cpp, for the Decode
/// stage in computer_decoding.cpp.
struct Computer::State {
  using Clock = std::chrono::steady_clock;
  using Control = std::pair<std::stop_token, Progress>;
  struct Request {
    std::uint64_t id = 0;
    Clock::time_point start;
  };

  explicit State(EngineOptions given) : options(std::move(given)), models(options.assets, counters), devices(options, counters) {}

  EngineOptions options;
  ComputerCounters counters;
  ModelStore models;
  Devices devices;
  std::shared_ptr<const SpeedReport> speed;  ///< the newest
  std::optional<GpuKernels> gpu_kernels;     ///< opened for the first measurement: a driver compiles them for seconds
  std::optional<Clock::time_point> arrival;

  struct {
    std::uint64_t model = 0;
    SharedText text, second;
    std::vector<std::int32_t> written;
    ReadText read;
  } tokens;
  struct {
    std::uint64_t params = 0;
    std::vector<std::int32_t> ids;
    Mask mask;
    BackendChoice backend = BackendChoice::kAuto;
    std::shared_ptr<const Picture> picture;
    std::uint64_t version = 0;  ///< of the last snapshot of the picture
    Clock::time_point start;    ///< when its request arrived
  } last;
  CaptureStore captures;
  Translation translation;  ///< the last; without a pass: none
  std::uint64_t held_out_model = 0;
  std::optional<HeldOutText> held_out;
  struct Loss {
    std::uint64_t model = 0;
    Compute of;
    double loss = 0;
  };
  std::vector<Loss> losses;  ///< newest last

  static std::uint64_t next_version();
  TextSource source_of(const PreparedModel& model) const;
  const ReadText& read(const PreparedModel& model, const Compute& compute, std::stop_token stop);
  bool is_long(const ReadText& text) const { return text.tokens.size() > options.long_tokens; }
  PictureTools tools(const PreparedModel& model, const Compute& compute, const Control& control);
  std::shared_ptr<const Picture> picture(const PreparedModel& model, const Compute& compute, const ReadText& text,
                                         const Control& control);
  /// What comes after a long text's picture: the estimate of a full pass, that pass where it was asked for, more rows. None when nothing
  /// is left.
  std::shared_ptr<const Picture> next_picture(PreparedModel& model, const Compute& compute, const ReadText& text,
                                              const Control& control);
  /// What a snapshot says of the model and of a picture, but for its texts.
  std::shared_ptr<Snapshot> describe(const PreparedModel& model, const Compute& compute, const Picture& shown,
                                     const Request& request);
  std::shared_ptr<const Snapshot> snapshot(const PreparedModel& model, const Compute& compute, const ReadText& text,
                                           const Request& request);
  /// Both texts of an encoder-decoder, read anew. Errors  Error; Cancelled.
  const Translation& translated(const PreparedModel& model, const Compute& compute, const ReadText& source, const Control& control);
  std::shared_ptr<const Snapshot> translation_snapshot(const PreparedModel& model, const Compute& compute, const Request& request,
                                                       const Control& control);
  /// A text of a capture, read and looked at. Errors  Error; Cancelled.
  std::shared_ptr<CaptureView> look_at_capture(const Compute& compute, const CaptureStore::Opened& opened, const Control& control);
  std::shared_ptr<const Snapshot> capture_snapshot(const Compute& compute, const Request& request, const Control& control);
  /// The same heads judged by more rows, or `shown` when there are none.
  std::shared_ptr<const Snapshot> refined_capture(const std::shared_ptr<const Snapshot>& shown, const Control& control);
  /// Errors  Error where the model generates nothing; Cancelled.
  DecoderInput decoder_input(const Compute& compute, DecoderInput::Reads reads, const std::stop_token& stop);
  /// The held-out text in the model's tokens; null where its vocabulary lacks a word of it. Errors  Error when the file is missing.
  const HeldOutText* held_out_of(const PreparedModel& model);
  /// Mean loss of `params` on the held-out text, remembered under what the parameters are and the mask.
  double loss(const PreparedModel& model, const ModelParams& params, Compute of,
              const std::pair<std::stop_token, std::function<void(double)>>& control);
};

}  // namespace headroom
