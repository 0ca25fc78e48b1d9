#include <epoxy/gl.h>
// epoxy must come before anything that includes OpenGL's own header.
#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "app/painters/imgui_painter_atlas.h"
#include "app/painters/tile_colors.h"

namespace headroom {
namespace {

constexpr int kSmallestSide = 512;

/// How a tile is coloured: with its values, all that decides the texels.
struct Look {
  const Tile* tile = nullptr;
  const std::vector<RowExtent>* extents = nullptr;
  ColorMapName colormap{};
  ColorScale scale{};
  FirstToken first_token{};
  Coloring coloring{};
  double value_min = 0, value_max = 0;
  ThemeName theme{};
  std::uint32_t masked = 0;

  auto tied() const { return std::tie(tile, extents, colormap, scale, first_token, coloring, value_min, value_max, theme, masked); }
  bool operator<(const Look& other) const { return tied() < other.tied(); }
};

Look look_of(const AtlasTile& tile, const Theme& theme) {
  const AttentionTile& item = *tile.item;
  const Color m = theme.masked;
  return {.tile = tile.tile.get(),
          .extents = tile.extents.get(),
          .colormap = item.colormap,
          .scale = item.scale,
          .first_token = item.first_token,
          .coloring = item.coloring,
          .value_min = item.value_min,
          .value_max = item.value_max,
          .theme = theme.name,
          .masked = (std::uint32_t{m.r} << 24U) | (std::uint32_t{m.g} << 16U) | (std::uint32_t{m.b} << 8U) | std::uint32_t{m.a}};
}

struct Box {
  int x = 0, y = 0, w = 0, h = 0;
};

struct Placed {
  Box box;
  std::shared_ptr<const Tile> tile;  ///< these keep the key's pointers from being reused
  std::shared_ptr<const std::vector<RowExtent>> extents;
};

/// A texture with rows of tiles: the next tile goes to the right of the last one, or below.
struct Page {
  GLuint texture = 0;
  int side = 0;
  int shelf_y = 0, shelf_h = 0, next_x = 0;
  std::map<Look, Placed> placed;
  std::vector<std::uint8_t> texels;  ///< [side, side, 4]: uploads are cut from it
  std::int64_t last_used = 0;

  bool reserve(int w, int h, Box& box) {
    if (next_x + w > side) {
      shelf_y += shelf_h;
      shelf_h = 0;
      next_x = 0;
    }
    if (w > side || shelf_y + h > side) return false;
    box = {next_x, shelf_y, w, h};
    next_x += w;
    shelf_h = std::max(shelf_h, h);
    return true;
  }
  void clear() {
    placed.clear();
    shelf_y = shelf_h = next_x = 0;
  }
};

bool has_cells(const AtlasTile& tile) {
  return tile.tile && !tile.tile->values.empty() &&
         tile.tile->values.size() == static_cast<std::size_t>(tile.tile->request.rows * tile.tile->request.cols);
}

}  // namespace

struct TileAtlas::State {
  std::vector<Page> pages;  ///< the last one takes new tiles
  std::int64_t frame = 0;
  std::int64_t bytes_uploaded = 0;
  int max_side = 0;

  static void free_page(Page& page) {
    if (page.texture != 0) glDeleteTextures(1, &page.texture);
    page.texture = 0;
  }

  bool allocate(Page& page, int side) {
    page.side = side;
    page.texels.assign(static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 4, 0);
    while (glGetError() != GL_NO_ERROR) {
    }
    glGenTextures(1, &page.texture);
    glBindTexture(GL_TEXTURE_2D, page.texture);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE);
    glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAX_LEVEL, 0);
    glTexImage2D(GL_TEXTURE_2D, 0, GL_RGBA8, side, side, 0, GL_RGBA, GL_UNSIGNED_BYTE, nullptr);
    if (glGetError() == GL_NO_ERROR) return true;
    free_page(page);  // Out of graphics memory: the tiles are drawn as plain rectangles.
    return false;
  }

  /// A page in which nothing of the current or the last frame lies, at least `side` wide; null when none can be had.
  Page* fresh_page(int side) {
    for (std::size_t i = 0; i < pages.size(); ++i) {
      if (pages[i].last_used + 1 >= frame || pages[i].side < side) continue;
      std::rotate(pages.begin() + static_cast<std::ptrdiff_t>(i), pages.begin() + static_cast<std::ptrdiff_t>(i) + 1, pages.end());
      pages.back().clear();
      return &pages.back();
    }
    Page page;
    if (!allocate(page, side)) return nullptr;
    pages.push_back(std::move(page));
    return &pages.back();
  }

  /// Puts the tiles that `page` lacks into it; false when they do not all fit (what was reserved stays, unused).
  static bool reserve_all(Page& page, std::span<const AtlasTile> tiles, std::span<const Look> looks,
                          std::vector<std::size_t>& fresh) {
    for (std::size_t i = 0; i < tiles.size(); ++i) {
      if (!has_cells(tiles[i]) || page.placed.contains(looks[i])) continue;
      Box box;
      const TileRequest& request = tiles[i].tile->request;
      if (!page.reserve(static_cast<int>(request.cols), static_cast<int>(request.rows), box)) return false;
      page.placed.emplace(looks[i], Placed{box, tiles[i].tile, tiles[i].extents});
      fresh.push_back(i);
    }
    return true;
  }

  void paint(Page& page, const AtlasTile& tile, const Box& box, const Theme& theme) {
    const auto stride = static_cast<std::size_t>(page.side) * 4;
    std::vector<std::uint8_t> rgba(static_cast<std::size_t>(box.w) * static_cast<std::size_t>(box.h) * 4);
    const TileCells cells{*tile.tile, tile.extents ? std::span<const RowExtent>(*tile.extents) : std::span<const RowExtent>()};
    color_tile(*tile.item, cells, theme, rgba);
    for (int row = 0; row < box.h; ++row) {
      const auto* from = rgba.data() + static_cast<std::size_t>(row) * static_cast<std::size_t>(box.w) * 4;
      std::copy_n(from, static_cast<std::size_t>(box.w) * 4,
                  page.texels.data() + static_cast<std::size_t>(box.y + row) * stride + static_cast<std::size_t>(box.x) * 4);
    }
  }

  void upload(Page& page, const Box& box) {
    glBindTexture(GL_TEXTURE_2D, page.texture);
    glPixelStorei(GL_UNPACK_ALIGNMENT, 4);
    glPixelStorei(GL_UNPACK_ROW_LENGTH, page.side);
    const auto first =
        (static_cast<std::size_t>(box.y) * static_cast<std::size_t>(page.side) + static_cast<std::size_t>(box.x)) * 4;
    glTexSubImage2D(GL_TEXTURE_2D, 0, box.x, box.y, box.w, box.h, GL_RGBA, GL_UNSIGNED_BYTE, page.texels.data() + first);
    glPixelStorei(GL_UNPACK_ROW_LENGTH, 0);
    bytes_uploaded += std::int64_t{4} * box.w * box.h;
  }
};

TileAtlas::TileAtlas() : state_(std::make_unique<State>()) {}
TileAtlas::~TileAtlas() {
  for (Page& page : state_->pages)
    State::free_page(page);
}

void TileAtlas::begin_frame() {
  State& state = *state_;
  ++state.frame;
  // One spare page stays: a sentence being typed fills pages in turn.
  std::size_t n_spare = 0;
  std::erase_if(state.pages, [&](Page& page) {
    if (page.last_used + 2 >= state.frame || n_spare++ == 0) return false;
    State::free_page(page);
    return true;
  });
}

std::vector<AtlasRegion> TileAtlas::place(std::span<const AtlasTile> tiles, const Theme& theme) {
  State& state = *state_;
  std::vector<AtlasRegion> regions(tiles.size());
  std::vector<Look> looks(tiles.size());
  std::int64_t area = 0;
  std::int64_t widest = 1;
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    if (!has_cells(tiles[i])) continue;
    looks[i] = look_of(tiles[i], theme);
    const TileRequest& request = tiles[i].tile->request;
    area += request.rows * request.cols;
    widest = std::max({widest, request.rows, request.cols});
  }
  if (area == 0) return regions;

  std::vector<std::size_t> fresh;
  Page* page = nullptr;
  for (Page& candidate : state.pages) {  // Usually all are there already.
    const auto is_there = [&](std::size_t i) { return !has_cells(tiles[i]) || candidate.placed.contains(looks[i]); };
    bool has_all = true;
    for (std::size_t i = 0; i < tiles.size() && has_all; ++i)
      has_all = is_there(i);
    if (has_all) page = &candidate;
  }
  if (page == nullptr && !state.pages.empty() && State::reserve_all(state.pages.back(), tiles, looks, fresh))
    page = &state.pages.back();
  if (page == nullptr) {
    // Started anew: what a failed attempt reserved in the old page was never painted.
    for (const std::size_t i : fresh)
      state.pages.back().placed.erase(looks[i]);
    fresh.clear();
    if (state.max_side == 0) glGetIntegerv(GL_MAX_TEXTURE_SIZE, &state.max_side);
    int side = kSmallestSide;
    while (side < state.max_side && (side < widest || std::int64_t{side} * side < 2 * area))
      side *= 2;
    side = std::min(side, state.max_side);
    page = state.fresh_page(side);
    if (page == nullptr) return regions;
    State::reserve_all(*page, tiles, looks, fresh);
  }
  page->last_used = state.frame;

  Box dirty{page->side, page->side, 0, 0};
  int right = 0, bottom = 0;
  for (const std::size_t i : fresh) {
    const Box box = page->placed.at(looks[i]).box;
    state.paint(*page, tiles[i], box, theme);
    dirty.x = std::min(dirty.x, box.x);
    dirty.y = std::min(dirty.y, box.y);
    right = std::max(right, box.x + box.w);
    bottom = std::max(bottom, box.y + box.h);
  }
  if (!fresh.empty()) state.upload(*page, {dirty.x, dirty.y, right - dirty.x, bottom - dirty.y});

  const auto texel = 1.0F / static_cast<float>(page->side);
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    if (!has_cells(tiles[i])) continue;
    const auto found = page->placed.find(looks[i]);
    if (found == page->placed.end()) continue;  // Larger than any texture.
    const Box& box = found->second.box;
    regions[i] = {page->texture, static_cast<float>(box.x) * texel, static_cast<float>(box.y) * texel,
                  static_cast<float>(box.x + box.w) * texel, static_cast<float>(box.y + box.h) * texel};
  }
  return regions;
}

std::int64_t TileAtlas::take_bytes_uploaded() { return std::exchange(state_->bytes_uploaded, 0); }

}  // namespace headroom
