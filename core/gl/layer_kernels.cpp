#include "core/gl/layer_kernels.h"

#include <epoxy/gl.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "core/gl/gl_error.h"
#include "core/gl/stage_timer.h"
#include "core/tensor/error.h"
#include "shaders/projection_params.h"
#include "shaders/rotary_params.h"

namespace headroom::gl {
namespace {

// Ranges of rows begin at multiples of this many rows, hence of 256 bytes: the largest offset alignment that OpenGL allows a device to ask.
constexpr std::int64_t kRowStep = 16;
constexpr std::int64_t kMaxRowsAtOnce = 65520;  // work groups on the second axis, a multiple of kRowStep
// A sample's length that a clock can judge, and the rows at which samples begin.
constexpr double kSampleMs = 4;
constexpr std::int64_t kFirstSampleRows = 256;

std::size_t row_offset(std::int64_t row, std::int64_t row4) { return static_cast<std::size_t>(row * row4) * 16; }

double row_flops(const DeviceProjection& call) {
  return 32.0 * static_cast<double>(std::max<std::int64_t>(call.d_in4, 1) * call.cols4);
}

std::string problem_of(const DeviceProjection& call) {
  const auto about = [](std::int64_t width4) {
    std::int64_t power = 16;
    while (power < 4 * width4)
      power *= 2;
    return std::to_string(power);
  };
  return "projection, " + about(call.d_in4) + " to " + about(call.cols4) + ", " + (call.rows < 256 ? "few rows" : "many rows");
}

}  // namespace

LayerKernels::LayerKernels(const DeviceFacts& facts, const GpuOptions& options)
    : facts_(facts), options_(options), pacer_(facts.is_software, options), tuner_(facts, options) {}

std::int64_t LayerKernels::most_rows(std::int64_t row4) const {
  const std::int64_t by_bytes = facts_.max_storage_block_bytes / (row4 * 16);
  const std::int64_t rows = std::min(by_bytes, kMaxRowsAtOnce) / kRowStep * kRowStep;
  if (rows > 0) return rows;
  throw Error(std::to_string(kRowStep) + " rows of " + std::to_string(4 * row4) + " floats do not fit a storage block of " +
              std::to_string(facts_.max_storage_block_bytes) + " bytes, the most that this OpenGL writes");
}

ProjectionShape LayerKernels::choose_shape(const DeviceProjection& call, const std::stop_token& stop) {
  if (!options_.projection_shape.empty()) {
    for (const ProjectionShape& shape : all_projection_shapes(facts_)) {
      if (shape.name() == options_.projection_shape) return shape;
    }
    throw Error("This OpenGL cannot run the projection shape \"" + options_.projection_shape + "\"");
  }
  const std::vector<ProjectionShape> shapes = projection_shapes(facts_, call.rows);
  std::vector<std::string> names;
  for (const ProjectionShape& shape : shapes)
    names.push_back(shape.name());
  return shapes[tuner_.choose(problem_of(call), names, [&](std::size_t i) { return time_shape(shapes[i], call, stop); })];
}

/// Whether the shape multiplies a small problem with edges in all directions as plain loops do.
bool LayerKernels::is_right(const ProjectionShape& shape) {
  constexpr std::int64_t kRows = 75, kIn = 36, kCols = 76;
  const auto values = [](std::int64_t n, double step) {
    std::vector<float> wave(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < wave.size(); ++i)
      wave[i] = static_cast<float>(std::sin(step * static_cast<double>(i + 1)));
    return wave;
  };
  const std::vector<float> x = values(kRows * kIn, 0.7391), weight = values(kCols * kIn, 1.1317), bias = values(kCols, 0.3719);
  std::vector<float> y(static_cast<std::size_t>(kRows * kCols));
  Buffer device_x(Texel::kVec4), device_weight(Texel::kVec4), device_bias(Texel::kVec4), device_y;
  device_x.upload(std::span<const float>(x), "x");
  device_weight.upload(std::span<const float>(weight), "weight");
  device_bias.upload(std::span<const float>(bias), "bias");
  device_y.reserve(y.size() * sizeof(float), "y");
  dispatch(shape, {&device_x, &device_weight, &device_bias, &device_y, kRows, kIn / 4, kCols / 4}, 0, kRows);
  device_y.read(0, std::span<float>(y));
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t c = 0; c < kCols; ++c) {
      double sum = static_cast<double>(bias[static_cast<std::size_t>(c)]);
      for (std::int64_t k = 0; k < kIn; ++k) {
        sum += static_cast<double>(x[static_cast<std::size_t>(r * kIn + k)]) *
               static_cast<double>(weight[static_cast<std::size_t>(c * kIn + k)]);
      }
      if (!(std::abs(static_cast<double>(y[static_cast<std::size_t>(r * kCols + c)]) - sum) <= 1e-4)) return false;
    }
  }
  return true;
}

/// Milliseconds for each row; nothing when the shape fails.
std::optional<double> LayerKernels::time_shape(const ProjectionShape& shape, const DeviceProjection& call,
                                               const std::stop_token& stop) {
  try {
    if (!is_right(shape)) return std::nullopt;
    check_gl("trying a projection shape");
  } catch (const Error&) {
    drop_gl_errors();
    return std::nullopt;  // it does not compile here
  }
  const std::int64_t most = std::min(call.rows, most_rows(call.cols4));
  std::int64_t rows = std::min(kFirstSampleRows, most);
  for (bool is_warm = false;; is_warm = true) {
    if (stop.stop_requested()) throw Cancelled();
    StageTimer timer;
    timer.begin("sample");
    dispatch(shape, call, 0, rows);
    const double ms = timer.finish().front().ms;
    // The first one holds what the driver compiles late.
    if (is_warm && (ms >= kSampleMs || rows == most)) return ms / static_cast<double>(rows);
    if (is_warm) rows = std::min(rows * 4, most);
  }
}

void LayerKernels::dispatch(const ProjectionShape& shape, const DeviceProjection& call, std::int64_t first, std::int64_t end) {
  uniforms_.write(HEADROOM_PROJECTION_SLOT, ProjectionParams{static_cast<int>(first), static_cast<int>(end),
                                                             static_cast<int>(call.d_in4), static_cast<int>(call.cols4)});
  programs_.get(shape.shader(), shape.defines()).use();
  call.x->bind_texture(0);
  call.weight->bind_texture(1);
  call.bias->bind_texture(2);
  call.y->bind_storage(0, row_offset(first, call.cols4), row_offset(end - first, call.cols4));
  glDispatchCompute(static_cast<GLuint>(ceil_div(4 * call.cols4, shape.group_cols())),
                    static_cast<GLuint>(ceil_div(end - first, shape.group_rows())), 1);
  storage_barrier();
}

void LayerKernels::project(const DeviceProjection& call, const std::stop_token& stop) {
  if (stop.stop_requested()) throw Cancelled();
  if (call.rows == 0 || call.cols4 == 0) return;
  const std::int64_t most = most_rows(call.cols4);
  const ProjectionShape shape = choose_shape(call, stop);
  // Ranges of whole work groups, where a range holds one at all.
  const std::int64_t step = std::lcm(kRowStep, shape.group_rows());
  for (std::int64_t first = 0; first < call.rows;) {
    auto rows = static_cast<std::int64_t>(std::clamp(pacer_.next_flops() / row_flops(call), 1.0, 1e9));
    rows = std::clamp(rows / step * step, std::min(step, most), std::max(most / step * step, std::min(step, most)));
    const std::int64_t end = std::min(first + rows, call.rows);
    pacer_.begin(stop);
    dispatch(shape, call, first, end);
    pacer_.end(row_flops(call) * static_cast<double>(end - first));
    first = end;
  }
  check_gl("computing a projection");
}

void LayerKernels::rotate(const DeviceRotation& call, const std::stop_token& stop) {
  constexpr int kLocalSize = 64;
  if (call.rows == 0 || call.n_heads == 0) return;
  const std::int64_t step = most_rows(call.row4);
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
