#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/formats/safetensors.h"
#include "core/training/batch.h"
#include "core/training/layout.h"

namespace headroom::test {

/// What PyTorch computed (tests/golden/make_training_golden.py).
class TrainingGolden {
 public:
  TrainingGolden() : file_(HEADROOM_SOURCE_DIR "/tests/golden/training.safetensors") {}

  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  std::vector<float> floats(const std::string& name) const {
    const Tensor tensor = file_.read_float(*file_.find(name));
    return {tensor.span().begin(), tensor.span().end()};
  }
  std::vector<std::int32_t> integers(const std::string& name) const {
    const std::vector<std::int64_t> values = file_.read_integers(*file_.find(name));
    return {values.begin(), values.end()};
  }
  /// All of a layout: each slot from the tensor `prefix` + its name, which must have its size.
  std::vector<float> row(const ParameterLayout& layout, const std::string& prefix) const {
    std::vector<float> row(static_cast<std::size_t>(layout.size()));
    for (const ParameterSlot& slot : layout.slots()) {
      if (!has(prefix + slot.name)) {
        ADD_FAILURE() << "no tensor named " << prefix << slot.name;
        continue;
      }
      const std::vector<float> values = floats(prefix + slot.name);
      EXPECT_EQ(std::ssize(values), slot.size()) << slot.name;
      std::copy_n(values.begin(), std::min<std::size_t>(values.size(), static_cast<std::size_t>(slot.size())),
                  row.begin() + slot.offset);
    }
    return row;
  }
  Batch batch(const std::string& form) const {
    Batch batch;
    const std::vector<std::uint64_t>& shape = file_.find(form + ".inputs")->shape;
    batch.n_rows = static_cast<std::int64_t>(shape.at(0));
    batch.seq = static_cast<std::int64_t>(shape.at(1));
    batch.inputs = integers(form + ".inputs");
    batch.targets = integers(form + ".targets");
    if (has(form + ".sources")) {
      batch.sources = integers(form + ".sources");
      batch.source_lengths = integers(form + ".source_lengths");
      batch.source_seq = std::ssize(batch.sources) / batch.n_rows;
    }
    return batch;
  }

 private:
  SafetensorsFile file_;
};

}  // namespace headroom::test
