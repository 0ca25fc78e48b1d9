// Files that the format allows and that readers stumble over, and paths that are no file.

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <functional>
#include <limits>

#include "core/formats/inspect.h"
#include "core/formats/model_folder.h"
#include "tests/formats/stored_files.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing_files::joined;
using testing_files::kModels;
using testing_files::message_of;
using testing_files::safetensors_bytes;
using testing_files::TemporaryFolder;

SafetensorsFile open_bytes(const TemporaryFolder& folder, std::string_view header, std::string_view data) {
  return SafetensorsFile(folder.file("f.safetensors", safetensors_bytes(header, data)));
}
std::string refusal(const fs::path& path) {
  return message_of([&] { const SafetensorsFile file(path); });
}

TEST(SafetensorsRows, S5AHeaderOfTooManyTensorsStopsAtTheLimit) {
  std::string header;
  for (int i = 0; i < 200000; ++i) {
    header += joined({i == 0 ? "{\"" : ",\"", std::to_string(i), R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})"});
  }
  const TemporaryFolder folder;
  const fs::path path = folder.file("many.safetensors", safetensors_bytes(joined({header, "}"}), ""));
  EXPECT_THAT(message_of([&] { SafetensorsFile(path, {.max_tensors = 1000}); }), HasSubstr("lists more than 1,000 tensors"));
  EXPECT_EQ(SafetensorsFile(path).tensors().size(), 200000u);
  // The soft limit is known before a byte of the header is read: this one is not even there.
  const fs::path wide = folder.file("wide.safetensors", testing_files::little_endian(99000000, 8));
  std::error_code error;
  fs::resize_file(wide, 99000008, error);
  ASSERT_FALSE(error);
  EXPECT_THAT(refusal(wide), HasSubstr("has a header of 99,000,000 bytes, more than the limit of 16,777,216"));
}

TEST(SafetensorsRows, S8WhiteSpaceAroundTheHeader) {
  const TemporaryFolder folder;
  EXPECT_THAT(open_bytes(folder, " \t\r\n{} \t\r\n", "").tensors(), IsEmpty());
}

TEST(SafetensorsRows, S13MetadataMayBeNull) {
  const TemporaryFolder folder;
  EXPECT_THAT(open_bytes(folder, R"({"__metadata__":null})", "").metadata(), IsEmpty());
}

TEST(SafetensorsRows, S14UnknownFieldsAreIgnored) {
  const TemporaryFolder folder;
  const auto file =
      open_bytes(folder, R"({"t":{"x":{"y":[1,[],{}]},"dtype":"U8","stride":[9],"shape":[1],"data_offsets":[0,1],"z":null}})", "a");
  EXPECT_THAT(file.read_integers(file.tensors()[0]), ElementsAre('a'));
}

TEST(SafetensorsRows, S19EmptyTensorsOfAbsurdDimensions) {
  const TemporaryFolder folder;
  const auto file =
      open_bytes(folder, R"({"t":{"dtype":"F32","shape":[0,18446744073709551615,18446744073709551615],"data_offsets":[0,0]}})", "");
  EXPECT_EQ(file.read_float(file.tensors()[0]).size(), 0);
  EXPECT_EQ(file.read_stored(file.tensors()[0]).size(), 0);
  const Inspection inspection = inspect_path(folder / "f.safetensors");
  EXPECT_EQ(inspection.problem, "");
  EXPECT_EQ(inspection.tensors[0].bytes, 0u);
}

TEST(SafetensorsRows, S24ScalarsEmptyTensorsAndNoTensors) {
  const TemporaryFolder folder;
  const auto scalar = open_bytes(folder, R"({"s":{"dtype":"F16","shape":[],"data_offsets":[0,2]}})", std::string("\x00\x3C", 2));
  EXPECT_THAT(scalar.read_float(scalar.tensors()[0]).span(), ElementsAre(1.0F));
  const auto empty = open_bytes(
      folder, R"({"a":{"dtype":"F32","shape":[2,0],"data_offsets":[0,0]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
      "x");
  EXPECT_EQ(empty.read_float(*empty.find("a")).size(), 0);
  EXPECT_THAT(open_bytes(folder, "{}", "").tensors(), IsEmpty());
  EXPECT_EQ(inspect_path(folder / "f.safetensors").problem, "");
}

TEST(SafetensorsRows, S25OddOffsetsOfEveryType) {
  const Tensor values = [] {
    Tensor tensor({3, 5});
    for (std::int64_t i = 0; i < tensor.size(); ++i)
      tensor.data()[i] = static_cast<float>(i - 7);
    return tensor;
  }();
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64}) {
    const TemporaryFolder folder;
    const SafetensorsFile file(folder.file(
        "f.safetensors", testing_files::file_of({{"u", DType::kU8, {1}, "x"}, testing_files::raw_tensor("t", values, dtype)})));
    EXPECT_THAT(file.read_float(*file.find("t")).span(), ::testing::ElementsAreArray(values.span()));
    EXPECT_THAT(file.read_stored(*file.find("t")).widened().span(), ::testing::ElementsAreArray(values.span()));
  }
}

TEST(SafetensorsRows, S26TypesThatCannotBeShownAreListed) {
  const TemporaryFolder folder;
  const auto file = open_bytes(
      folder,
      R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]},"b":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[1,4]},"c":{"dtype":"C64","shape":[1],"data_offsets":[4,12]},"d":{"dtype":"F8_E4M3FNUZ","shape":[1],"data_offsets":[12,13]}})",
      std::string(13, '\0'));
  for (const TensorEntry& entry : file.tensors()) {
    EXPECT_THAT(message_of([&] { file.read_float(entry); }), HasSubstr("which is not read as numbers")) << entry.name;
    EXPECT_NE(message_of([&] { file.read_stored(entry); }), "") << entry.name;
  }
  EXPECT_THAT(inspect_path(folder / "f.safetensors").tensors, SizeIs(4));
}

TEST(SafetensorsRows, S28NamesAreKeysAndShownEscaped) {
  const TemporaryFolder folder;
  const auto file = open_bytes(
      folder,
      R"({"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"../../x\u0000":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u202e\u001b[31m":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
      "");
  EXPECT_THAT(file.tensors(), SizeIs(3));
  for (const auto& tensor : inspect_path(folder / "f.safetensors").tensors)
    for (const char c : tensor.name)
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20) << tensor.name;
  EXPECT_EQ(folder.n_entries(), 1u) << "no name became a path";
}

/// A small model whose every number is `value`, stored as `dtype`.
fs::path model_full_of(const TemporaryFolder& folder, float value, DType dtype) {
  fs::copy(kModels / "grammar-mqa", folder / "m");
  std::vector<testing_files::RawTensor> tensors;
  const SafetensorsFile file(kModels / "grammar-mqa/model.safetensors");
  for (const TensorEntry& entry : file.tensors()) {
    Tensor values = file.read_float(entry);
    std::ranges::fill(values.span(), value);
    tensors.push_back(testing_files::raw_tensor(entry.name, values, dtype));
  }
  testing_files::write_bytes(folder / "m/model.safetensors", testing_files::file_of(tensors));
  return folder / "m";
}

TEST(SafetensorsRows, S29NumbersThatAreNoneAreCounted) {
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      const TemporaryFolder folder;
      const fs::path model = model_full_of(folder, value, dtype);
      EXPECT_THAT(load_model_folder(model).notices, ElementsAre(HasSubstr("are NaN or infinite, first in")));
      EXPECT_THAT(inspect_path(model).notices, ElementsAre(HasSubstr("are NaN or infinite")));
    }
  }
  const TemporaryFolder folder;
  EXPECT_THAT(load_model_folder(model_full_of(folder, 1e-40F, DType::kF32)).notices, IsEmpty()) << "denormal numbers are numbers";
}

TEST(SafetensorsRows, S30EqualNumbersZerosAndLargestOnes) {
  for (const float value : {0.25F, -0.0F, std::numeric_limits<float>::max()}) {
    const TemporaryFolder folder;
    const LoadedModel model = load_model_folder(model_full_of(folder, value, DType::kF32));
    EXPECT_THAT(model.notices, IsEmpty());
    const float first = model.params.embedding.data()[0];
    EXPECT_EQ(first, value);
    EXPECT_EQ(std::signbit(first), std::signbit(value));
  }
}

TEST(SafetensorsRows, S32WhatIsNoFileIsRefusedBeforeItIsRead) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal(folder.path()), HasSubstr("is a folder, not a file"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(refusal(folder / "pipe"), HasSubstr("is not a regular file"));
  EXPECT_THAT(refusal("/dev/zero"), HasSubstr("is not a regular file"));
  if (fs::exists("/proc/self/mem")) {
    EXPECT_THAT(refusal("/proc/self/mem"), HasSubstr("too short for safetensors"));
  }
  // The same where a model's file should be.
  fs::copy(kModels / "grammar-mqa", folder / "m");
  fs::remove(folder / "m/model.safetensors");
  ASSERT_EQ(::mkfifo((folder / "m/model.safetensors").c_str(), 0600), 0);
  EXPECT_THAT(message_of([&] { load_model_folder(folder / "m"); }), HasSubstr("model.safetensors: is not a regular file"));
}

TEST(SafetensorsRows, S33DanglingAndLoopingLinks) {
  const TemporaryFolder folder;
  fs::create_symlink("nowhere", folder / "dangling");
  fs::create_symlink("loop", folder / "loop");
  EXPECT_THAT(refusal(folder / "dangling"), HasSubstr("No such file or directory"));
  EXPECT_THAT(refusal(folder / "loop"), HasSubstr("cannot be opened"));
  fs::copy(kModels / "grammar-mqa", folder / "m");
  fs::rename(folder / "m/model.safetensors", folder / "blob");
  fs::create_symlink("../blob", folder / "m/model.safetensors");
  EXPECT_THAT(load_model_folder(folder / "m").notices, IsEmpty());
  fs::remove(folder / "blob");
  EXPECT_THAT(message_of([&] { load_model_folder(folder / "m"); }), HasSubstr("model.safetensors: cannot be opened: No such file"));
}

TEST(SafetensorsRows, S34PermissionIsDenied) {
  if (::geteuid() == 0) GTEST_SKIP() << "everything is permitted to the administrator";
  const TemporaryFolder folder;
  const fs::path path = folder.file("f.safetensors", safetensors_bytes("{}", ""));
  fs::permissions(path, fs::perms::none);
  EXPECT_THAT(refusal(path), HasSubstr("Permission denied"));
}

TEST(SafetensorsRows, S35FilesThatChangeWhileTheyAreRead) {
  const TemporaryFolder folder;
  fs::copy(kModels / "grammar-gqa", folder / "m");
  const fs::path weights = folder / "m/model.safetensors";
  const std::string bytes = testing_files::bytes_of(weights);
  const auto load_and = [&](const std::function<void()>& change) {
    testing_files::write_bytes(weights, bytes);
    bool is_changed = false;
    return message_of([&] {
      load_model_folder(folder / "m", [&](double) {
        if (!is_changed) change();
        is_changed = true;
      });
    });
  };
  EXPECT_EQ(load_and([] {}), "");
  EXPECT_THAT(load_and([&] { fs::resize_file(weights, bytes.size() / 2); }), HasSubstr("the file changed while reading"));
  EXPECT_THAT(load_and([&] { fs::resize_file(weights, bytes.size() + 4); }), HasSubstr("the file changed while reading"));
  EXPECT_THAT(load_and([&] { fs::last_write_time(weights, fs::file_time_type::clock::now() + std::chrono::seconds(7)); }),
              HasSubstr("the file changed while reading"));
  // Another file in its place, as downloads and writers put it there: the one that was opened is read to its end.
  EXPECT_EQ(load_and([&] {
              folder.file("other", "something else");
              fs::rename(folder / "other", weights);
            }),
            "");
}

}  // namespace
}  // namespace headroom
