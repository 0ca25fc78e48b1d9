#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/session/requests.h"
#include "core/session/session.h"
#include "core/session/snapshot.h"
#include "core/session/speed.h"

namespace CLI {
class App;
}

namespace headroom {

/// The options that say what is computed, the same on every command: each is one control of the window's left rail.
struct ComputeOptions {
  std::string session_path;
  std::optional<std::string> model, capture, text, text_file, second, stack, mask, prune, backend;
  std::optional<std::int64_t> entry, heads, kv_heads, d_model;
  bool writes = false;           ///< the model writes on, as write.* say
  std::vector<std::string> set;  ///< KEY=VALUE, as in `headroom session set`

  void add_to(CLI::App& command);
  /// The session that they describe: the file's (or the default one) with the options applied in the order of the rail.
  /// Errors  UsageError for a value that the model cannot have (nothing snaps silently here); Error for files.
  Session session(const std::filesystem::path& assets) const;
};

/// Computes a session's picture on this thread, as good as it gets: of a long text with all layers where the session asks for them. Notes on
/// standard error.
struct ComputeRequest {
  std::filesystem::path assets;
  bool needs_held_out_loss = false;
  std::size_t max_tokens = kMaxTokens;
  LensState* lens = nullptr;  ///< filled with the lens of the session's token, or why there is none
};
std::shared_ptr<const Snapshot> compute_now(const Session& session, const ComputeRequest& request);

/// Measures what a Speed view shows, on this thread; parts that fail are notes on standard error and sentences in the picture.
/// Errors  Error when no part could be measured.
struct SpeedNow {
  std::filesystem::path assets;
  SpeedSection section = SpeedSection::kAll;
};
SpeedState measure_speed_now(const Session& session, const Snapshot& snapshot, const SpeedNow& wanted);

}  // namespace headroom
