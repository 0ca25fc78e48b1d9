#include "core/formats/safetensors.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing_files::bytes_of;
using testing_files::little_endian;
using testing_files::message_of;
using testing_files::safetensors_bytes;
using testing_files::TemporaryFolder;

SafetensorsFile open_bytes(const TemporaryFolder& folder, std::string_view header, std::string_view data) {
  return SafetensorsFile(folder.file("f.safetensors", safetensors_bytes(header, data)));
}

TEST(Safetensors, ReadsEntriesInFileOrder) {
  const TemporaryFolder folder;
  const SafetensorsFile file = open_bytes(
      folder,
      R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]},"a":{"shape":[2],"data_offsets":[0,2],"dtype":"U8"},"__metadata__":{"k":"v"}})",
      "\x01\x02" + little_endian(std::bit_cast<std::uint32_t>(1.5f), 4));
  ASSERT_THAT(file.tensors(), SizeIs(2));
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.tensors()[1].name, "b");
  EXPECT_EQ(file.find("b"), &file.tensors()[1]);
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_EQ(file.metadata().at("k"), "v");
  EXPECT_THAT(file.read_integers(*file.find("a")), ElementsAre(1, 2));
  EXPECT_THAT(file.read_float(*file.find("b")).span(), ElementsAre(1.5f)) << "at an odd offset";
}

TEST(Safetensors, AcceptsWhatTheFormatAllows) {
  const TemporaryFolder folder;
  EXPECT_THAT(open_bytes(folder, "{}", "").tensors(), IsEmpty());
  EXPECT_THAT(open_bytes(folder, " \t\r\n{} \n", "").tensors(), IsEmpty());
  EXPECT_THAT(open_bytes(folder, R"({"__metadata__":null})", "").metadata(), IsEmpty());
  EXPECT_EQ(open_bytes(folder, R"({"__metadata__":{"a":"1","a":"2"}})", "").metadata().at("a"), "2") << "the last one wins";
  const auto scalar = open_bytes(folder, R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", std::string(4, '\0'));
  EXPECT_EQ(scalar.read_float(scalar.tensors()[0]).size(), 1);
  const auto extra =
      open_bytes(folder, R"({"s":{"x":[1,{"y":null}],"dtype":"U8","z":-1.5e3,"shape":[1],"w":"t","data_offsets":[0,1]}})", "a");
  EXPECT_THAT(extra.read_integers(extra.tensors()[0]), ElementsAre('a')) << "unknown fields are ignored";
  const auto empty = open_bytes(
      folder,
      R"({"b":{"dtype":"F32","shape":[2,0],"data_offsets":[1,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"c":{"dtype":"U8","shape":[0,18446744073709551615,18446744073709551615],"data_offsets":[1,1]}})",
      "x");
  ASSERT_THAT(empty.tensors(), SizeIs(3));
  EXPECT_EQ(empty.read_float(*empty.find("b")).size(), 0);
  EXPECT_THAT(empty.read_integers(*empty.find("c")), IsEmpty());
  const auto odd_names = open_bytes(
      folder,
      R"({"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"../../etc/passwd\u0000":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
      "");
  EXPECT_THAT(odd_names.tensors(), SizeIs(2));
}

TEST(Safetensors, ListsWhatItCannotShow) {
  const TemporaryFolder folder;
  const auto file = open_bytes(
      folder, R"({"f4":{"dtype":"F4","shape":[2],"data_offsets":[0,1]},"c":{"dtype":"C64","shape":[1],"data_offsets":[1,9]}})",
      std::string(9, '\0'));
  EXPECT_THAT(message_of([&] { file.read_float(*file.find("f4")); }),
              AllOf(HasSubstr("tensor \"f4\" has dtype F4"), HasSubstr("f.safetensors")));
  EXPECT_THAT(message_of([&] { file.read_integers(*file.find("c")); }), HasSubstr("tensor \"c\" has dtype C64"));
}

TEST(Safetensors, EveryTypeHasItsNameAndWidth) {
  const TemporaryFolder folder;
  const std::vector<std::pair<const char*, int>> types = {
      {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},     {"U8", 8},          {"I8", 8},
      {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
      {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
      {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};
  for (const auto& [name, bits] : types) {
    const auto file = open_bytes(
        folder, "{\"t\":{\"dtype\":\"" + std::string(name) + "\",\"shape\":[8],\"data_offsets\":[0," + std::to_string(bits) + "]}}",
        std::string(static_cast<std::size_t>(bits), '\0'));
    EXPECT_STREQ(dtype_name(file.tensors()[0].dtype), name);
    EXPECT_EQ(dtype_bits(file.tensors()[0].dtype), bits);
  }
}

/// Value of a small float by the definition of the format: sign, exponent, fraction.
double by_definition(unsigned bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const unsigned fraction = bits & ((1u << fraction_bits) - 1), exponent = (bits >> fraction_bits) & ((1u << exponent_bits) - 1);
  const double sign = (bits >> (exponent_bits + fraction_bits)) != 0 ? -1 : 1;
  if (exponent == (1u << exponent_bits) - 1) return fraction != 0 ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp((1u << fraction_bits) + fraction, static_cast<int>(exponent) - bias - fraction_bits);
}

class HalfFloats : public ::testing::TestWithParam<std::tuple<const char*, int, int>> {};

TEST_P(HalfFloats, AllBitPatterns) {
  const auto [name, exponent_bits, fraction_bits] = GetParam();
  std::string data;
  for (unsigned bits = 0; bits < 65536; ++bits)
    data += little_endian(bits, 2);
  const TemporaryFolder folder;
  const auto file =
      open_bytes(folder, std::string("{\"t\":{\"dtype\":\"") + name + "\",\"shape\":[65536],\"data_offsets\":[0,131072]}}", data);
  const Tensor values = file.read_float(file.tensors()[0]);
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const double expected = by_definition(bits, exponent_bits, fraction_bits);
    const float found = values.data()[bits];
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(found)) << bits;
    } else {
      ASSERT_EQ(static_cast<double>(found), expected) << bits;
      ASSERT_EQ(std::signbit(found), std::signbit(expected)) << bits;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Safetensors, HalfFloats, ::testing::Values(std::tuple("F16", 5, 10), std::tuple("BF16", 8, 7)));

TEST(Safetensors, DoublesAreRounded) {
  const std::vector<double> values = {0.1,           -0.0,
                                      1e300,         -1e300,
                                      1e-320,        std::numeric_limits<double>::infinity(),
                                      std::nan(""),  3.4028234663852886e38,
                                      3.40282356e38, 3.4028235677973366e38};
  std::string data;
  for (const double value : values)
    data += little_endian(std::bit_cast<std::uint64_t>(value), 8);
  const TemporaryFolder folder;
  const auto file = open_bytes(folder, R"({"t":{"dtype":"F64","shape":[10],"data_offsets":[0,80]}})", data);
  const Tensor read = file.read_float(file.tensors()[0]);
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kMax = std::numeric_limits<float>::max();
  EXPECT_EQ(read.data()[0], 0.1f);
  EXPECT_TRUE(read.data()[1] == 0 && std::signbit(read.data()[1]));
  EXPECT_EQ(read.data()[2], kInfinity);
  EXPECT_EQ(read.data()[3], -kInfinity);
  EXPECT_EQ(read.data()[4], 0);
  EXPECT_EQ(read.data()[5], kInfinity);
  EXPECT_TRUE(std::isnan(read.data()[6]));
  EXPECT_EQ(read.data()[7], kMax);
  EXPECT_EQ(read.data()[8], kMax) << "nearer to the largest float than to the next power of two";
  EXPECT_EQ(read.data()[9], kInfinity) << "half way rounds to even";
}

TEST(Safetensors, IntegersKeepTheirSign) {
  const TemporaryFolder folder;
  const auto file = open_bytes(
      folder,
      R"({"i":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"l":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},"u":{"dtype":"U8","shape":[1],"data_offsets":[16,17]}})",
      little_endian(0xFFFFFFFEu, 4) + little_endian(7, 4) + little_endian(1ull << 63, 8) + "\xFF");
  EXPECT_THAT(file.read_integers(*file.find("i")), ElementsAre(-2, 7));
  EXPECT_THAT(file.read_integers(*file.find("l")), ElementsAre(std::numeric_limits<std::int64_t>::min()));
  EXPECT_THAT(file.read_integers(*file.find("u")), ElementsAre(255));
}

TEST(Safetensors, ManyChunksAreReadWhole) {
  const TemporaryFolder folder;
  SafetensorsWriter writer;
  std::vector<float> values((1u << 20) + 3);  // four chunks and a rest
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i);
  writer.add("x", {static_cast<std::int64_t>(values.size())}, values);
  writer.write(folder / "x.safetensors");
  const SafetensorsFile file(folder / "x.safetensors");
  const Tensor read = file.read_float(file.tensors()[0]);
  EXPECT_TRUE(std::equal(values.begin(), values.end(), read.span().begin(), read.span().end()));
}

TEST(Safetensors, FileTruncatedAfterOpeningIsTold) {
  const TemporaryFolder folder;
  const auto file = open_bytes(folder, R"({"t":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", std::string(16, '\0'));
  std::filesystem::resize_file(folder / "f.safetensors", file.file_size() - 1);
  EXPECT_THAT(message_of([&] { file.read_float(file.tensors()[0]); }), HasSubstr("changed while reading"));
}

TEST(Safetensors, S36TerabytesThatAreNotThereOpenAtOnce) {
  const TemporaryFolder folder;
  const std::uint64_t n = std::uint64_t{1} << 41;
  const std::string header =
      "{\"t\":{\"dtype\":\"U8\",\"shape\":[" + std::to_string(n) + "],\"data_offsets\":[0," + std::to_string(n) + "]}}";
  const auto path = folder.file("big.safetensors", safetensors_bytes(header, ""));
  std::error_code error;
  std::filesystem::resize_file(path, std::filesystem::file_size(path) + n, error);
  if (error) GTEST_SKIP() << "this file system holds no sparse file of 2 TiB: " << error.message();
  EXPECT_EQ(SafetensorsFile(path).tensors()[0].end, n);
}

TEST(SafetensorsWriter, RoundTripIsExactAndDeterministic) {
  const TemporaryFolder folder;
  const std::vector<float> floats = {
      1, -0.0f, std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::infinity(), std::nanf("7"), 0.1f};
  const std::vector<std::int32_t> integers = {std::numeric_limits<std::int32_t>::min(), -1, 0};
  const auto write = [&](const std::filesystem::path& path, bool reversed) {
    SafetensorsWriter writer;
    if (reversed) writer.add("z \"\\\n世", {3}, std::span(integers));
    writer.add("a", {2, 3}, std::span(floats));
    if (!reversed) writer.add("z \"\\\n世", {3}, std::span(integers));
    writer.add("empty", {0, 5}, std::span<const float>());
    writer.set_metadata("text", "the \"cat\"\n\x01 世");
    writer.set_metadata("format", "pt");
    writer.write(path);
  };
  write(folder / "a", false);
  write(folder / "b", true);
  const std::string bytes = bytes_of(folder / "a");
  EXPECT_EQ(bytes, bytes_of(folder / "b")) << "the order of adding does not matter";
  EXPECT_EQ(bytes[8], '{');
  std::uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i)
    header_bytes = header_bytes << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  EXPECT_EQ(header_bytes % 8, 0u);

  const SafetensorsFile file(folder / "a");
  ASSERT_THAT(file.tensors(), SizeIs(3));
  EXPECT_EQ(file.metadata().at("text"), "the \"cat\"\n\x01 世");
  const Tensor read = file.read_float(*file.find("a"));
  EXPECT_THAT(read.shape(), ElementsAre(2, 3));
  for (std::size_t i = 0; i < floats.size(); ++i)
    EXPECT_EQ(std::bit_cast<std::uint32_t>(read.data()[i]), std::bit_cast<std::uint32_t>(floats[i])) << i;
  const auto read_integers = file.read_integers(*file.find("z \"\\\n世"));
  EXPECT_TRUE(std::equal(read_integers.begin(), read_integers.end(), integers.begin(), integers.end()));
}

TEST(SafetensorsWriter, EmptyFileIsValid) {
  const TemporaryFolder folder;
  SafetensorsWriter().write(folder / "e");
  EXPECT_THAT(SafetensorsFile(folder / "e").tensors(), IsEmpty());
}

TEST(SafetensorsWriter, RefusesWhatCouldNotBeRead) {
  const TemporaryFolder folder;
  SafetensorsWriter writer;
  const std::vector<float> values(4);
  EXPECT_THAT(message_of([&] { writer.add("x", {5}, std::span(values)); }), HasSubstr("shape [5], but 4 values"));
  EXPECT_THAT(message_of([&] { writer.add("x", {-2, -2}, std::span(values)); }), HasSubstr("impossible shape"));
  EXPECT_THAT(message_of([&] { writer.add("\xFF", {4}, std::span(values)); }), HasSubstr("not valid UTF-8"));
  EXPECT_THAT(message_of([&] { writer.set_metadata("k", "\xFF"); }), HasSubstr("not valid UTF-8"));
  writer.add("x", {4}, std::span(values));
  writer.add("x", {4}, std::span(values));
  EXPECT_THAT(message_of([&] { writer.write(folder / "f"); }), HasSubstr("tensor \"x\" cannot be written twice"));
  EXPECT_EQ(folder.n_entries(), 0u);
}

}  // namespace
}  // namespace headroom
