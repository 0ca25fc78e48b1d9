#include "core/figure/train_tiles.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/figure/number_text.h"
#include "core/runs/report.h"

namespace headroom {
namespace {

constexpr double kSmallestRange = 0.05;  ///< differences below it are drawn faint, not blown up

bool same_words(const std::vector<FrameWord>& a, const std::vector<FrameWord>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const FrameWord& x, const FrameWord& y) { return x.id == y.id && x.text == y.text; });
}

/// Whether a later word is hidden from an earlier one.
bool is_causal_stack(const TrainInput& train, AttentionStack stack, const FrameStack& shown) {
  if (stack != AttentionStack::kSelf) return false;
  if (train.report != nullptr && train.report->phase != RunPhase::kIdle) return train.report->config.kind != ModelKind::kMasked;
  for (std::int64_t q = 0; q < shown.seq_q; ++q) {
    for (std::int64_t k = q + 1; k < shown.seq_k; ++k) {
      if (shown.head(0, 0)[q * shown.seq_k + k] != 0) return false;
    }
  }
  return true;
}

}  // namespace

TrainTiles::TrainTiles(const FigureInput& input, const TrainInput& train) : frame_(train.frame), other_frame_(train.compared) {
  const AttentionStack wanted = input.session.train_view.stack;
  if (frame_ != nullptr) stack_ = frame_->find(wanted);
  if (stack_ == nullptr || stack_->n_layers * stack_->n_heads * stack_->seq_q * stack_->seq_k == 0) {
    stack_ = nullptr;
    return;
  }
  is_causal_ = is_causal_stack(train, wanted, *stack_);
  if (other_frame_ != nullptr && input.session.train_view.compared) other_ = other_frame_->find(wanted);
  if (other_ != nullptr) {
    const bool fits = other_->n_layers == stack_->n_layers && other_->n_heads == stack_->n_heads &&
                      other_->seq_q == stack_->seq_q && other_->seq_k == stack_->seq_k &&
                      same_words(frame_->queries(wanted), other_frame_->queries(wanted)) &&
                      same_words(frame_->keys(wanted), other_frame_->keys(wanted));
    if (!fits) other_ = nullptr;
  }
  const View& view = input.session.view;
  sample_.colormap = view.colormap;
  sample_.scale = view.scale;
  sample_.first_token = view.first_token;
  sample_.request = {.row_begin = 0,
                     .row_end = stack_->seq_q,
                     .col_begin = 0,
                     .col_end = stack_->seq_k,
                     .rows = stack_->seq_q,
                     .cols = stack_->seq_k};
  double largest = 0;
  const std::int64_t first = view.first_token == FirstToken::kLeftOut ? 1 : 0;
  for (std::int64_t l = 0; l < stack_->n_layers; ++l) {
    for (std::int64_t h = 0; h < stack_->n_heads; ++h) {
      for (std::int64_t q = 0; q < stack_->seq_q; ++q) {
        for (std::int64_t k = first; k < stack_->seq_k; ++k)
          largest = std::max(largest, std::abs(value({l, h}, q, k)));
      }
    }
  }
  if (is_difference()) {
    sample_.coloring = Coloring::kDiverging;
    sample_.scale = ColorScale::kLinear;
    sample_.value_max = std::max(kSmallestRange, largest);
  } else if (first == 1 && largest > 0) {
    sample_.value_max = largest;
  }
}

const std::vector<FrameWord>& TrainTiles::queries() const { return frame_->queries(stack_->stack); }
const std::vector<FrameWord>& TrainTiles::keys() const { return frame_->keys(stack_->stack); }

double TrainTiles::value(HeadRef head, std::int64_t query, std::int64_t key) const {
  return probability(head, query, key) - (other_ != nullptr ? compared_probability(head, query, key) : 0.0);
}

bool TrainTiles::is_off(HeadRef head) const {
  const float* probs = stack_->head(head.layer, head.head);
  return std::all_of(probs, probs + stack_->seq_q * stack_->seq_k, [](float p) { return p == 0; });
}

AttentionTile TrainTiles::tile(Canvas& canvas, HeadRef head, const Rect& rect) const {
  AttentionTile item = sample_;
  item.rect = rect;
  item.request.layer = head.layer;
  item.request.head = head.head;
  auto cells = std::make_shared<Tile>();
  cells->request = item.request;
  cells->values.reserve(static_cast<std::size_t>(stack_->seq_q * stack_->seq_k));
  for (std::int64_t q = 0; q < stack_->seq_q; ++q) {
    for (std::int64_t k = 0; k < stack_->seq_k; ++k) {
      cells->values.push_back(is_visible(q, k) ? static_cast<float>(value(head, q, k)) : std::numeric_limits<float>::quiet_NaN());
    }
  }
  item.own_cells = canvas.own_cells(std::move(cells));
  return item;
}

std::int64_t TrainTiles::telling_row(HeadRef head) const {
  const bool is_cross = stack_->stack == AttentionStack::kCross;
  std::int64_t best = stack_->seq_q - 1;
  double most = 0;
  for (std::int64_t q = 0; is_difference() && q < stack_->seq_q; ++q) {
    double change = 0;
    for (std::int64_t k = 0; k < stack_->seq_k; ++k)
      change += std::abs(value(head, q, k));
    if (change <= most) continue;
    most = change;
    best = q;
  }
  if (is_difference()) return best;
  for (std::int64_t q = 0; q < stack_->seq_q; ++q) {
    for (std::int64_t k = 0; k < stack_->seq_k; ++k) {
      const bool is_near = !is_cross && (std::abs(q - k) < 2 || k == 0);  // neighbours and the first token say least
      const double p = probability(head, q, k);
      if (is_near || p <= most) continue;
      most = p;
      best = q;
    }
  }
  return best;
}

std::string frame_word_text(const FrameWord& word) {
  Token token;
  token.id = word.id;
  token.text = token.source = word.text;
  token.is_unknown = word.is_unknown;
  return display_token(token);
}

const char* stack_name(AttentionStack stack) {
  switch (stack) {
    case AttentionStack::kSelf:
      return "decoder";
    case AttentionStack::kEncoder:
      return "encoder";
    case AttentionStack::kCross:
      return "decoder → source";
  }
  return "";
}

}  // namespace headroom
