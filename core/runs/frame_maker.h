#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/runs/frame.h"
#include "core/runs/trainer.h"

namespace headroom {

/// Which parameters a frame is of.
struct FrameMoment {
  std::int64_t tokens = 0;
  bool is_live = true;
};

/// Makes frames of one plan's models on one sentence after another. One thread at a time.
class FrameMaker {
 public:
  FrameMaker(const TrainPlan& plan, TrainMaterial material) : plan_(plan), material_(std::move(material)) {}

  /// Never fails for what a person typed: words that are not known, and a sentence that is too long, are told in the frame's notices. Where
  /// nothing of it can be read (a sentence in the letters laboratory), a held-out row takes its place.
  std::shared_ptr<const TrainFrame> make(Network& network, const std::string& sentence, const FrameMoment& moment);

 private:
  /// The watched sentence as ids, remembered until another is asked for.
  struct Read {
    std::string sentence;
    std::vector<FrameWord> words;
    std::vector<std::string> notices;
    bool is_there = false;
  };
  void read(const std::string& sentence);
  void read_held_out(std::int64_t most);
  FrameWord word_of(std::int32_t id) const;
  /// What the model itself makes of the source, word by word, <bos> first.
  std::vector<std::int32_t> translate(Network& network, const std::vector<std::int32_t>& source) const;

  TrainPlan plan_;
  TrainMaterial material_;
  Read read_;
  /// Translating takes many passes, so a live model's translation is made anew only now and then.
  std::vector<std::int32_t> translation_;
  int translation_age_ = 0;
};

}  // namespace headroom
