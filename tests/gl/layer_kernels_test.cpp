#include "core/gl/layer_kernels.h"

#include <cmath>

#include "core/attention/rotary.h"
#include "tests/gl/gl_test.h"

namespace headroom::gl {
namespace {

class LayerKernelsTest : public GlTest {};

Buffer uploaded(const std::vector<float>& values, Texel texel = Texel::kVec4) {
  Buffer buffer(texel);
  buffer.upload(std::span<const float>(values), "a test's tensor");
  return buffer;
}

struct ProjectionShape {
  std::int64_t rows, d_in4, cols4;
};

/// y on the device against double loops; the sum of d_in products of normal values is of order sqrt(d_in).
void expect_projection(LayerKernels& kernels, const ProjectionShape& shape) {
  const std::int64_t d_in = 4 * shape.d_in4, cols = 4 * shape.cols4;
  const std::vector<float> x = random_values(static_cast<std::size_t>(shape.rows * d_in), 1);
  const std::vector<float> weight = random_values(static_cast<std::size_t>(cols * d_in), 2);
  const std::vector<float> bias = random_values(static_cast<std::size_t>(cols), 3);
  const Buffer device_x = uploaded(x), device_weight = uploaded(weight), device_bias = uploaded(bias);
  constexpr float kMarker = -777.25F;
  std::vector<float> y(static_cast<std::size_t>(shape.rows * cols + 16), kMarker);
  const Buffer device_y = uploaded(y);
  kernels.project({&device_x, &device_weight, &device_bias, &device_y, shape.rows, shape.d_in4, shape.cols4}, {});
  device_y.read(0, std::span<float>(y));
  for (std::int64_t r = 0; r < shape.rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      double expected = static_cast<double>(bias[static_cast<std::size_t>(c)]);
      for (std::int64_t k = 0; k < d_in; ++k) {
        expected += static_cast<double>(x[static_cast<std::size_t>(r * d_in + k)]) *
                    static_cast<double>(weight[static_cast<std::size_t>(c * d_in + k)]);
      }
      ASSERT_NEAR(static_cast<double>(y[static_cast<std::size_t>(r * cols + c)]), expected,
                  3e-6 * std::sqrt(static_cast<double>(d_in)))
          << "rows " << shape.rows << ", d_in " << d_in << ", cols " << cols << ": y[" << r << ", " << c << "]";
    }
  }
  for (std::size_t i = y.size() - 16; i < y.size(); ++i)
    ASSERT_EQ(y[i], kMarker) << "written past the end of y";
}

TEST_F(LayerKernelsTest, ProjectsEveryShape) {
  LayerKernels kernels(context().facts());
  for (const std::int64_t rows : {1, 3, 4, 5, 8, 17, 64}) {
    for (const std::int64_t d_in4 : {1, 7, 32}) {
      for (const std::int64_t cols4 : {1, 2, 3, 17, 40})
        expect_projection(kernels, {rows, d_in4, cols4});
    }
  }
  expect_projection(kernels, {33, 192, 48});
}

TEST_F(LayerKernelsTest, ProjectsInRangesOfRows) {
  DeviceFacts small = context().facts();
  small.max_storage_block_bytes = 32 * 3 * 16;  // 32 rows of 3 vec4s
  LayerKernels by_bytes(small);
  expect_projection(by_bytes, {101, 5, 3});
  LayerKernels by_flops(context().facts(), {.dispatch_flops = 1.0});
  expect_projection(by_flops, {50, 5, 3});
}

TEST_F(LayerKernelsTest, ProjectionOfNothingIsItsBias) {
  LayerKernels kernels(context().facts());
  expect_projection(kernels, {3, 0, 2});
  expect_projection(kernels, {0, 3, 2});
}

TEST_F(LayerKernelsTest, RowsBeyondAStorageBlockAreRefusedWithNumbers) {
  DeviceFacts small = context().facts();
  small.max_storage_block_bytes = 100;
  LayerKernels kernels(small);
  try {
    expect_projection(kernels, {1, 1, 3});
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("100 bytes"));
  }
}

TEST_F(LayerKernelsTest, StopsWhenAsked) {
  LayerKernels kernels(context().facts());
  const Buffer any = uploaded(std::vector<float>(64));
  std::stop_source source;
  source.request_stop();
  EXPECT_THROW(kernels.project({&any, &any, &any, &any, 1, 1, 1}, source.get_token()), Cancelled);
  EXPECT_THROW(kernels.rotate({&any, &any, 1, 1, 4, 1}, source.get_token()), Cancelled);
}

struct RotationShape {
  std::int64_t rows, n_heads, d_head, tail4;  ///< tail4: vec4s of each row after the heads, which must not turn
};

void expect_rotation(LayerKernels& kernels, const RotationShape& shape) {
  const std::int64_t head = 4 * vec4s(shape.d_head), row = shape.n_heads * head + 4 * shape.tail4, half = shape.d_head / 2;
  const RotaryTable table = make_rotary_table({10000.0F}, 3, shape.rows, shape.d_head);
  std::vector<float> turns;
  for (std::size_t i = 0; i < table.cos.size(); ++i)
    turns.insert(turns.end(), {table.cos[i], table.sin[i]});
  const std::vector<float> before = random_values(static_cast<std::size_t>(shape.rows * row), 5);
  std::vector<float> after(before.size());
  const Buffer angles = uploaded(turns, Texel::kVec2), rows = uploaded(before);
  kernels.rotate({&angles, &rows, shape.rows, shape.n_heads, shape.d_head, row / 4}, {});
  rows.read(0, std::span<float>(after));
  for (std::int64_t i = 0; i < shape.rows; ++i) {
    for (std::int64_t at = 0; at < row; ++at) {
      const std::int64_t c = at % head;
      const auto value = [&](std::int64_t column) {
        return static_cast<double>(before[static_cast<std::size_t>(i * row + column)]);
      };
      double expected = value(at);
      if (at / head < shape.n_heads && c < 2 * half) {
        const double angle = static_cast<double>(3 + i) *
                             std::pow(10000.0, -2.0 * static_cast<double>(c % half) / static_cast<double>(shape.d_head));
        expected = c < half ? value(at) * std::cos(angle) - value(at + half) * std::sin(angle)
                            : value(at) * std::cos(angle) + value(at - half) * std::sin(angle);
      }
      ASSERT_NEAR(static_cast<double>(after[static_cast<std::size_t>(i * row + at)]), expected, 2e-6)
          << "d_head " << shape.d_head << ", row " << i << ", column " << at;
    }
  }
}

TEST_F(LayerKernelsTest, TurnsEveryShape) {
  LayerKernels kernels(context().facts());
  for (const std::int64_t d_head : {2, 6, 16, 64, 130, 256}) {
    for (const std::int64_t n_heads : {1, 3, 10})
      expect_rotation(kernels, {7, n_heads, d_head, 2});
  }
}

TEST_F(LayerKernelsTest, TurnsInRangesOfRows) {
  DeviceFacts small = context().facts();
  small.max_storage_block_bytes = 16 * 5 * 16;  // 16 rows of 5 vec4s
  LayerKernels kernels(small);
  expect_rotation(kernels, {37, 4, 4, 1});
}

}  // namespace
}  // namespace headroom::gl
