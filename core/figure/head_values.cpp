#include "core/figure/head_values.h"

#include <algorithm>
#include <deque>
#include <mutex>

namespace headroom {
namespace {

/// The last few answers to questions about traces that still exist.
template <typename Question, typename Answer>
class Memory {
 public:
  template <typename Compute>
  std::shared_ptr<const Answer> ask(const std::shared_ptr<const ForwardTrace>& trace, const Question& question,
                                    const Compute& compute) {
    {
      const std::scoped_lock lock(mutex_);
      std::erase_if(known_, [](const Known& known) { return known.trace.expired(); });
      for (const Known& known : known_) {
        if (known.trace.lock() == trace && known.question == question) return known.answer;
      }
    }
    auto answer = std::make_shared<const Answer>(compute());
    const std::scoped_lock lock(mutex_);
    known_.push_front({trace, question, answer});
    if (known_.size() > kMost) known_.pop_back();
    return answer;
  }

 private:
  static constexpr std::size_t kMost = 16;
  struct Known {
    std::weak_ptr<const ForwardTrace> trace;
    Question question;
    std::shared_ptr<const Answer> answer;
  };
  std::mutex mutex_;
  std::deque<Known> known_;
};

struct RowQuestion {
  HeadRef head;
  std::int64_t query = 0;
  bool operator==(const RowQuestion&) const = default;
};
struct RangeQuestion {
  HeadRef head;
  RangeOf of;
  bool operator==(const RangeQuestion&) const = default;
};

HeadRange compute_range(const ForwardTrace& trace, const HeadRef& head, const RangeOf& of) {
  // Work is rows times keys times d_k: a few milliseconds, once.
  constexpr std::int64_t kMostPairs = 1 << 18, kFewestRows = 32;
  const auto n = std::ssize(trace.ids), keys = trace.key_ids.empty() ? n : std::ssize(trace.key_ids);
  const std::int64_t rows = std::min(n, std::max(kFewestRows, kMostPairs / keys));
  HeadRange range;
  range.is_sampled = rows < n;
  const std::vector<RowExtent> extents = row_extents(trace, {.layer = head.layer,
                                                             .head = head.head,
                                                             .row_begin = 0,
                                                             .row_end = n,
                                                             .col_begin = 0,
                                                             .col_end = 1,
                                                             .rows = rows,
                                                             .cols = 1,
                                                             .quantity = of.quantity,
                                                             .pooling = Pooling::kMax,
                                                             .row_samples = 1});
  for (const RowExtent& extent : extents) {
    const bool is_later = of.first_token == FirstToken::kLeftOut;
    range.values.add(is_later ? extent.smallest_later : extent.smallest);
    range.values.add(is_later ? extent.largest_later : extent.largest);
  }
  return range;
}

}  // namespace

std::shared_ptr<const std::vector<float>> row_probabilities(const Snapshot& snapshot, const HeadRef& head, std::int64_t query) {
  static Memory<RowQuestion, std::vector<float>> memory;
  return memory.ask(snapshot.trace, {head, query}, [&] { return evaluate_row(*snapshot.trace, head.layer, head.head, query); });
}

HeadRange head_range(const Snapshot& snapshot, const HeadRef& head, const RangeOf& of) {
  static Memory<RangeQuestion, HeadRange> memory;
  return *memory.ask(snapshot.trace, {head, of}, [&] { return compute_range(*snapshot.trace, head, of); });
}

}  // namespace headroom
