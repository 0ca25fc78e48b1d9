#include "core/formats/shards.h"

#include <gmock/gmock.h>

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
using ::testing::StartsWith;
using testing_files::file_of;
using testing_files::joined;
using testing_files::kModels;
using testing_files::message_of;
using testing_files::RawTensor;
using testing_files::shard_name;
using testing_files::TemporaryFolder;

constexpr const char* kIndex = "model.safetensors.index.json";

RawTensor bytes_tensor(const std::string& name, const std::string& bytes) { return {name, DType::kU8, {bytes.size()}, bytes}; }

/// Two shards: "a" (2 bytes) in the first, "b" (3 bytes) in the second; and an index that may say something else.
struct TwoShards {
  std::vector<RawTensor> first = {bytes_tensor("a", "xy")}, second = {bytes_tensor("b", "123")};
  std::string index =
      R"({"metadata":{"total_size":5},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}})";

  void write(const TemporaryFolder& folder) const {
    folder.file(shard_name(1, 2), file_of(first));
    folder.file(shard_name(2, 2), file_of(second));
    folder.file(kIndex, index);
  }
  std::string refusal() const {
    const TemporaryFolder folder;
    write(folder);
    const std::string message = message_of([&] { WeightFiles files(folder.path()); });
    EXPECT_TRUE(message.empty() || message.starts_with((folder / kIndex).native() + ": ")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << "one sentence";
    return message;
  }
  std::vector<std::string> notices() const {
    const TemporaryFolder folder;
    write(folder);
    return WeightFiles(folder.path()).notices();
  }
};

std::string map_index(const std::string& shard) { return joined({R"({"weight_map":{"a":")", shard, "\"}}"}); }

TEST(Shards, AreOneCheckpoint) {
  const TemporaryFolder folder;
  TwoShards().write(folder);
  const WeightFiles files(folder.path());
  EXPECT_EQ(files.path(), folder / kIndex);
  EXPECT_EQ(files.n_files(), 2u);
  EXPECT_EQ(files.total_bytes(), 5u);
  EXPECT_THAT(files.notices(), IsEmpty());
  ASSERT_THAT(files.tensors(), SizeIs(2));
  EXPECT_EQ(files.tensors()[0].entry->name, "a");
  const StoredTensor b = files.find("b");
  ASSERT_TRUE(b);
  EXPECT_EQ(b.file->path(), folder / shard_name(2, 2));
  EXPECT_THAT(b.file->read_integers(*b.entry), ElementsAre('1', '2', '3'));
  EXPECT_FALSE(files.find("c"));
  EXPECT_FALSE(files.find("A")) << "names are compared byte by byte";
  EXPECT_THAT(weight_file_names(folder.path()), ElementsAre(kIndex, shard_name(1, 2), shard_name(2, 2)));
}

TEST(Shards, AModelInThreeIsTheModelInOne) {
  const TemporaryFolder folder;
  fs::copy(kModels / "grammar-gqa", folder / "m");
  testing_files::cut_into_shards(folder / "m", 3);
  double last = 0;
  const LoadedModel cut = load_model_folder(folder / "m", [&](double share) { last = share; });
  const LoadedModel whole = load_model_folder(kModels / "grammar-gqa");
  EXPECT_EQ(last, 1);
  EXPECT_EQ(cut.notices, whole.notices);
  for (const std::size_t layer : {0u, 3u}) {
    EXPECT_THAT(cut.params.layers[layer].w_down.span(), ::testing::ElementsAreArray(whole.params.layers[layer].w_down.span()));
    EXPECT_THAT(cut.params.layers[layer].w_q.span(), ::testing::ElementsAreArray(whole.params.layers[layer].w_q.span()));
  }
  EXPECT_THAT(cut.params.lm_head.span(), ::testing::ElementsAreArray(whole.params.lm_head.span()));
  const Inspection inspection = inspect_path(folder / "m");
  EXPECT_EQ(inspection.problem, "");
  EXPECT_THAT(inspection.tensors, SizeIs(51));
}

TEST(Shards, AModelWithAMissingShardSaysSo) {
  const TemporaryFolder folder;
  fs::copy(kModels / "grammar-gqa", folder / "m");
  testing_files::cut_into_shards(folder / "m", 3);
  fs::remove(folder / "m" / shard_name(2, 3));
  const std::string message = message_of([&] { load_model_folder(folder / "m"); });
  EXPECT_EQ(message,
            (folder / "m" / kIndex).native() + ": 1 shard is missing: " + shard_name(2, 3) + "; is the download complete?");
  EXPECT_EQ(inspect_path(folder / "m").problem, message);
}

/// As the Hugging Face cache keeps models: the folder holds links to files whose names are their contents' hashes.
TEST(Shards, LinksOfTheHuggingFaceCacheWork) {
  const TemporaryFolder folder;
  fs::create_directories(folder / "snapshots/0123abc");
  fs::create_directories(folder / "blobs");
  fs::copy(kModels / "grammar-gqa", folder / "m");
  testing_files::cut_into_shards(folder / "m", 2);
  int n = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / "m")) {
    const std::string blob = "blob" + std::to_string(n++);
    fs::rename(entry.path(), folder / "blobs" / blob);
    fs::create_symlink(fs::path("../../blobs") / blob, folder / "snapshots/0123abc" / entry.path().filename());
  }
  const fs::path snapshot = folder / "snapshots/0123abc";
  EXPECT_EQ(load_model_folder(snapshot).params.layers.size(), 4u);
  EXPECT_EQ(inspect_path(snapshot).problem, "");
  // A blob that was not downloaded.
  fs::remove(fs::canonical(snapshot / shard_name(1, 2)));
  EXPECT_THAT(message_of([&] { load_model_folder(snapshot); }), HasSubstr("1 shard is missing: " + shard_name(1, 2)));
}

TEST(Shards, SingleFileMayBeALink) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "blobs");
  fs::copy(kModels / "grammar-gqa", folder / "m");
  fs::rename(folder / "m/model.safetensors", folder / "blobs/x");
  fs::create_symlink("../blobs/x", folder / "m/model.safetensors");
  EXPECT_EQ(load_model_folder(folder / "m").params.layers.size(), 4u);
}

TEST(IndexHostile, I1NamesThatLeadElsewhereAreNeverOpened) {
  // What they lead to is there and would be a good shard.
  const TemporaryFolder outside;
  const fs::path good = outside.file("x.safetensors", file_of({bytes_tensor("a", "xy")}));
  const TemporaryFolder folder;
  fs::create_directory(folder / "a");
  fs::copy(good, folder / "a/b.safetensors");
  fs::copy(good, folder / ".hidden.safetensors");
  fs::copy(good, folder / "sp ace.safetensors");
  const std::string up = joined({"../", outside.path().filename().native(), "/x.safetensors"});
  const std::vector<std::string> names = {up,
                                          good.native(),
                                          "/etc/passwd",
                                          "a/b.safetensors",
                                          R"(..\\x.safetensors)",
                                          R"(C:\\x.safetensors)",
                                          "C:x.safetensors",
                                          "",
                                          ".",
                                          "..",
                                          ".hidden.safetensors",
                                          "sp ace.safetensors",
                                          "x.safetensors ",
                                          R"(x\u0000.safetensors)",
                                          R"(\u202exyz.safetensors)",
                                          std::string(300, 'x') + ".safetensors"};
  for (const std::string& name : names) {
    folder.file(kIndex, map_index(name));
    const std::string message = message_of([&] { WeightFiles files(folder.path()); });
    EXPECT_THAT(message, HasSubstr("is no plain name of a file in this folder; nothing outside it is opened")) << name;
    EXPECT_THAT(message, StartsWith((folder / kIndex).native())) << name;
    EXPECT_LT(message.size(), 600u);
    EXPECT_THAT(weight_file_names(folder.path()), IsEmpty());
  }
}

TEST(IndexHostile, I2MapsThatAreNone) {
  TwoShards shards;
  shards.index = "{}";
  EXPECT_THAT(shards.refusal(), HasSubstr("has no weight_map"));
  shards.index = R"({"weight_map":[]})";
  EXPECT_THAT(shards.refusal(), HasSubstr("weight_map is a list, where an object is needed"));
  shards.index = R"({"weight_map":null})";
  EXPECT_THAT(shards.refusal(), HasSubstr("weight_map is null"));
  shards.index = R"({"weight_map":{}})";
  EXPECT_THAT(shards.refusal(), HasSubstr("weight_map is empty"));
  shards.index = R"({"weight_map":{"a":1}})";
  EXPECT_THAT(shards.refusal(), HasSubstr("weight_map holds 1 for tensor \"a\""));
  shards.index = R"({"weight_map":{"a":["model-00001-of-00002.safetensors"]}})";
  EXPECT_THAT(shards.refusal(), HasSubstr("weight_map holds a list for tensor \"a\""));
  shards.index = "[]";
  EXPECT_THAT(shards.refusal(), HasSubstr("must be a JSON object, but it is a list"));
  shards.index = "";
  EXPECT_NE(shards.refusal(), "");
  shards.index = "{\"weight_map\":{\"\xFF\":\"x.safetensors\"}}";
  EXPECT_THAT(shards.refusal(), HasSubstr("UTF-8"));
  shards.index = R"({"weight_map":{"a":"model-00001-of-00002.safetensors","a":"model-00002-of-00002.safetensors"}})";
  EXPECT_THAT(shards.refusal(), HasSubstr("names tensor \"a\" twice"));
}

TEST(IndexHostile, I3MissingShardsAreListed) {
  const TemporaryFolder folder;
  TwoShards().write(folder);
  fs::remove(folder / shard_name(2, 2));
  EXPECT_THAT(message_of([&] { WeightFiles files(folder.path()); }),
              HasSubstr("1 shard is missing: model-00002-of-00002.safetensors; is the download complete?"));
  fs::remove(folder / shard_name(1, 2));
  EXPECT_THAT(message_of([&] { WeightFiles files(folder.path()); }),
              HasSubstr("2 shards are missing: model-00001-of-00002.safetensors, model-00002-of-00002.safetensors; is"));
  fs::create_symlink("nowhere", folder / shard_name(1, 2));
  EXPECT_THAT(message_of([&] { WeightFiles files(folder.path()); }), HasSubstr("2 shards are missing"));
}

TEST(IndexHostile, I3GapsInTheNumbersAreMissingShards) {
  const TemporaryFolder folder;
  folder.file(shard_name(1, 3), file_of({bytes_tensor("a", "xy")}));
  folder.file(shard_name(3, 3), file_of({bytes_tensor("b", "123")}));
  folder.file(kIndex, joined({R"({"weight_map":{"a":")", shard_name(1, 3), R"(","b":")", shard_name(3, 3), "\"}}"}));
  EXPECT_THAT(message_of([&] { WeightFiles files(folder.path()); }),
              HasSubstr("1 shard is missing: model-00002-of-00003.safetensors; is the download complete?"));
}

TEST(IndexHostile, I3ShardsWithoutNumbersMayHaveAnyName) {
  const TemporaryFolder folder;
  folder.file("first.safetensors", file_of({bytes_tensor("a", "xy")}));
  folder.file("rest-of-it.safetensors", file_of({bytes_tensor("b", "123")}));
  folder.file(kIndex, R"({"weight_map":{"a":"first.safetensors","b":"rest-of-it.safetensors"}})");
  EXPECT_THAT(WeightFiles(folder.path()).tensors(), SizeIs(2));
}

TEST(IndexHostile, I3AShardThatIsSomethingElse) {
  TwoShards shards;
  const TemporaryFolder folder;
  shards.write(folder);
  folder.file(shard_name(2, 2), "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
  EXPECT_THAT(message_of([&] { WeightFiles files(folder.path()); }), HasSubstr("Git LFS pointer"));
  fs::remove(folder / shard_name(2, 2));
  fs::create_directory(folder / shard_name(2, 2));
  EXPECT_THAT(message_of([&] { WeightFiles files(folder.path()); }), HasSubstr("is a folder, not a file"));
  fs::remove(folder / shard_name(2, 2));
  fs::create_symlink(shard_name(2, 2), folder / shard_name(2, 2));
  EXPECT_NE(message_of([&] { WeightFiles files(folder.path()); }), "") << "a link to itself";
}

TEST(IndexHostile, I4TensorsMustBeWhereTheIndexSays) {
  TwoShards shards;
  shards.second = {bytes_tensor("c", "123")};
  EXPECT_THAT(shards.refusal(), HasSubstr("tensor \"b\" is mapped to shard model-00002-of-00002.safetensors but not in it"));
  shards.first = {bytes_tensor("a", "xy"), bytes_tensor("b", "1")};
  EXPECT_THAT(shards.refusal(), HasSubstr("but not in it; it is in model-00001-of-00002.safetensors"));
}

TEST(IndexHostile, I4ATensorInTwoShards) {
  TwoShards shards;
  shards.second = {bytes_tensor("b", "123"), bytes_tensor("a", "zz")};
  EXPECT_THAT(shards.refusal(),
              HasSubstr("tensor \"a\" is in two shards, model-00001-of-00002.safetensors and model-00002-of-00002.safetensors"));
}

TEST(IndexHostile, I5UnmappedTensorsAreToldAndLeftOut) {
  TwoShards shards;
  shards.second.push_back(bytes_tensor("extra", "9"));
  shards.index.replace(shards.index.find("5"), 1, "6");
  const TemporaryFolder folder;
  shards.write(folder);
  const WeightFiles files(folder.path());
  EXPECT_THAT(files.notices(), ElementsAre("1 tensor is in a shard but not in the index, so not used: extra."));
  EXPECT_FALSE(files.find("extra"));
  EXPECT_EQ(files.total_bytes(), 5u);
}

TEST(IndexHostile, I5WrongTotalSizesAreTold) {
  for (const auto& [written, shown] :
       {std::pair("-5", "-5"), {"1e99", ""}, {"\"five\"", "\"five\""}, {"7", "7 bytes"}, {"[]", "a list"}}) {
    TwoShards shards;
    shards.index.replace(shards.index.find(":5}") + 1, 1, written);
    EXPECT_THAT(shards.notices(), ElementsAre(HasSubstr("but they take 5 bytes"))) << written;
    EXPECT_THAT(shards.notices()[0], HasSubstr(std::string("The index says that the tensors take ") + shown));
  }
  TwoShards shards;
  shards.index.replace(shards.index.find(":5}") + 1, 1, "null");
  EXPECT_THAT(shards.notices(), IsEmpty());
}

TEST(IndexHostile, I6TooManyShardsAndTooLargeAnIndex) {
  const TemporaryFolder folder;
  std::string map;
  for (int i = 0; i < 100000; ++i) {
    const std::string number = std::to_string(i);
    map += joined({i == 0 ? "\"t" : ",\"t", number, "\":\"s", number, ".safetensors\""});
  }
  folder.file(kIndex, joined({R"({"weight_map":{)", map, "}}"}));
  EXPECT_THAT(message_of([&] { WeightFiles files(folder.path()); }), HasSubstr("names 100,000 shards, more than the limit of 512"));
  fs::resize_file(folder / kIndex, 50u << 20);
  EXPECT_THAT(message_of([&] { WeightFiles files(folder.path()); }), HasSubstr("more than the limit of 16,777,216"));
}

TEST(IndexHostile, I7NamesAreComparedByteByByte) {
  TwoShards shards;
  const TemporaryFolder folder;
  shards.write(folder);
  folder.file("\xFF\xFE.safetensors", "not looked at");
  EXPECT_THAT(WeightFiles(folder.path()).tensors(), SizeIs(2)) << "other files of any name are passed over";
  fs::rename(folder / shard_name(1, 2), folder / "Model-00001-of-00002.safetensors");
  EXPECT_THAT(message_of([&] { WeightFiles files(folder.path()); }), HasSubstr("1 shard is missing: model-00001"));
  const TemporaryFolder upper;
  upper.file("Model.safetensors", file_of({bytes_tensor("a", "xy")}));
  EXPECT_THAT(message_of([&] { WeightFiles files(upper.path()); }), HasSubstr("there is no model.safetensors"));
  const TemporaryFolder evil;
  fs::create_directory(evil / "\x1b[31m\xFF");
  EXPECT_THAT(message_of([&] { WeightFiles files(evil / "\x1b[31m\xFF"); }), HasSubstr("\\u{1B}[31m\\xFF: there is no"));
}

TEST(IndexHostile, I8FoldersOfWhichAPartIsThere) {
  const TemporaryFolder folder;
  fs::copy(kModels / "grammar-gqa", folder / "m");
  fs::remove(folder / "m/model.safetensors");
  const Inspection no_weights = inspect_path(folder / "m");
  EXPECT_THAT(no_weights.problem, HasSubstr("there is no model.safetensors"));
  EXPECT_THAT(no_weights.facts, ::testing::Contains(::testing::Pair("heads", "8"))) << "what is there is told";
  fs::remove(folder / "m/config.json");
  const Inspection only_tokenizer = inspect_path(folder / "m");
  EXPECT_THAT(only_tokenizer.problem, HasSubstr("config.json: cannot be opened: No such file or directory"));
  fs::copy(kModels / "grammar-gqa/model.safetensors", folder / "m/model.safetensors");
  const Inspection no_config = inspect_path(folder / "m");
  EXPECT_THAT(no_config.problem, HasSubstr("config.json: cannot be opened"));
  EXPECT_THAT(no_config.tensors, SizeIs(51)) << "its tensors are listed all the same";
}

TEST(IndexHostile, I9TheSingleFileIsTakenBeforeTheIndex) {
  const TemporaryFolder folder;
  TwoShards().write(folder);
  folder.file("model.safetensors", file_of({bytes_tensor("single", "1")}));
  const WeightFiles files(folder.path());
  EXPECT_EQ(files.path(), folder / "model.safetensors");
  EXPECT_TRUE(files.find("single"));
  EXPECT_FALSE(files.find("a"));
  EXPECT_THAT(files.notices(),
              ElementsAre(HasSubstr("both model.safetensors and model.safetensors.index.json: the single file was read")));
  EXPECT_THAT(weight_file_names(folder.path()), ElementsAre("model.safetensors"));
}

TEST(IndexHostile, I10PicklesAreNeverRead) {
  TwoShards shards;
  shards.index = map_index("pytorch_model-00001-of-00002.bin");
  EXPECT_THAT(shards.refusal(), HasSubstr("is no .safetensors file: save the model as safetensors"));
  const TemporaryFolder folder;
  folder.file("pytorch_model.bin.index.json", "{}");
  EXPECT_THAT(message_of([&] { WeightFiles files(folder.path()); }),
              HasSubstr("there is pytorch_model.bin.index.json but no model.safetensors: save the model as safetensors"));
}

TEST(Shards, AFileThatChangedSinceItWasOpenedIsTold) {
  const TemporaryFolder folder;
  TwoShards().write(folder);
  const WeightFiles files(folder.path());
  files.check_unchanged();
  fs::last_write_time(folder / shard_name(2, 2), fs::file_time_type::clock::now() + std::chrono::seconds(5));
  EXPECT_THAT(message_of([&] { files.check_unchanged(); }),
              ::testing::AllOf(HasSubstr(shard_name(2, 2)), HasSubstr("the file changed while reading")));
}

}  // namespace
}  // namespace headroom
