#include "core/tensor/tensor.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "core/tensor/error.h"

namespace headroom {
namespace {

TEST(Tensor, BeginsZeroFilledOnACacheLine) {
  const Tensor t({3, 5});
  ASSERT_EQ(t.size(), 15);
  for (const float value : t.span()) {
    EXPECT_EQ(value, 0.0F);
  }
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.data()) % 64, 0U);
}

TEST(Tensor, RowsAndMatrixAreRowMajor) {
  Tensor t({2, 3});
  for (std::int64_t i = 0; i < 6; ++i) {
    t.data()[i] = static_cast<float>(i);
  }
  EXPECT_EQ(t.row(1)[0], 3.0F);
  EXPECT_EQ(t.row(1).size(), 3U);
  EXPECT_EQ(t.matrix()(1, 2), 5.0F);
  const Tensor& same = t;
  EXPECT_EQ(same.matrix().rows, 2);
  EXPECT_EQ(same.matrix().cols, 3);
  EXPECT_EQ(same.matrix().row_stride, 3);
}

TEST(Tensor, CopiesAreApart) {
  Tensor a({2});
  Tensor b = a;
  b.data()[0] = 7;
  EXPECT_EQ(a.data()[0], 0.0F);
  a = std::move(b);
  EXPECT_EQ(a.data()[0], 7.0F);
}

TEST(Tensor, RefusesImpossibleShapes) {
  EXPECT_THROW(Tensor({2, -1}), ShapeError);
  EXPECT_THROW(Tensor({0, -1}), ShapeError);
  EXPECT_THROW(Tensor({std::int64_t{1} << 40, std::int64_t{1} << 40}), ShapeError);
  EXPECT_THROW(Tensor({4}).matrix(), ShapeError);
  EXPECT_THROW(static_cast<void>(static_cast<const Tensor&>(Tensor({2, 2, 2})).matrix()), ShapeError);
}

TEST(Tensor, EmptyShapesHoldNothing) {
  EXPECT_TRUE(Tensor().empty());
  EXPECT_TRUE(Tensor({0, std::int64_t{1} << 62, 16}).empty());
}

TEST(Tensor, ShapeIsReadable) {
  const Tensor t({4, 8, 10});
  EXPECT_EQ(shape_text(t.shape()), "[4, 8, 10]");
  EXPECT_EQ(shape_text({}), "[]");
}

}  // namespace
}  // namespace headroom
