#include <gmock/gmock.h>

#include <map>

#include "core/formats/model_folder.h"
#include "core/formats/save_model.h"
#include "core/formats/slot_reader.h"
#include "core/model/surgery.h"
#include "core/model/translation_pass.h"
#include "core/training/layout.h"
#include "tests/formats/stored_files.h"
#include "tests/model/families.h"
#include "tests/model/models.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing_files::message_of;
using testing_files::TemporaryFolder;

constexpr const char* kTokenizer =
    R"({"pre_tokenizer":{"type":"Whitespace"},"model":{"type":"WordLevel","vocab":{"u":0,"a":1,"b":2},"unk_token":"u"}})";

/// Every tensor as float32.
ModelParams widened(ModelParams params) {
  test::for_each_tensor(params, [](Tensor& tensor) { tensor = tensor.widened(); });
  return params;
}

std::vector<std::vector<float>> values_of(const ModelParams& params) {
  std::vector<std::vector<float>> values;
  test::for_each_tensor(params, [&](const Tensor& tensor) {
    const Tensor wide = tensor.widened();
    values.emplace_back(wide.span().begin(), wide.span().end());
  });
  return values;
}

std::vector<float> logits_of(const ModelParams& params) {
  test::CpuAttention cpu;
  const std::vector<std::int32_t> ids = {3, 1, 4, 1, 5};
  if (params.config.kind == ModelKind::kEncoderDecoder) {
    const TranslationTrace trace = translate_pass(params, ids, ids, *cpu.backend, cpu.pool);
    return {trace.decoder.logits.span().begin(), trace.decoder.logits.span().end()};
  }
  const ForwardTrace trace = cpu.pass(params, ids);
  return {trace.logits.span().begin(), trace.logits.span().end()};
}

struct Case {
  std::string family;
  DType dtype;
};

class StoredType : public ::testing::TestWithParam<Case> {
 protected:
  struct Models {
    ModelParams params, loaded;
  };
  /// Written and read once for all tests of a case.
  static const Models& models() {
    static std::map<std::pair<std::string, DType>, Models> known;
    const auto& [family, dtype] = GetParam();
    Models& models = known[{family, dtype}];
    if (models.params.layers.empty()) {
      const TemporaryFolder folder;
      models.params = test::stirred_params(test::family_config(family), 5);
      save_model_folder(models.params, kTokenizer, folder / "m");
      testing_files::rewrite_as(folder / "m", dtype);
      models.loaded = load_model_folder(folder / "m").params;
    }
    return models;
  }
  FloatType type() const { return stored_type(GetParam().dtype); }
  /// What the file holds.
  float rounded(float value) const {
    if (type() == FloatType::kFloat16) return from_float16(to_float16(value));
    if (type() == FloatType::kBFloat16) return from_bfloat16(to_bfloat16(value));
    return value;
  }

  const ModelParams &params_ = models().params, &loaded_ = models().loaded;
};

TEST_P(StoredType, MatricesKeepItAndTheRestIsFloat32) {
  const std::vector<const Tensor*> tables = {&loaded_.positions, &loaded_.encoder_positions, &loaded_.token_types};
  test::for_each_tensor(loaded_, [&](const Tensor& tensor) {
    if (tensor.empty()) return;
    const bool is_narrow = tensor.rank() == 2 && std::ranges::find(tables, &tensor) == tables.end();
    EXPECT_EQ(tensor.type(), is_narrow ? type() : FloatType::kFloat32) << shape_text(tensor.shape());
  });
}

TEST_P(StoredType, ValuesAreTheFiles) {
  std::vector<std::vector<float>> expected = values_of(params_);
  for (std::vector<float>& tensor : expected)
    for (float& value : tensor)
      value = rounded(value);
  EXPECT_EQ(values_of(loaded_), expected);
}

TEST_P(StoredType, APassIsThatOfTheWidenedModelBitForBit) { EXPECT_EQ(logits_of(loaded_), logits_of(widened(loaded_))); }

TEST_P(StoredType, SurgeryIsThatOfTheWidenedModel) {
  const ModelParams wide = widened(loaded_);
  const std::vector<HeadRef> heads = {{0, 1}, {1, 0}, {1, 2}};
  const ModelParams pruned = prune_heads(loaded_, heads);
  EXPECT_EQ(values_of(pruned), values_of(prune_heads(wide, heads)));
  EXPECT_EQ(pruned.layers[1].w_o.type(), type());
  EXPECT_EQ(values_of(fill_pruned_heads(pruned)), values_of(fill_pruned_heads(prune_heads(wide, heads))));
  EXPECT_EQ(logits_of(pruned), logits_of(widened(pruned)));
  const ModelParams pooled = pool_kv_heads(loaded_, 1);
  EXPECT_EQ(values_of(pooled), values_of(pool_kv_heads(wide, 1)));
  EXPECT_EQ(logits_of(pooled), logits_of(widened(pooled)));
  for (const std::int64_t h : valid_heads(loaded_.config.shape, loaded_.config.positions))
    EXPECT_EQ(values_of(slice_heads(loaded_, h)), values_of(slice_heads(wide, h))) << h;
}

TEST_P(StoredType, TrainingStartsFromTheSameValues) {
  const ParameterLayout layout(loaded_.config);
  EXPECT_EQ(flatten(layout, loaded_), flatten(layout, widened(loaded_)));
}

TEST_P(StoredType, SavingWritesWhatTheWidenedModelWrites) {
  for (const SavedFloats floats : {SavedFloats::kFloat32, SavedFloats::kFloat16}) {
    const TemporaryFolder folder;
    save_model_folder(loaded_, kTokenizer, folder / "a", {.floats = floats});
    save_model_folder(widened(loaded_), kTokenizer, folder / "b", {.floats = floats});
    EXPECT_EQ(testing_files::bytes_of(folder / "a/model.safetensors"), testing_files::bytes_of(folder / "b/model.safetensors"));
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::string& family : test::kFamilies)
    for (const DType dtype : {DType::kF16, DType::kBF16, DType::kF64})
      all.push_back({family, dtype});
  return all;
}
INSTANTIATE_TEST_SUITE_P(Families, StoredType, ::testing::ValuesIn(cases()),
                         [](const auto& param_info) { return param_info.param.family + "_" + dtype_name(param_info.param.dtype); });

/// A slot of any layout with two parts, read from a file of `dtype`; rows larger than a piece where asked.
struct SlotCase {
  SlotLayout layout = SlotLayout::kStacked;
  std::int64_t rows_a = 4, rows_b = 2, cols = 3, skipped = 0, n_blocks = 1;
};

void check_slot(const SlotCase& c, DType dtype) {
  SCOPED_TRACE(std::string(dtype_name(dtype)) + " " + std::to_string(c.rows_a) + "x" + std::to_string(c.cols));
  Tensor a, b;
  TensorSlot slot;
  slot.name = "t";
  slot.layout = c.layout;
  slot.skipped_rows = c.skipped;
  slot.n_blocks = c.n_blocks;
  slot.parts = {{&a, {c.rows_a, c.cols}}, {&b, {c.rows_b, c.cols}}};
  const std::int64_t rows = c.skipped + c.rows_a + c.rows_b;
  const bool is_transposed = c.layout == SlotLayout::kTransposed;
  slot.shape = is_transposed ? std::vector<std::int64_t>{c.cols, rows} : std::vector<std::int64_t>{rows, c.cols};
  // Whole numbers that every type holds.
  const auto value = [](std::int64_t r, std::int64_t col) { return static_cast<float>((31 * r + 7 * col) % 251); };
  Tensor file_values(slot.shape);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t col = 0; col < c.cols; ++col)
      file_values.data()[is_transposed ? col * rows + r : r * c.cols + col] = value(r, col);
  const TemporaryFolder folder;
  const fs::path path = folder.file("t.safetensors", testing_files::file_of({testing_files::raw_tensor("t", file_values, dtype)}));
  const SafetensorsFile file(path);
  std::uint64_t bytes = 0, largest = 0;
  const ReadWatch watch{[&](std::uint64_t n) {
                          bytes += n;
                          largest = std::max(largest, n);
                        },
                        {}};
  EXPECT_EQ(read_slot({&file, file.find("t"), slot}, watch), 0u);
  EXPECT_LE(largest, std::max<std::uint64_t>(kReadPieceBytes, static_cast<std::uint64_t>(rows) * 8));
  const std::uint64_t skipped_bytes = static_cast<std::uint64_t>(c.skipped * c.cols * dtype_bits(dtype) / 8);
  EXPECT_EQ(bytes, file.find("t")->end - skipped_bytes) << "what is skipped is not read";
  const std::int64_t a_run = c.rows_a / c.n_blocks, b_run = c.rows_b / c.n_blocks;
  for (const auto& [tensor, first, run] : {std::tuple(&a, std::int64_t{0}, a_run), {&b, a_run, b_run}}) {
    EXPECT_EQ(tensor->type(), stored_type(dtype));
    const Tensor wide = tensor->widened();
    bool is_same = true;
    for (std::int64_t r = 0; r < tensor->dim(0); ++r) {
      const std::int64_t file_row = c.skipped + r / run * (a_run + b_run) + first + r % run;
      for (std::int64_t col = 0; col < c.cols; ++col)
        is_same = is_same && wide.row(r)[static_cast<std::size_t>(col)] == value(file_row, col);
    }
    EXPECT_TRUE(is_same);
  }
  // What is written from the parts is what was read, but for the rows that no part has.
  Tensor written = slot_values(slot);
  for (std::int64_t r = 0; r < c.skipped; ++r)
    for (std::int64_t col = 0; col < c.cols; ++col)
      written.row(r)[static_cast<std::size_t>(col)] = value(r, col);
  EXPECT_TRUE(std::ranges::equal(written.span(), file_values.span()));
}

TEST(SlotReader, EveryLayoutInEveryType) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64}) {
    check_slot({}, dtype);
    check_slot({.skipped = 2}, dtype);
    check_slot({.layout = SlotLayout::kTransposed}, dtype);
    check_slot({.layout = SlotLayout::kTransposed, .rows_a = 37, .rows_b = 17, .cols = 33}, dtype);
    check_slot({.layout = SlotLayout::kInterleaved, .rows_a = 8, .rows_b = 4, .cols = 5, .n_blocks = 4}, dtype);
  }
}

TEST(SlotReader, TensorsOfManyPieces) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF64}) {
    check_slot({.rows_a = 700, .rows_b = 301, .cols = 1000}, dtype);
    check_slot({.layout = SlotLayout::kTransposed, .rows_a = 700, .rows_b = 301, .cols = 999}, dtype);
  }
}

TEST(SlotReader, StopsInsideALargeTensor) {
  const TemporaryFolder folder;
  Tensor values({3000, 1000}), to;
  const SafetensorsFile file(
      folder.file("t.safetensors", testing_files::file_of({testing_files::raw_tensor("t", values, DType::kF32)})));
  std::stop_source source;
  int n_pieces = 0;
  const ReadWatch watch{[&](std::uint64_t) {
                          if (++n_pieces == 3) source.request_stop();
                        },
                        source.get_token()};
  const TensorSlot slot = TensorSlot::plain("t", {3000, 1000}, to);
  EXPECT_THROW(read_slot({&file, file.find("t"), slot}, watch), Cancelled);
  EXPECT_EQ(n_pieces, 3) << "of 12: nothing is read after the stop";
}

TEST(SlotReader, CountsWhatIsNoNumberInEveryType) {
  const float infinity = std::numeric_limits<float>::infinity();
  Tensor values({2, 3}), to;
  std::ranges::copy(std::vector<float>{1, infinity, -infinity, std::nanf(""), 0, 65504}, values.data());
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64}) {
    const TemporaryFolder folder;
    const SafetensorsFile file(
        folder.file("t.safetensors", testing_files::file_of({testing_files::raw_tensor("t", values, dtype)})));
    const TensorSlot slot = TensorSlot::plain("t", {2, 3}, to);
    EXPECT_EQ(read_slot({&file, file.find("t"), slot}), 3u) << dtype_name(dtype);
    EXPECT_EQ(count_non_finite(StoredTensor{&file, file.find("t")}), 3u);
  }
}

TEST(SlotReader, AFileThatEndsMeanwhileIsTold) {
  const TemporaryFolder folder;
  Tensor values({20, 10}), to;
  const fs::path path = folder.file("t.safetensors", testing_files::file_of({testing_files::raw_tensor("t", values, DType::kF32)}));
  const SafetensorsFile file(path);
  fs::resize_file(path, fs::file_size(path) - 4);
  const TensorSlot slot = TensorSlot::plain("t", {20, 10}, to);
  EXPECT_THAT(message_of([&] { read_slot({&file, file.find("t"), slot}); }), HasSubstr("the file changed while reading"));
}

TEST(StoredTensors, AreReadAsTheyLie) {
  Tensor values({2, 3});
  std::ranges::copy(std::vector<float>{1, -2, 0.5F, 3, 4, 65504}, values.data());
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64}) {
    const TemporaryFolder folder;
    const SafetensorsFile file(
        folder.file("t.safetensors", testing_files::file_of({testing_files::raw_tensor("t", values, dtype)})));
    const Tensor read = file.read_stored(*file.find("t"));
    EXPECT_EQ(read.type(), stored_type(dtype));
    EXPECT_EQ(read.shape(), values.shape());
    EXPECT_THAT(read.widened().span(), ::testing::ElementsAreArray(file.read_float(*file.find("t")).span()));
  }
  const TemporaryFolder folder;
  const SafetensorsFile file(folder.file("t.safetensors", testing_files::file_of({{"i", DType::kI64, {1}, std::string(8, '\0')}})));
  EXPECT_THAT(message_of([&] { file.read_stored(*file.find("i")); }), HasSubstr("has dtype I64"));
  std::byte more[9];
  EXPECT_THAT(message_of([&] { file.read_bytes(*file.find("i"), 0, more); }), HasSubstr("has 8 bytes, fewer than were asked for"));
  EXPECT_NE(message_of([&] { file.read_bytes(*file.find("i"), 9, std::span(more, 0)); }), "");
}

}  // namespace
}  // namespace headroom
