#include "core/formats/weights_plan.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/formats/model_folder.h"
#include "tests/formats/stored_files.h"

namespace headroom {
namespace {

namespace fs = std::filesystem;
using testing_files::file_of;
using testing_files::kModels;
using testing_files::RawTensor;
using testing_files::TemporaryFolder;

TEST(Weights, WhatTheModelDoesNotUseIsNotRead) {
  const TemporaryFolder folder;
  fs::copy(kModels / "grammar-masked", folder / "m");
  std::vector<RawTensor> tensors = testing_files::tensors_as(folder / "m/model.safetensors", DType::kF32);
  const Tensor nan = [] {
    Tensor tensor({64, 64});
    std::ranges::fill(tensor.span(), std::nanf(""));
    return tensor;
  }();
  for (const char* name : {"bert.pooler.dense.weight", "classifier.weight"})
    tensors.push_back(testing_files::raw_tensor(name, nan, DType::kF32));
  testing_files::write_bytes(folder / "m/model.safetensors", file_of(tensors));
  ModelParams params;
  params.config = read_model_config(folder / "m/config.json");
  const WeightFiles files(folder / "m");
  const WeightsPlan plan = plan_weights(files, params);
  EXPECT_EQ(plan.file_bytes, files.total_bytes() - 2 * nan.span().size_bytes());
  EXPECT_EQ(plan.memory_bytes, plan.file_bytes) << "float32 takes as much in memory";
  for (const std::string& notice : load_model_folder(folder / "m").notices)
    EXPECT_EQ(notice.find("NaN"), std::string::npos) << notice;
}

TEST(Weights, SixteenBitsNeedHalfTheMemory) {
  const TemporaryFolder folder;
  fs::copy(kModels / "grammar-gqa", folder / "m");
  const auto memory = [&] {
    ModelParams params;
    params.config = read_model_config(folder / "m/config.json");
    const WeightFiles files(folder / "m");
    return plan_weights(files, params).memory_bytes;
  };
  const std::uint64_t wide = memory();
  testing_files::rewrite_as(folder / "m", DType::kBF16);
  const std::uint64_t narrow = memory();
  EXPECT_LT(narrow, wide * 51 / 100);
  EXPECT_GT(narrow, wide / 2) << "norms and biases are float32";
  testing_files::write_bytes(folder / "m/model.safetensors",
                             file_of(testing_files::tensors_as(kModels / "grammar-gqa/model.safetensors", DType::kF64)));
  EXPECT_EQ(memory(), wide);
}

}  // namespace
}  // namespace headroom
