#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "core/formats/capture.h"
#include "core/session/action.h"
#include "core/session/picture.h"

namespace headroom {

/// What a Session knows of a capture: heads and layers. What the file does not say (d_k, d_model) is the least there can be.
TrainedShape shape_of(const CaptureFacts& facts);

/// The action that opens a capture, from its names and shapes. Errors  Error when the file is none.
ModelOpened capture_opened(const std::filesystem::path& path);

/// Whether a path is a file that opens as a capture: *.safetensors whose names say so, and any *.npz or *.npy. A pickle counts: opening it says
/// how to convert it.
bool is_capture_path(const std::filesystem::path& path);

/// One sentence on why this Action does nothing while a capture is open; nothing when it does.
std::optional<std::string> why_not_on_capture(const Action& action);
/// What a control that is off says.
inline constexpr const char* kCaptureIsFixed =
    "A capture is attention that was computed elsewhere: it is looked at, not computed anew. Open a model to change this.";

/// One text of a capture with what is read off it.
struct CaptureView {
  CapturePass pass;
  Picture picture;
  std::int64_t n_numbers = 0;  ///< of all its matrices
  std::uint64_t version = 0;   ///< of the last snapshot made of it
};

/// Opened captures, of which the last is kept until its file changes.
class CaptureStore {
 public:
  struct Opened {
    std::shared_ptr<const Capture> capture;
    bool is_gone = false;  ///< the file is no longer there; what was opened stays readable
  };
  /// Errors  Error when it cannot be opened and was not before.
  Opened open(const std::filesystem::path& path);
  /// The text that was looked at last, when it is this one.
  std::shared_ptr<CaptureView> find(const std::shared_ptr<const Capture>& capture, const CaptureChoice& choice) const;
  void keep(const std::shared_ptr<const Capture>& capture, const CaptureChoice& choice, std::shared_ptr<CaptureView> view);

 private:
  struct Stamp {
    std::filesystem::path path;
    std::uintmax_t size = 0;
    std::int64_t time = 0;
    bool operator==(const Stamp&) const = default;
  };
  Stamp stamp_;
  std::shared_ptr<const Capture> capture_;
  std::shared_ptr<const Capture> shown_of_;
  CaptureChoice choice_;
  std::shared_ptr<CaptureView> shown_;
};

}  // namespace headroom
