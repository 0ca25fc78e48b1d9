#include "tests/figure/figure_fixture.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/analysis/head_metrics.h"
#include "core/attention/backend.h"
#include "core/figure/tile_items.h"
#include "core/model/forward.h"
#include "core/model/surgery.h"
#include "core/tensor/parallel.h"

namespace headroom {
namespace {

std::string point_text(Point p) { return std::to_string(std::lround(p.x)).append(", ").append(std::to_string(std::lround(p.y))); }

struct TextBox {
  Rect rect;
  std::string text;
};

/// The ink's box: capitals and descenders, a little less than the line.
TextBox box_of(const TextRun& run, const TextMeasurer& measurer) {
  const double w = measurer.width(run.text, run.face, run.size), h = 0.95 * run.size;
  const double before = run.anchor == Anchor::kLeft ? 0 : run.anchor == Anchor::kCentre ? w / 2 : w;
  return {{run.at.x - before, run.at.y - h / 2, w, h}, run.text};
}

bool overlap(const Rect& a, const Rect& b) {
  constexpr double kSlack = 0.5;
  return a.x + a.w > b.x + kSlack && b.x + b.w > a.x + kSlack && a.y + a.h > b.y + kSlack && b.y + b.h > a.y + kSlack;
}

bool is_inside(const Rect& rect, Size size) {
  constexpr double kSlack = 1;
  return rect.x >= -kSlack && rect.y >= -kSlack && rect.x + rect.w <= size.w + kSlack && rect.y + rect.h <= size.h + kSlack;
}

/// Corners of a turned line of text.
std::vector<Point> corners_of(const TextRun& run, const TextMeasurer& measurer) {
  const TextBox box = box_of(run, measurer);
  const double angle = -run.angle * std::numbers::pi / 180;
  std::vector<Point> corners;
  for (const Point p : {Point{box.rect.x, box.rect.y}, Point{box.rect.x + box.rect.w, box.rect.y},
                        Point{box.rect.x, box.rect.y + box.rect.h}, Point{box.rect.x + box.rect.w, box.rect.y + box.rect.h}}) {
    const double x = p.x - run.at.x, y = p.y - run.at.y;
    corners.push_back({run.at.x + x * std::cos(angle) - y * std::sin(angle), run.at.y + x * std::sin(angle) + y * std::cos(angle)});
  }
  return corners;
}

}  // namespace

Scene make_scene(const PassSpec& spec) {
  Scene scene;
  Compute& compute = scene.session.compute;
  compute.n_heads = spec.n_heads;
  compute.n_kv_heads = spec.n_kv_heads;
  compute.d_model = spec.n_heads * spec.d_head;
  compute.mask = spec.mask;
  compute.pruned = spec.pruned;

  ModelConfig config;
  config.shape = {.n_layers = spec.n_layers,
                  .d_model = compute.d_model,
                  .n_heads = spec.n_heads,
                  .n_kv_heads = spec.n_kv_heads,
                  .d_head = spec.d_head,
                  .d_ff = 16,
                  .vocab_size = 32,
                  .max_positions = 4096};
  compute.trained = config.shape;
  const ModelParams params = prune_heads(make_random_params(config, 7), spec.pruned);
  std::vector<std::int32_t> ids;
  auto snapshot = std::make_shared<Snapshot>();
  for (std::size_t i = 0; i < spec.n_tokens; ++i) {
    ids.push_back(static_cast<std::int32_t>((i * 13 + 5) % 32));
    Token token;
    token.id = ids.back();
    token.text = std::to_string(i).insert(0, 1, 't');
    token.source = token.text;
    snapshot->tokens.push_back(token);
  }
  ThreadPool pool(1);
  const std::unique_ptr<AttentionBackend> backend = make_naive_backend(pool);
  const std::unique_ptr<AttentionLayer> layer = make_cpu_attention_layer(pool, *backend);
  ForwardOptions options;
  options.mask = spec.mask;
  const auto trace = std::make_shared<ForwardTrace>(forward(params, ids, *layer, pool, options));
  snapshot->id = snapshot->version = 1;
  snapshot->compute = compute;
  snapshot->config = params.config;
  snapshot->heads = measure_heads(*trace, spec.n_heads);
  const auto n = static_cast<std::int64_t>(spec.n_tokens), cells = std::min(n, kThumbnailCells);
  for (std::int64_t l = 0; l < spec.n_layers; ++l) {
    snapshot->n_kv_heads_left.push_back(std::ssize(params.layers[static_cast<std::size_t>(l)].kv_heads));
    auto& row = snapshot->thumbnails.emplace_back();
    for (std::int64_t h = 0; h < spec.n_heads; ++h) {
      row.push_back(evaluate_tile(*trace, {.layer = l,
                                           .head = h,
                                           .row_begin = 0,
                                           .row_end = n,
                                           .col_begin = 0,
                                           .col_end = n,
                                           .rows = cells,
                                           .cols = cells,
                                           .quantity = Quantity::kProbs,
                                           .pooling = Pooling::kMax}));
    }
  }
  snapshot->trace = trace;
  snapshot->cpu = {.backend = "CPU naive, 1 thread",
                   .stages = {{"embed", 0.05}, {"q k v", 0.4}, {"attention", 0.3}, {"W_O", 0.15}, {"MLP", 1.0}, {"logits", 0.1}},
                   .total_ms = 2.05};
  scene.snapshot = snapshot;
  return scene;
}

double EvenMeasurer::width(std::string_view text, FontFace face, double size) const {
  const auto n = std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; });
  return static_cast<double>(n) * size * (face == FontFace::kMono ? 0.6 : 0.56);
}

FigureInput input_of(const Scene& scene, Size size, ThemeName theme_name) {
  static const EvenMeasurer measurer;
  return {.session = scene.session,
          .snapshot = scene.snapshot,
          .size = size,
          .theme = theme(theme_name),
          .measurer = measurer,
          .hovered_query = {},
          .hovered_key = {}};
}

std::string text_of(const Figure& figure) {
  std::string text;
  for (const TextRun& run : items_of<TextRun>(figure))
    text += run.text + "\n";
  return text;
}

const HitRegion* find_hit(const Figure& figure, const std::string& name) {
  for (const HitRegion& hit : figure.hits) {
    if (hit.name == name) return &hit;
  }
  return nullptr;
}

namespace {

/// The figure's tiles, what the clip cuts off of them left away.
std::vector<AttentionTile> clipped_tiles(const Figure& figure) {
  std::vector<AttentionTile> tiles;
  Rect clip;
  for (const Item& item : figure.items) {
    if (const auto* clip_to = std::get_if<ClipTo>(&item)) clip = clip_to->rect;
    const auto* tile = std::get_if<AttentionTile>(&item);
    if (tile == nullptr) continue;
    tiles.push_back(*tile);
    if (clip.w > 0) tiles.back().rect = intersection(tile->rect, clip);
  }
  return tiles;
}

}  // namespace

std::vector<std::string> layout_faults(const Figure& figure, const TextMeasurer& measurer) {
  std::vector<std::string> faults;
  const std::string size = std::to_string(std::lround(figure.size.w)) + "x" + std::to_string(std::lround(figure.size.h));
  std::vector<TextBox> boxes;
  for (const TextRun& run : items_of<TextRun>(figure)) {
    if (run.angle != 0) {
      for (const Point& corner : corners_of(run, measurer)) {
        if (!is_inside({corner.x, corner.y, 0, 0}, figure.size))
          faults.push_back(size + ": '" + run.text + "' sticks out at " + point_text(corner));
      }
      continue;
    }
    boxes.push_back(box_of(run, measurer));
    if (!is_inside(boxes.back().rect, figure.size))
      faults.push_back(size + ": '" + run.text + "' sticks out at " + point_text(run.at));
  }
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (overlap(boxes[i].rect, boxes[j].rect)) {
        faults.push_back(size + ": '" + boxes[i].text + "' overlaps '" + boxes[j].text + "' at " +
                         point_text({boxes[i].rect.x, boxes[i].rect.y}));
      }
    }
  }
  for (const AttentionTile& tile : clipped_tiles(figure)) {
    if (!is_inside(tile.rect, figure.size) || tile.rect.w <= 0 || tile.rect.h <= 0)
      faults.push_back(size + ": a tile sticks out at " + point_text({tile.rect.x, tile.rect.y}));
    for (const TextBox& box : boxes) {
      // Printed values lie in their cells.
      const bool is_value = box.text.find_first_not_of("0123456789.−") == std::string::npos;
      if (!is_value && overlap(box.rect, tile.rect)) faults.push_back(size + ": '" + box.text + "' lies on a tile");
    }
  }
  for (const HitRegion& hit : figure.hits) {
    if (!is_inside(hit.shape, figure.size)) faults.push_back(size + ": the region " + hit.name + " sticks out");
  }
  for (const CellGrid& grid : figure.cell_grids) {
    if (grid.rect.w > 0 && !is_inside(grid.rect, figure.size)) faults.push_back(size + ": a cell grid sticks out");
  }
  return faults;
}

}  // namespace headroom
