#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/session/session.h"

namespace headroom {

inline constexpr int kSessionVersion = 1;

struct ParsedSession {
  Session session;
  std::vector<std::string> notices;  ///< unknown fields, values brought into range
};

/// JSON text, two-space indent, keys in a fixed order, "version" first.
std::string session_to_json(const Session& session);
/// Missing fields keep defaults; unknown ones are told in notices. A text that is no valid UTF-8 is stored as "text_bytes" in
/// hexadecimal and comes back byte for byte. Numbers out of range are brought into it, with a notice.
/// Errors  Error with the field and what would be right; a newer version is refused by name.
ParsedSession session_from_json(std::string_view json);

ParsedSession load_session(const std::filesystem::path& path);
void save_session(const Session& session, const std::filesystem::path& path);

/// `headroom session set KEY VALUE`: a dotted key ("compute.n_kv_heads", "view.colormap") and a value as a person writes it.
/// Short forms are taken: "n_heads", "h", "kv_heads", "text", "mask". "compute.model" takes a bundled model's name (found in
/// `assets`) or a folder's path. Values go through reduce(), so that invalid ones snap; the notice says so.
/// Errors  Error naming the nearest known keys, or what value would be right.
struct SetResult {
  Session session;
  std::string notice;
};
SetResult set_session_value(const Session& session, std::string_view key, std::string_view value,
                            const std::filesystem::path& assets = {});
/// Keys of the training plan begin with "train.": "train.form.n_heads", "train.recipe". Every full key that can be set, in the order of the file.
std::vector<std::string> session_keys();

}  // namespace headroom
