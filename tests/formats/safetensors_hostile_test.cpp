#include <gmock/gmock.h>

#include <functional>

#include "core/formats/safetensors.h"
#include "tests/formats/testing.h"

namespace headroom {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing_files::little_endian;
using testing_files::message_of;
using testing_files::safetensors_bytes;
using testing_files::TemporaryFolder;

/// One bad file and what the message must say of it.
struct Hostile {
  const char* name;
  std::string bytes;
  std::vector<const char*> says;
};

std::string zeros(std::size_t n) { return std::string(n, '\0'); }

/// A file with one F32 tensor "t" of the given JSON body, and data bytes.
std::string one(const std::string& body, std::size_t n_data = 16) {
  return safetensors_bytes("{\"t\":" + body + "}", zeros(n_data));
}
/// Two U8 tensors at the given offsets over n_data bytes.
std::string two(const std::string& a, const std::string& b, std::size_t n_data) {
  return safetensors_bytes("{\"a\":{\"dtype\":\"U8\"," + a + "},\"b\":{\"dtype\":\"U8\"," + b + "}}", zeros(n_data));
}
std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

const std::string kGood = R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,16]})";

std::vector<Hostile> container_cases() {
  const std::string lfs =
      "version https://git-lfs.github.com/spec/v1\noid "
      "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
  return {
      {"S1Empty", "", {"has 0 bytes, too short for safetensors"}},
      {"S1SevenBytes", "1234567", {"has 7 bytes, too short"}},
      {"S2HeaderOfNothing", zeros(8), {"the header is empty"}},
      {"S3LengthAllOnes",
       std::string(8, '\xFF') + zeros(100),
       {"claims a header of 18,446,744,073,709,551,615 bytes", "100,000,000"}},
      {"S3LengthJustTooLarge", little_endian(100000001, 8) + zeros(8), {"claims a header of 100,000,001 bytes"}},
      {"S4LengthBeyondFile",
       little_endian(100, 8) + "{}",
       {"claims a header of 100 bytes, but the file has only 10 bytes", "truncated?"}},
      {"S4LengthAtFormatLimit",
       little_endian(100000000, 8) + "{}",
       {"claims a header of 100,000,000 bytes, but the file has only"}},
      {"S31LfsPointer", lfs, {"Git LFS pointer", "git lfs pull"}},
      {"S31Html", "<!DOCTYPE html><html><body>404</body></html>", {"HTML page"}},
      {"S31HtmlUpper", "<HTML><head></head><body>404</body></html>", {"HTML page"}},
      {"S31Zip", "PK\x03\x04" + std::string(60, 'x'), {"zip archive"}},
      {"S31Gguf", "GGUF" + std::string(60, '\x03'), {"GGUF"}},
      {"S31Gzip", "\x1f\x8b\x08" + zeros(1) + std::string(60, 'x'), {"gzip"}},
      {"S31Pickle", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20" + std::string(60, 'x'), {"pickle"}},
      {"S31Random", "hello, this is plain text and no tensor file", {"claims a header of"}},
  };
}

std::vector<Hostile> json_cases() {
  const auto raw = [](const std::string& header) { return safetensors_bytes(header, ""); };
  return {
      {"S6InvalidUtf8", raw("{\"\xFF\":1}"), {"the header is not valid UTF-8 at byte 2"}},
      {"S6Surrogate", raw("{\"\xED\xA0\x80\":1}"), {"not valid UTF-8 at byte 2"}},
      {"S6Bom", raw("\xEF\xBB\xBF{}"), {"byte order mark"}},
      {"S6NulPadding", raw("{}" + zeros(6)), {"holds a NUL at byte 2"}},
      {"S7BraceOnly", raw("{"), {"not valid JSON at byte"}},
      {"S7TrailingGarbage", raw("{} x"), {"not valid JSON at byte"}},
      {"S7TwoObjects", raw("{}{}"), {"not valid JSON at byte 2"}},
      {"S7Comment", raw("{/* c */}"), {"not valid JSON"}},
      {"S7TrailingComma", raw("{\"t\":" + kGood + ",}"), {"not valid JSON"}},
      {"S7NanLiteral", one(R"({"dtype":"F32","shape":[NaN],"data_offsets":[0,16]})"), {"not valid JSON"}},
      {"S7LeadingZero", one(R"({"dtype":"F32","shape":[04],"data_offsets":[0,16]})"), {"not valid JSON"}},
      {"S7LoneSurrogateEscape", raw(R"({"\ud800":1})"), {"not valid JSON"}},
      {"S7RawControlInText", raw("{\"a\nb\":1}"), {"not valid JSON"}},
      {"S9Array", raw("[]"), {"the header must be a JSON object, but it is a list"}},
      {"S9Null", raw("null"), {"must be a JSON object, but it is null"}},
      {"S9Text", raw("\"x\""), {"must be a JSON object"}},
      {"S9Number", raw("7"), {"must be a JSON object, but it is 7"}},
      {"S10DeepInTensor", raw("{\"t\":" + nested(200) + "}"), {"tensor \"t\" must be an object, but it is a list"}},
      {"S10DeepInIgnoredField", one("{\"x\":" + nested(200) + "," + kGood.substr(1)), {"nested deeper than 128 levels"}},
      {"S10VeryDeepInIgnoredField", one("{\"x\":" + nested(100000) + "," + kGood.substr(1)), {"nested deeper than 128 levels"}},
      {"S10VeryDeepObjects",
       one("{\"x\":" +
           [] {
             std::string text;
             for (int i = 0; i < 100000; ++i)
               text += "{\"a\":";
             return text;
           }()),
       {"nested deeper than 128 levels"}},
      {"S7HugeNumber", one(R"({"dtype":"F32","shape":[1e400],"data_offsets":[0,16]})"), {"number too large"}},
  };
}

std::vector<Hostile> tensor_cases() {
  return {
      {"S11DuplicateIdentical",
       safetensors_bytes("{\"t\":" + kGood + ",\"t\":" + kGood + "}", zeros(16)),
       {"tensor \"t\" is there twice"}},
      {"S11DuplicateByEscape",
       safetensors_bytes("{\"t\":" + kGood + ",\"\\u0074\":" + kGood + "}", zeros(16)),
       {"tensor \"t\" is there twice"}},
      {"S11DuplicateContiguous",
       safetensors_bytes(
           R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"t":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "ab"),
       {"tensor \"t\" is there twice"}},
      {"S12DuplicateDtype",
       one(R"({"dtype":"F32","dtype":"F32","shape":[2,2],"data_offsets":[0,16]})"),
       {"tensor \"t\" has dtype twice"}},
      {"S12DuplicateShape", one(R"({"dtype":"F32","shape":[4],"shape":[4],"data_offsets":[0,16]})"), {"has shape twice"}},
      {"S12DuplicateMetadata", safetensors_bytes(R"({"__metadata__":{},"__metadata__":{}})", ""), {"__metadata__ is there twice"}},
      {"S13MetadataNumber",
       safetensors_bytes(R"({"__metadata__":{"a":1}})", ""),
       {"__metadata__ may hold only texts, but \"a\" is 1"}},
      {"S13MetadataNested", safetensors_bytes(R"({"__metadata__":{"a":{}}})", ""), {"__metadata__ may hold only texts"}},
      {"S13MetadataText", safetensors_bytes(R"({"__metadata__":"x"})", ""), {"__metadata__ must be an object"}},
      {"S15UnknownDtype",
       one(R"({"dtype":"Q4_0","shape":[4],"data_offsets":[0,16]})"),
       {"tensor \"t\" has the unknown dtype \"Q4_0\"", "newer"}},
      {"S15LowerCaseDtype", one(R"({"dtype":"f32","shape":[4],"data_offsets":[0,16]})"), {"unknown dtype \"f32\""}},
      {"S15DtypeNumber", one(R"({"dtype":1,"shape":[4],"data_offsets":[0,16]})"), {"has 1 as its dtype"}},
      {"S37DtypeVariantObject", one(R"({"dtype":{"F32":null},"shape":[4],"data_offsets":[0,16]})"), {"has an object as its dtype"}},
      {"S37ArrayForm", one(R"(["F32",[2,2],[0,16]])"), {"tensor \"t\" must be an object, but it is a list"}},
      {"S37TensorNull", one("null"), {"tensor \"t\" must be an object, but it is null"}},
      {"S16MissingDtype", one(R"({"shape":[4],"data_offsets":[0,16]})"), {"tensor \"t\" has no dtype"}},
      {"S16MissingShape", one(R"({"dtype":"F32","data_offsets":[0,16]})"), {"tensor \"t\" has no shape"}},
      {"S16MissingOffsets", one(R"({"dtype":"F32","shape":[4]})"), {"tensor \"t\" has no data_offsets"}},
      {"S16OneOffset", one(R"({"dtype":"F32","shape":[4],"data_offsets":[16]})"), {"tensor \"t\" has 1 data_offsets"}},
      {"S16ThreeOffsets", one(R"({"dtype":"F32","shape":[4],"data_offsets":[0,8,16]})"), {"more than two data_offsets"}},
      {"S17FloatInShape", one(R"({"dtype":"F32","shape":[2.0,2],"data_offsets":[0,16]})"), {"has 2.0 in its shape"}},
      {"S17ExponentInShape", one(R"({"dtype":"F32","shape":[4e0],"data_offsets":[0,16]})"), {"has 4e0 in its shape"}},
      {"S17MinusZeroInShape", one(R"({"dtype":"F32","shape":[4,-0],"data_offsets":[0,0]})", 0), {"has -0 in its shape"}},
      {"S17NegativeInShape", one(R"({"dtype":"F32","shape":[-2,-2],"data_offsets":[0,16]})"), {"has -2 in its shape"}},
      {"S17TextInShape", one(R"({"dtype":"F32","shape":["4"],"data_offsets":[0,16]})"), {"has \"4\" in its shape"}},
      {"S17TwoToThe64InShape", one(R"({"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,16]})"), {"in its shape"}},
      {"S17TrueInOffsets", one(R"({"dtype":"F32","shape":[4],"data_offsets":[true,16]})"), {"has true in its data_offsets"}},
      {"S17FloatInOffsets", one(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16.0]})"), {"has 16.0 in its data_offsets"}},
      {"S17ListInShape", one(R"({"dtype":"F32","shape":[[4]],"data_offsets":[0,16]})"), {"has a list in its shape"}},
      {"S17ShapeIsNumber",
       one(R"({"dtype":"F32","shape":4,"data_offsets":[0,16]})"),
       {"has 4 as its shape, where a list is needed"}},
      {"S18ProductOverflows",
       one(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]})", 0),
       {"does not fit 64 bits"}},
      {"S18ProductOverflowsBeforeZero",
       one(R"({"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]})", 0),
       {"does not fit 64 bits"}},
      {"S18OnlyBitsOverflow",
       one(R"({"dtype":"F64","shape":[288230376151711744],"data_offsets":[0,0]})", 0),
       {"does not fit 64 bits"}},
      {"S20BeginAfterEnd",
       one(R"({"dtype":"F32","shape":[4],"data_offsets":[16,0]})"),
       {"tensor \"t\" ends before it begins (bytes 16 to 0)"}},
      {"S20HoleAtStart",
       one(R"({"dtype":"F32","shape":[3],"data_offsets":[4,16]})"),
       {"tensor \"t\" begins at byte 4, but the data begins at byte 0", "hole"}},
      {"S20HoleBetween",
       two(R"("shape":[2],"data_offsets":[0,2])", R"("shape":[2],"data_offsets":[3,5])", 5),
       {"tensor \"b\" begins at byte 3, but tensor \"a\" ends at byte 2", "hole"}},
      {"S20Overlap",
       two(R"("shape":[3],"data_offsets":[0,3])", R"("shape":[3],"data_offsets":[2,5])", 5),
       {"tensor \"b\"", "tensor \"a\"", "overlap"}},
      {"S20IdenticalRanges",
       two(R"("shape":[3],"data_offsets":[0,3])", R"("shape":[3],"data_offsets":[0,3])", 3),
       {"tensor \"b\"", "tensor \"a\"", "overlap"}},
      {"S21OffsetsNear2To63",
       one(R"({"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,9223372036854775808]})"),
       {"does not fit 64 bits"}},
      {"S21OffsetsNear2To64",
       one(R"({"dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,0]})"),
       {"ends before it begins"}},
      {"S21OffsetsWrap",
       one(R"({"dtype":"U8","shape":[2305843009213693951],"data_offsets":[0,2305843009213693951]})"),
       {"truncated by 2,305,843,009,213,693,935 bytes"}},
      {"S22OneByteMissing", one(kGood, 15), {"the file is truncated by 1 byte"}},
      {"S22FourBytesTooMany", one(kGood, 20), {"the file has 4 unexpected bytes after the last tensor"}},
      {"S22DataWithoutTensors", safetensors_bytes("{}", "abc"), {"3 unexpected bytes"}},
      {"S23SizeDiffersFromShape",
       one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,16]})"),
       {"tensor \"t\" has 16 bytes (0 to 16), but its shape and dtype need 12"}},
      {"S26OddFourBits",
       one(R"({"dtype":"F4","shape":[3],"data_offsets":[0,2]})", 2),
       {"tensor \"t\" does not end on a whole byte"}},
      {"S27RankTooHigh",
       one(
           "{\"dtype\":\"U8\",\"shape\":[1" +
               [] {
                 std::string text;
                 for (int i = 1; i < 10000; ++i)
                   text += ",1";
                 return text;
               }() +
               "],\"data_offsets\":[0,1]}",
           1),
       {"tensor \"t\" has more than 16 dimensions"}},
      {"S28NameTooLong",
       safetensors_bytes("{\"" + std::string(1000000, 'n') + "\":" + kGood + "}", zeros(16)),
       {"has a name of 1,000,000 bytes"}},
      {"S28EvilNameIsEscaped",
       safetensors_bytes("{\"\\u202e\\u001b[31m\":1}", ""),
       {"tensor \"\\u{202E}\\u{1B}[31m\" must be an object"}},
  };
}

class SafetensorsHostile : public ::testing::TestWithParam<Hostile> {};

TEST_P(SafetensorsHostile, IsRefusedWithFileAndReason) {
  const TemporaryFolder folder;
  const auto path = folder.file("bad.safetensors", GetParam().bytes);
  const std::string message = message_of([&] { const SafetensorsFile file(path); });
  EXPECT_THAT(message, StartsWith(path.native() + ": "));
  for (const char* part : GetParam().says)
    EXPECT_THAT(message, HasSubstr(part));
  EXPECT_EQ(message.find('\n'), std::string::npos) << "one sentence";
  EXPECT_LT(message.size(), 500u);
}

const auto kName = [](const auto& info) { return std::string(info.param.name); };
INSTANTIATE_TEST_SUITE_P(Container, SafetensorsHostile, ::testing::ValuesIn(container_cases()), kName);
INSTANTIATE_TEST_SUITE_P(Json, SafetensorsHostile, ::testing::ValuesIn(json_cases()), kName);
INSTANTIATE_TEST_SUITE_P(Tensor, SafetensorsHostile, ::testing::ValuesIn(tensor_cases()), kName);

TEST(SafetensorsLimits, S5HeaderSoftCapAndOverride) {
  const TemporaryFolder folder;
  const auto path = folder.file("wide.safetensors", safetensors_bytes("{}" + std::string((16u << 20) - 1, ' '), ""));
  EXPECT_THAT(message_of([&] { const SafetensorsFile file(path); }), HasSubstr("more than the limit of 16,777,216"));
  EXPECT_TRUE(SafetensorsFile(path, {.max_header_bytes = 100000000}).tensors().empty());
}

TEST(SafetensorsLimits, S5NumberOfTensors) {
  const TemporaryFolder folder;
  const auto path =
      folder.file("two.safetensors", two(R"("shape":[1],"data_offsets":[0,1])", R"("shape":[1],"data_offsets":[1,2])", 2));
  EXPECT_EQ(SafetensorsFile(path, {.max_tensors = 2}).tensors().size(), 2u);
  EXPECT_THAT(message_of([&] { SafetensorsFile(path, {.max_tensors = 1}); }), HasSubstr("lists more than 1 tensor"));
}

}  // namespace
}  // namespace headroom
