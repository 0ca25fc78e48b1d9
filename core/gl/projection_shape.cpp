#include "core/gl/projection_shape.h"

namespace headroom::gl {
namespace {

using Family = ProjectionShape::Family;

ProjectionShape straight(int rows, int cols) { return {Family::kStraight, rows, cols, 1, 8}; }

std::vector<ProjectionShape> tiled_shapes(const DeviceFacts& facts) {
  std::vector<ProjectionShape> shapes;
  for (const ProjectionShape& shape : {ProjectionShape{Family::kTiled, 8, 8, 16, 8}, ProjectionShape{Family::kTiled, 8, 8, 8, 8},
                                       ProjectionShape{Family::kTiled, 4, 8, 16, 8}, ProjectionShape{Family::kTiled, 4, 4, 8, 8}}) {
    const bool fits =
        shape.shared_bytes() <= facts.max_shared_bytes && shape.row_threads * shape.col_threads <= facts.max_invocations;
    if (fits) shapes.push_back(shape);
  }
  return shapes;
}

}  // namespace

std::string ProjectionShape::name() const {
  const std::string thread = std::to_string(rows) + "x" + std::to_string(cols);
  if (family == Family::kStraight) return "straight " + thread;
  return "tiled " + std::to_string(group_rows()) + "x" + std::to_string(group_cols()) + " (" + thread + ")";
}

std::vector<ShaderDefine> ProjectionShape::defines() const {
  if (family == Family::kStraight) {
    return {{"ROWS", rows}, {"COLS4", cols / 4}, {"LOCAL_X", col_threads}, {"LOCAL_Y", row_threads}};
  }
  return {{"THREAD_ROWS", rows}, {"THREAD_COLS", cols}, {"ROW_GROUPS", row_threads}, {"THREADS", row_threads * col_threads}};
}

std::vector<ProjectionShape> all_projection_shapes(const DeviceFacts& facts) {
  std::vector<ProjectionShape> shapes = {straight(12, 12), straight(8, 8), straight(4, 8), {Family::kStraight, 4, 4, 4, 16}};
  for (const ProjectionShape& shape : tiled_shapes(facts))
    shapes.push_back(shape);
  return shapes;
}

std::vector<ProjectionShape> projection_shapes(const DeviceFacts& facts, std::int64_t rows) {
  if (facts.is_software) {
    if (rows <= 4) return {straight(4, 8)};
    return {rows <= 8 ? straight(8, 8) : straight(12, 12)};
  }
  const ProjectionShape light{Family::kStraight, 4, 4, 4, 16};
  if (rows <= 16) return {light};
  std::vector<ProjectionShape> shapes = tiled_shapes(facts);
  // Large tiles of few rows leave most of a GPU idle.
  if (rows < 256) shapes.erase(shapes.begin(), shapes.begin() + static_cast<std::ptrdiff_t>(shapes.size() / 2));
  shapes.push_back(light);
  return shapes;
}

}  // namespace headroom::gl
