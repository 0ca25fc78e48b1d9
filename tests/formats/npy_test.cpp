#include "core/formats/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/formats/capture_file.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using testing::HasSubstr;
using testing_files::little_endian;
using testing_files::message_of;
using testing_files::TemporaryFolder;

std::string dictionary(const std::string& descr, const std::string& order, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

std::string npy(const std::string& header, const std::string& data, int version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes.push_back(static_cast<char>(version));
  bytes.push_back('\0');
  return bytes + little_endian(header.size(), version == 1 ? 2 : 4) + header + data;
}

/// Of the only array of a file with these bytes.
std::vector<float> values_of(const TemporaryFolder& folder, const std::string& bytes) {
  const CaptureFile file = open_capture_file(folder.file("x.npy", bytes));
  std::vector<float> values(static_cast<std::size_t>(file.arrays.at(0).size()));
  file.arrays[0].read(0, values);
  return values;
}

std::string problem_of(const TemporaryFolder& folder, const std::string& bytes) {
  return message_of([&] { open_capture_file(folder.file("x.npy", bytes)); });
}

template <typename T>
std::string bytes_of_number(T value, std::endian order) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  if (order != std::endian::native) std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

TEST(Npy, ReadsEveryNumberTypeInBothByteOrders) {
  const TemporaryFolder folder;
  for (const std::endian order : {std::endian::little, std::endian::big}) {
    const std::string mark = order == std::endian::little ? "<" : ">";
    const auto check = [&](const std::string& type, const std::string& data, float expected) {
      EXPECT_EQ(values_of(folder, npy(dictionary(mark + type, "False", "(1,)"), data)).at(0), expected) << mark << type;
    };
    check("f4", bytes_of_number(-1.5F, order), -1.5F);
    check("f8", bytes_of_number(0.1, order), 0.1F);
    check("f2", bytes_of_number(std::uint16_t{0x3555}, order), 0.333251953125F);
    check("i1", bytes_of_number(std::int8_t{-7}, order), -7);
    check("i2", bytes_of_number(std::int16_t{-700}, order), -700);
    check("i4", bytes_of_number(std::int32_t{-70000}, order), -70000);
    check("i8", bytes_of_number(std::int64_t{-5000000000}, order), -5e9F);
    check("u1", bytes_of_number(std::uint8_t{200}, order), 200);
    check("u2", bytes_of_number(std::uint16_t{60000}, order), 60000);
    check("u4", bytes_of_number(std::uint32_t{4000000000U}, order), 4e9F);
    check("u8", bytes_of_number(std::uint64_t{1} << 63, order), 0x1p63F);
  }
  EXPECT_EQ(values_of(folder, npy(dictionary("|b1", "False", "(2,)"), std::string("\1\0", 2))), (std::vector<float>{1, 0}));
}

TEST(Npy, ADoubleBeyondFloatBecomesInfiniteAndNotANumberStays) {
  const TemporaryFolder folder;
  const std::string data = bytes_of_number(1e300, std::endian::little) + bytes_of_number(-1e300, std::endian::little) +
                           bytes_of_number(3.4028235677973366e38, std::endian::little) +
                           bytes_of_number(std::nan(""), std::endian::little);
  const std::vector<float> values = values_of(folder, npy(dictionary("<f8", "False", "(4,)"), data));
  EXPECT_EQ(values[0], std::numeric_limits<float>::infinity());
  EXPECT_EQ(values[1], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(values[2], std::numeric_limits<float>::infinity());  // half a unit above the largest float rounds up
  EXPECT_TRUE(std::isnan(values[3]));
}

TEST(Npy, ReadsHeadersOfAllThreeVersions) {
  const TemporaryFolder folder;
  const std::string data = bytes_of_number(2.5F, std::endian::little);
  for (const int version : {1, 2, 3})
    EXPECT_EQ(values_of(folder, npy(dictionary("<f4", "False", "(1, 1)"), data, version)), std::vector<float>{2.5F}) << version;
  EXPECT_THAT(problem_of(folder, npy(dictionary("<f4", "False", "(1,)"), data, 4)), HasSubstr("version 4"));
}

TEST(Npy, SortsFortranOrder) {
  const TemporaryFolder folder;
  std::string data;
  for (int i = 0; i < 24; ++i)
    data += bytes_of_number(static_cast<std::int16_t>(i), std::endian::big);
  const std::vector<float> values = values_of(folder, npy(dictionary(">i2", "True", "(2, 3, 4)"), data));
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 3; ++b)
      for (int c = 0; c < 4; ++c)
        EXPECT_EQ(values.at(static_cast<std::size_t>((a * 3 + b) * 4 + c)), static_cast<float>(a + 2 * b + 6 * c));
}

TEST(Npy, ReadsTextsOfFixedWidth) {
  std::string data;
  for (const char32_t c : std::u32string(U"Ġa\U0001F600\0\0\0", 6))
    data += little_endian(c, 4);
  data += little_endian(0x110000, 4) + little_endian(0, 8);
  const NpyHeader header = parse_npy_dictionary(dictionary("<U3", "False", "(3,)"), "x");
  EXPECT_EQ(header.item_bytes(), 12U);
  const TemporaryFolder folder;
  const CaptureFile file = open_capture_file(folder.file("x.npy", npy(dictionary("<U3", "False", "(3,)"), data)));
  EXPECT_EQ(file.texts.at("x").values, (std::vector<std::string>{"Ġa😀", "", "\uFFFD"}));
}

// N2: object arrays, structured types, damaged and hostile headers.
TEST(Npy, N2RefusesWhatIsNoPlainNumber) {
  const TemporaryFolder folder;
  const auto of_type = [&](const std::string& type) {
    return problem_of(folder, npy(dictionary(type, "False", "(1,)"), "12345678"));
  };
  EXPECT_THAT(of_type("|O"), HasSubstr("pickled; they are never read"));
  EXPECT_THAT(of_type("|V2"), HasSubstr("bfloat16"));
  EXPECT_THAT(of_type("<c8"), HasSubstr("complex"));
  EXPECT_THAT(of_type("<f16"), HasSubstr("f2, f4, f8"));
  EXPECT_THAT(of_type("<f3"), HasSubstr("f2, f4, f8"));
  EXPECT_THAT(of_type("<M8[ns]"), HasSubstr("are read"));
  EXPECT_THAT(of_type("<i99999999999999999999"), HasSubstr("are read"));
  EXPECT_THAT(of_type("f"), HasSubstr("are read"));
  EXPECT_THAT(problem_of(folder, npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234")),
              HasSubstr("structured"));
}

TEST(Npy, N2RefusesHeadersThatAreNoLiteral) {
  const TemporaryFolder folder;
  const auto of_header = [&](const std::string& header) { return problem_of(folder, npy(header, "1234")); };
  EXPECT_THAT(of_header("__import__('os').system('true')"), HasSubstr("byte 0"));
  EXPECT_THAT(of_header("{'descr': __import__('os'), 'fortran_order': False, 'shape': (1,)}"), HasSubstr("quoted text"));
  EXPECT_THAT(of_header("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}"), HasSubstr("True or False"));
  EXPECT_THAT(of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1 + 1,)}"), HasSubstr("comma"));
  EXPECT_THAT(of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), HasSubstr("whole number"));
  EXPECT_THAT(of_header("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}"), HasSubstr("twice"));
  EXPECT_THAT(of_header("{'descr': '<f4', 'shape': (1,)}"), HasSubstr("lacks fortran_order"));
  EXPECT_THAT(of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} + x"), HasSubstr("more after"));
  EXPECT_THAT(of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'extra': 1}"), HasSubstr("\"extra\""));
  EXPECT_THAT(of_header("{'descr': '<\\x66"), HasSubstr("escaped"));
  EXPECT_THAT(of_header("{'descr': '<f4"), HasSubstr("without an end"));
  EXPECT_THAT(of_header(""), HasSubstr("something else than {"));
  EXPECT_THAT(of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807)}"),
              HasSubstr("63 bits"));
  EXPECT_THAT(of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}"), HasSubstr("63 bits"));
}

TEST(Npy, N2RefusesWrongLengths) {
  const TemporaryFolder folder;
  const std::string header = dictionary("<f4", "False", "(2, 2)");
  EXPECT_THAT(problem_of(folder, npy(header, "123456789012345")), HasSubstr("truncated by 1 byte"));
  EXPECT_THAT(problem_of(folder, npy(header, "12345678901234567")), HasSubstr("1 unexpected byte"));
  std::string long_header = npy(header, "", 2);
  long_header.replace(8, 4, "\xFF\xFF\xFF\xFF");
  EXPECT_THAT(problem_of(folder, long_header), HasSubstr("claims a header of 4,294,967,295 bytes"));
  EXPECT_THAT(problem_of(folder, npy(header, "").substr(0, 30)), HasSubstr("truncated?"));
  EXPECT_THAT(problem_of(folder, "\x93NUMPY\x01"), HasSubstr("does not begin"));
  EXPECT_THAT(problem_of(folder, ""), HasSubstr("does not begin"));
}

}  // namespace
}  // namespace headroom
