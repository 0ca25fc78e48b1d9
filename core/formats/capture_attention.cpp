#include "core/formats/capture_attention.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <mutex>
#include <utility>

#include "core/tensor/error.h"

namespace headroom {
namespace {

class RowsOfFile : public StoredAttention {
 public:
  RowsOfFile(ArrayPart part, CaptureRole role, std::int64_t entry, const CaptureWindow& window)
      : part_(std::move(part)), role_(role), begin_(part_.begin_of(entry)), window_(window) {}

  std::int64_t n_heads() const override { return part_.dims[0]; }
  std::int64_t seq_q() const override { return window_.seq_q(); }
  std::int64_t seq_k() const override { return window_.seq_k(); }
  bool holds_scores() const override { return role_ == CaptureRole::kScores; }

  void read(std::int64_t head, std::int64_t row, std::int64_t n_rows, float* to) const override {
    const std::int64_t n = window_.seq_k(), width = part_.dims[2];
    const bool fits = head >= 0 && head < n_heads() && row >= 0 && n_rows >= 0 && n_rows <= window_.seq_q() - row;
    if (!fits)
      throw ShapeError("rows " + std::to_string(row) + " to " + std::to_string(row + n_rows) + " of head " + std::to_string(head) +
                       " are not in the capture");
    const std::int64_t first = begin_ + (head * part_.dims[1] + window_.q_begin + row) * width + window_.k_begin;
    if (n == width) return part_.array.read(first, std::span(to, static_cast<std::size_t>(n_rows * n)));
    for (std::int64_t i = 0; i < n_rows; ++i)
      part_.array.read(first + i * width, std::span(to + i * n, static_cast<std::size_t>(n)));
  }

 private:
  ArrayPart part_;
  CaptureRole role_;
  std::int64_t begin_;
  CaptureWindow window_;
};

}  // namespace

std::shared_ptr<const StoredAttention> stored_attention(const LayerPlan& layer, std::int64_t entry, const CaptureWindow& window) {
  return std::make_shared<RowsOfFile>(*layer.attention, layer.attention_is, entry, window);
}

Tensor read_tokens_first(const ArrayPart& part, CaptureName::Axes axes, std::int64_t entry, KeyRange tokens) {
  const std::int64_t n = tokens.end - tokens.begin, begin = part.begin_of(entry);
  if (axes == CaptureName::Axes::kTokensFirst) {
    const std::int64_t width = part.dims[1] * part.dims[2];
    Tensor rows({n, width});
    part.array.read(begin + tokens.begin * width, rows.span());
    return rows;
  }
  const std::int64_t n_heads = part.dims[0], d = part.dims[2];
  Tensor rows({n, n_heads * d}), head({n, d});
  for (std::int64_t h = 0; h < n_heads; ++h) {
    part.array.read(begin + (h * part.dims[1] + tokens.begin) * d, head.span());
    for (std::int64_t i = 0; i < n; ++i)
      std::copy_n(head.row(i).data(), d, rows.row(i).data() + h * d);
  }
  return rows;
}

class KeyStore {
 public:
  explicit KeyStore(std::int64_t max_bytes) : max_bytes_(max_bytes) {}

  /// k of a layer, read when it is not kept. The last one asked for is kept however large it is.
  template <typename Read>
  std::shared_ptr<const Tensor> get(const void* layer, const Read& read) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.layer == layer; });
    if (found != kept_.end()) {
      Kept kept = std::move(*found);
      kept_.erase(found);
      kept_.push_back(std::move(kept));
      return kept_.back().keys;
    }
    kept_.push_back({layer, std::make_shared<const Tensor>(read())});
    std::int64_t bytes = 0;
    for (const Kept& kept : kept_)
      bytes += 4 * kept.keys->size();
    while (kept_.size() > 1 && bytes > max_bytes_) {
      bytes -= 4 * kept_.front().keys->size();
      kept_.pop_front();
    }
    return kept_.back().keys;
  }

 private:
  struct Kept {
    const void* layer;
    std::shared_ptr<const Tensor> keys;
  };
  std::int64_t max_bytes_;
  std::mutex mutex_;
  std::deque<Kept> kept_;
};

std::shared_ptr<KeyStore> make_key_store(std::int64_t max_bytes) { return std::make_shared<KeyStore>(max_bytes); }

namespace {

class ScoresOfFile : public StoredAttention {
 public:
  ScoresOfFile(LayerPlan layer, std::int64_t entry, const CaptureWindow& window, ScoreTerms terms, std::shared_ptr<KeyStore> store)
      : layer_(std::move(layer)), entry_(entry), window_(window), terms_(std::move(terms)), store_(std::move(store)) {}

  std::int64_t n_heads() const override { return layer_.n_q_heads(); }
  std::int64_t seq_q() const override { return window_.seq_q(); }
  std::int64_t seq_k() const override { return window_.seq_k(); }
  bool holds_scores() const override { return true; }

  void read(std::int64_t head, std::int64_t row, std::int64_t n_rows, float* to) const override {
    const std::shared_ptr<const Tensor> keys = store_->get(this, [&] {
      return read_tokens_first(*layer_.k, layer_.axes, entry_, {window_.k_begin, window_.k_end});
    });
    const std::int64_t first = window_.q_begin + row, d = layer_.d_head();
    const Tensor queries = read_tokens_first(*layer_.q, layer_.axes, entry_, {first, first + n_rows});
    const std::int64_t kv_head = terms_.kv_head_of[static_cast<std::size_t>(head)];
    for (std::int64_t i = 0; i < n_rows; ++i) {
      const float* const q = queries.row(i).data() + head * d;
      for (std::int64_t j = 0; j < window_.seq_k(); ++j) {
        const float* const k = keys->row(j).data() + kv_head * d;
        float sum = 0;
        for (std::int64_t c = 0; c < d; ++c)
          sum += q[c] * k[c];
        float score = sum * terms_.scale;
        if (terms_.soft_cap > 0) score = terms_.soft_cap * std::tanh(score / terms_.soft_cap);
        if (terms_.position_bias) score += terms_.position_bias->at(head, j - (terms_.query_offset + row + i));
        to[i * window_.seq_k() + j] = score;
      }
    }
  }

 private:
  LayerPlan layer_;
  std::int64_t entry_;
  CaptureWindow window_;
  ScoreTerms terms_;
  std::shared_ptr<KeyStore> store_;
};

}  // namespace

std::shared_ptr<const StoredAttention> scores_of_large(const LayerPlan& layer, std::int64_t entry, const CaptureWindow& window,
                                                       const ScoreTerms& terms, const std::shared_ptr<KeyStore>& store) {
  return std::make_shared<ScoresOfFile>(layer, entry, window, terms, store);
}

}  // namespace headroom
