#pragma once

#include <cstdint>
#include <string>

#include "core/figure/head_window.h"
#include "core/session/session.h"

namespace headroom {

/// What --tile asks for: a part of one head's matrix.
struct TileOption {
  std::string text;  ///< as it was given
  HeadRef head;
  TokenWindow window;
};

/// "3.7:0-1023,512-1535": layer 3, head 7, queries 0 to 1023, keys 512 to 1535, counted from 0, both ends among them.
/// Errors  UsageError, one sentence.
TileOption parse_tile(const std::string& text);

/// The session with its view on that part. Errors  UsageError when there is no such head, token or layer in what was computed
/// (`size` tokens, `n_layers` layers), or the part is smaller than a picture shows.
Session show_tile(const Session& session, const TileOption& tile, const HeadSize& size, std::int64_t n_layers);

}  // namespace headroom
