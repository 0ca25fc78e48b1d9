#include "core/formats/safetensors_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/formats/safetensors.h"
#include "core/tensor/error.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_files::bytes_of;
using testing_files::message_of;
using testing_files::TemporaryFolder;

std::vector<TensorToWrite> three() {
  return {{"a", DType::kF32, {2, 2}}, {"empty", DType::kF32, {0, 3}}, {"b", DType::kF16, {3}}, {"c", DType::kI32, {1}}};
}

TEST(SafetensorsStream, WritesPiecesThatReadBackAsOne) {
  const TemporaryFolder folder;
  SafetensorsStream stream(folder / "x.safetensors", three(), {{"tokens", "[\"Ġa\"]"}});
  stream.write(std::vector<float>{1, 2, 3});
  stream.write(std::vector<float>{4});
  stream.write(std::vector<float>{0.1F, 70000.0F, -2});
  stream.write(std::vector<std::int32_t>{-7});
  stream.finish();
  const SafetensorsFile file(folder / "x.safetensors");
  const Tensor a = file.read_float(*file.find("a")), b = file.read_float(*file.find("b"));
  EXPECT_THAT(std::vector<float>(a.span().begin(), a.span().end()), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(std::vector<float>(b.span().begin(), b.span().end()),
              ElementsAre(0.0999755859375F, std::numeric_limits<float>::infinity(), -2));
  EXPECT_THAT(file.read_integers(*file.find("c")), ElementsAre(-7));
  EXPECT_EQ(file.metadata().at("tokens"), "[\"Ġa\"]");
  EXPECT_EQ(bytes_of(folder / "x.safetensors").find("{"), 8U);
}

TEST(SafetensorsStream, NothingIsLeftOfAFileThatIsNotFinished) {
  const TemporaryFolder folder;
  const auto path = folder.file("x.safetensors", "old");
  {
    SafetensorsStream stream(path, three(), {});
    stream.write(std::vector<float>{1, 2, 3, 4});
    EXPECT_EQ(folder.n_entries(), 2U);
    EXPECT_THAT(message_of([&] { stream.finish(); }), HasSubstr("\"b\" was not written to its end"));
  }
  EXPECT_EQ(bytes_of(path), "old");
  EXPECT_EQ(folder.n_entries(), 1U);
}

TEST(SafetensorsStream, RefusesWhatDoesNotFit) {
  const TemporaryFolder folder;
  SafetensorsStream stream(folder / "x.safetensors", three(), {});
  EXPECT_THAT(message_of([&] { stream.write(std::vector<std::int32_t>{1}); }), HasSubstr("\"a\""));
  EXPECT_THAT(message_of([&] { stream.write(std::vector<float>(5)); }), HasSubstr("5 values more of F32"));
  EXPECT_THAT(message_of([&] {
                SafetensorsStream twice(folder / "y", {{"a", DType::kF32, {}}, {"a", DType::kF32, {}}}, {});
              }),
              HasSubstr("twice"));
  EXPECT_THAT(message_of([&] { SafetensorsStream torn(folder / "y", {}, {{"a", "\xFF"}}); }), HasSubstr("UTF-8"));
  EXPECT_THAT(message_of([&] { SafetensorsStream nowhere(folder / "no" / "y", {}, {}); }), HasSubstr("cannot be written"));
}

}  // namespace
}  // namespace headroom
