#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/figure/canvas.h"
#include "core/figure/train_figures.h"
#include "core/runs/frame.h"

namespace headroom {

/// The heads of one stack of a frame as tiles: the probabilities at the shown time, or what they are more than at the compared one.
class TrainTiles {
 public:
  /// Edge  No frame, or one without this stack: is_empty().
  TrainTiles(const FigureInput& input, const TrainInput& train);

  bool is_empty() const { return stack_ == nullptr; }
  const FrameStack& stack() const { return *stack_; }
  const std::vector<FrameWord>& queries() const;
  const std::vector<FrameWord>& keys() const;
  /// Whether differences are drawn; not so when nothing is compared, or when the two frames hold other words (a translation changes as it trains).
  bool is_difference() const { return other_ != nullptr; }
  std::int64_t shown_tokens() const { return frame_->tokens; }
  std::int64_t compared_tokens() const { return other_frame_->tokens; }

  bool is_visible(std::int64_t query, std::int64_t key) const { return !is_causal_ || key <= query; }
  /// At the shown time, and at the compared one (is_difference() only).
  double probability(HeadRef head, std::int64_t query, std::int64_t key) const { return at(*stack_, head, query, key); }
  double compared_probability(HeadRef head, std::int64_t query, std::int64_t key) const { return at(*other_, head, query, key); }
  /// Whether the head is switched off: it looks nowhere.
  bool is_off(HeadRef head) const;

  /// The head's tile for `rect`, with its values put into `canvas`.
  AttentionTile tile(Canvas& canvas, HeadRef head, const Rect& rect) const;
  /// A tile with the colours of all of them, for the legend.
  const AttentionTile& sample() const { return sample_; }

  /// The row that changed most between the two times; of one time the row whose word looks farthest and clearest. What is shown of a head until
  /// somebody points at a row.
  std::int64_t telling_row(HeadRef head) const;

 private:
  static double at(const FrameStack& stack, HeadRef head, std::int64_t query, std::int64_t key) {
    return stack.head(head.layer, head.head)[query * stack.seq_k + key];
  }
  double value(HeadRef head, std::int64_t query, std::int64_t key) const;  ///< that is drawn

  std::shared_ptr<const TrainFrame> frame_, other_frame_;
  const FrameStack* stack_ = nullptr;
  const FrameStack* other_ = nullptr;
  bool is_causal_ = false;
  AttentionTile sample_;
};

/// A word as it is drawn.
std::string frame_word_text(const FrameWord& word);

/// The stacks that a frame has, with the words that people use: "decoder", "encoder", "decoder → source".
const char* stack_name(AttentionStack stack);

}  // namespace headroom
