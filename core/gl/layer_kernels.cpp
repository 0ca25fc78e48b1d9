#include "core/gl/layer_kernels.h"

#include <epoxy/gl.h>

#include <algorithm>
#include <string>

#include "core/gl/gl_error.h"
#include "core/tensor/error.h"
#include "shaders/projection_params.h"
#include "shaders/rotary_params.h"

namespace headroom::gl {
namespace {

// Ranges of rows begin at multiples of this many rows, hence of 256 bytes: the largest offset alignment that OpenGL allows a device to ask.
constexpr std::int64_t kRowStep = 16;
constexpr std::int64_t kMaxRowsAtOnce = 65520;  // work groups on the second axis, a multiple of kRowStep

struct ProjectionTiling {
  int rows = 4, cols4 = 1;        ///< of y, a thread
  int local_x = 16, local_y = 4;  ///< threads of a work group
};

ProjectionTiling projection_tiling(const DeviceFacts& facts, std::int64_t rows) {
  if (!facts.is_software) return {};
  return rows <= 4 ? ProjectionTiling{4, 2, 8, 1} : ProjectionTiling{8, 2, 8, 1};
}

std::size_t row_offset(std::int64_t row, std::int64_t row4) { return static_cast<std::size_t>(row * row4) * 16; }

}  // namespace

std::int64_t LayerKernels::rows_at_once(std::int64_t row4, double flops_per_row) const {
  const std::int64_t by_bytes = facts_.max_storage_block_bytes / (row4 * 16);
  const auto by_flops = static_cast<std::int64_t>(std::min(slice_flops_ / flops_per_row, 1e9));
  const std::int64_t rows = std::min({by_bytes, std::max(by_flops, kRowStep), kMaxRowsAtOnce}) / kRowStep * kRowStep;
  if (rows > 0) return rows;
  throw Error(std::to_string(kRowStep) + " rows of " + std::to_string(4 * row4) + " floats do not fit a storage block of " +
              std::to_string(facts_.max_storage_block_bytes) + " bytes, the most that this OpenGL writes");
}

void LayerKernels::project(const DeviceProjection& call, std::stop_token stop) {
  if (call.rows == 0 || call.cols4 == 0) return;
  const ProjectionTiling tiles = projection_tiling(facts_, call.rows);
  const std::int64_t step =
      rows_at_once(call.cols4, 32.0 * static_cast<double>(std::max<std::int64_t>(call.d_in4, 1) * call.cols4));
  for (std::int64_t first = 0; first < call.rows; first += step) {
    if (stop.stop_requested()) throw Cancelled();
    const std::int64_t end = std::min(first + step, call.rows);
    uniforms_.write(HEADROOM_PROJECTION_SLOT, ProjectionParams{static_cast<int>(first), static_cast<int>(end),
                                                               static_cast<int>(call.d_in4), static_cast<int>(call.cols4)});
    programs_
        .get("projection.comp",
             {{"ROWS", tiles.rows}, {"COLS4", tiles.cols4}, {"LOCAL_X", tiles.local_x}, {"LOCAL_Y", tiles.local_y}})
        .use();
    call.x->bind_texture(0);
    call.weight->bind_texture(1);
    call.bias->bind_texture(2);
    call.y->bind_storage(0, row_offset(first, call.cols4), row_offset(end - first, call.cols4));
    glDispatchCompute(static_cast<GLuint>(ceil_div(call.cols4, tiles.cols4 * tiles.local_x)),
                      static_cast<GLuint>(ceil_div(end - first, tiles.rows * tiles.local_y)), 1);
    storage_barrier();
  }
  check_gl("computing a projection");
}

void LayerKernels::rotate(const DeviceRotation& call, std::stop_token stop) {
  constexpr int kLocalSize = 64;
  if (call.rows == 0 || call.n_heads == 0) return;
  const std::int64_t step = rows_at_once(call.row4, 1.0);
  for (std::int64_t first = 0; first < call.rows; first += step) {
    if (stop.stop_requested()) throw Cancelled();
    const std::int64_t n_rows = std::min(step, call.rows - first);
    RotaryParams params{};
    params.first_row = static_cast<int>(first);
    params.n_rows = static_cast<int>(n_rows);
    params.n_heads = static_cast<int>(call.n_heads);
    params.half_width = static_cast<int>(call.d_head / 2);
    params.head_width = static_cast<int>(4 * vec4s(call.d_head));
    params.row_width = static_cast<int>(4 * call.row4);
    uniforms_.write(HEADROOM_ROTARY_SLOT, params);
    programs_.get("rotary.comp", {{"LOCAL_SIZE", kLocalSize}}).use();
    call.angles->bind_texture(0);
    call.rows_buffer->bind_storage(0, row_offset(first, call.row4), row_offset(n_rows, call.row4));
    glDispatchCompute(static_cast<GLuint>(ceil_div(call.n_heads * (call.d_head / 2), kLocalSize)), static_cast<GLuint>(n_rows), 1);
    storage_barrier();
  }
  check_gl("turning q and k");
}

}  // namespace headroom::gl
