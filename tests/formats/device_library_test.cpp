#include "core/formats/device_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/formats/card_library.h"
#include "core/formats/json_value.h"
#include "core/formats/plan_json.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

using testing::HasSubstr;

const std::filesystem::path kSource = HEADROOM_SOURCE_DIR;

const std::vector<Device>& library() {
  static const std::vector<Device> devices = read_device_library(kSource / "assets" / "devices");
  return devices;
}

class DeviceFile : public testing::Test {
 protected:
  DeviceFile() { std::filesystem::create_directories(folder_); }
  ~DeviceFile() override { std::filesystem::remove_all(folder_); }

  Device read(const std::string& text) const {
    const std::filesystem::path path = folder_ / "mine.json";
    std::ofstream(path) << text;
    return read_device_file(path);
  }
  std::string refusal(const std::string& text) const {
    try {
      read(text);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  const std::filesystem::path folder_ = std::filesystem::path(testing::TempDir()) /
                                        ("headroom_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
};

TEST(DeviceLibrary, HoldsWhatTheDataSheetsSay) {
  ASSERT_GE(library().size(), 10);
  const Device* h100 = find_device(library(), "h100-sxm");
  ASSERT_NE(h100, nullptr);
  EXPECT_EQ(h100->name, "NVIDIA H100 SXM");
  EXPECT_EQ(h100->memory_bytes, 80 * 1073741824.0);
  EXPECT_EQ(h100->bandwidth, 3.35e12);
  EXPECT_DOUBLE_EQ(h100->flops_16, 989.4e12);
  EXPECT_DOUBLE_EQ(h100->flops_int8, 1978.9e12);
  EXPECT_EQ(h100->link, 450e9);
  EXPECT_EQ(h100->basis, Basis::kCited);
  EXPECT_EQ(find_device(library(), "no-such"), nullptr);
}

TEST(DeviceLibrary, EveryDeviceIsPlausibleAndCited) {
  for (const Device& device : library()) {
    EXPECT_GE(device.source.size(), 30) << device.id;
    EXPECT_GT(device.memory_bytes, 1e9) << device.id;
    // No memory is read so fast, nor so slowly, that a byte allows less than 1 or more than 2,000 operations.
    EXPECT_GT(device.flops_16 / device.bandwidth, 1) << device.id;
    EXPECT_LT(device.flops_16 / device.bandwidth, 2000) << device.id;
    EXPECT_GE(device.flops_16, device.flops_float32) << device.id;
    EXPECT_TRUE(device.flops_int8 == 0 || device.flops_int8 >= device.flops_16) << device.id;
    EXPECT_LT(device.link, device.bandwidth) << device.id;
  }
}

TEST_F(DeviceFile, IsReadByItsName) {
  const Device device = read(
      R"({"name": "mine", "source": "a bench", "memory_gib": 2, "bandwidth_gb_s": 3.5, "tflops": {"float32": 1, "float16": 2}})");
  EXPECT_EQ(device.id, "mine");
  EXPECT_EQ(device.memory_bytes, 2 * 1073741824.0);
  EXPECT_EQ(device.bandwidth, 3.5e9);
  EXPECT_EQ(device.flops_int8, 0);
  EXPECT_EQ(device.link, 0);
}

TEST_F(DeviceFile, WhatNoDeviceCanBeIsRefused) {
  EXPECT_THAT(refusal("[]"), HasSubstr("mine.json: must be an object"));
  EXPECT_THAT(refusal("{}"), HasSubstr("name must be a text"));
  EXPECT_THAT(refusal(R"({"name": "a", "source": ""})"), HasSubstr("source must be a text"));
  const std::string begin = R"({"name": "a", "source": "b", "memory_gib": )";
  EXPECT_THAT(refusal(begin + "0}"), HasSubstr("memory_gib must be a number above 0"));
  EXPECT_THAT(refusal(begin + "-3}"), HasSubstr("memory_gib must be"));
  EXPECT_THAT(refusal(begin + "\"8\"}"), HasSubstr("memory_gib must be"));
  EXPECT_THAT(refusal(begin + "1e300}"), HasSubstr("memory_gib must be"));
  EXPECT_THAT(refusal(begin + "1}"), HasSubstr("bandwidth_gb_s must be"));
  EXPECT_THAT(refusal(begin + "1, \"bandwidth_gb_s\": 1}"), HasSubstr("tflops must be an object"));
  EXPECT_THAT(refusal(begin + "1, \"bandwidth_gb_s\": 1, \"tflops\": {\"float32\": 1}}"), HasSubstr("float16 must be"));
  EXPECT_THROW(read_device_library(folder_ / "none"), Error);
}

TEST(PlanJson, HoldsEveryFigureWithItsBasis) {
  const std::vector<LibraryCard> cards = read_card_library(kSource / "assets" / "cards");
  const ModelCard& card = find_library_card(cards, "llama-2-7b")->card;
  CostPlan plan{.context = 8192, .batch = 2};
  const PlanCost first = plan_costs(card, plan, *find_device(library(), "h100-sxm"));
  plan.kv = KvType::kInt4;
  const PlanCost second = plan_costs(card, plan, *find_device(library(), "h100-sxm"));
  const JsonValue json = parse_json(plan_json(first, &second), "json").root;
  EXPECT_EQ(json.find("model")->string, "LLaMA 2 7B");
  EXPECT_EQ(json.find("plan")->find("context")->number(), 8192);
  EXPECT_EQ(json.find("device")->find("basis")->string, "data sheet");
  EXPECT_TRUE(json.find("fits")->boolean);
  std::size_t n_figures = 0;
  for (const JsonValue& section : json.find("sections")->items) {
    for (const JsonValue& figure : section.find("figures")->items) {
      const CostLine* line = first.find(figure.find("key")->string);
      ASSERT_NE(line, nullptr);
      ++n_figures;
      if (section.find("title")->string == "Memory") {
        EXPECT_EQ(figure.find("value")->number(), line->value);
        EXPECT_EQ(figure.find("basis")->string, basis_name(line->basis));
        EXPECT_EQ(figure.find("formula")->string, line->formula);
      }
      const bool is_never = line->result == "never";
      EXPECT_EQ(figure.find("value")->is(JsonValue::Type::kNull), is_never) << line->key;
    }
  }
  EXPECT_GT(n_figures, 40);
  EXPECT_EQ(json.find("choices")->items.size(), first.choices.size());
  EXPECT_EQ(json.find("by_batch")->items.size(), first.by_batch.size());
  EXPECT_EQ(json.find("beside")->find("plan")->find("kv")->string, "int4");
  EXPECT_EQ(json.find("differences")->items.size(), compare_plans(first, second).size());

  const PlanCost refused = plan_costs(ModelCard{.name = "nothing"}, plan, *find_device(library(), "l4"));
  const JsonValue problem = parse_json(plan_json(refused), "json").root;
  EXPECT_THAT(problem.find("problem")->string, HasSubstr("nothing: its cost cannot be computed."));
  EXPECT_EQ(problem.find("sections"), nullptr);
}

}  // namespace
}  // namespace headroom
