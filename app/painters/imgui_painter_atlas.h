#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/figure/figure.h"

namespace headroom {

/// Where a tile's cells lie in a texture, as ImGui wants it.
struct AtlasRegion {
  unsigned int texture = 0;  ///< OpenGL's name; 0: nothing to draw
  float u0 = 0, v0 = 0, u1 = 0, v1 = 0;
};

/// One figure's tile: its values and how they are coloured.
struct AtlasTile {
  const AttentionTile* item = nullptr;
  std::shared_ptr<const Tile> tile;                       ///< null or empty: no region
  std::shared_ptr<const std::vector<RowExtent>> extents;  ///< of its rows, where the scale needs them; null: not known (yet)
};

/// Coloured cells of attention tiles in one RGBA texture, a cell per texel. What is already there is not coloured or uploaded again; all
/// tiles of one call lie in the same texture.
///
/// Threads  the thread that owns the OpenGL context; the destructor too.
class TileAtlas {
 public:
  TileAtlas();
  ~TileAtlas();
  /// Forgets textures that the last frame did not use.
  void begin_frame();
  std::vector<AtlasRegion> place(std::span<const AtlasTile> tiles, const Theme& theme);
  std::int64_t take_bytes_uploaded();  ///< since the last call

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headroom
