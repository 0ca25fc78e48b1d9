#pragma once

namespace headroom {

/// What linear layers and attention did, counted by the code that did it. Bytes are those of the tensors as they lie, each read or written
/// once by the step that is named; a processor's caches may spare some of it.
struct WorkCount {
  double linear_flops = 0;     ///< of x · Wᵀ, a multiply-add counting two; biases are not counted
  double weight_bytes = 0;     ///< matrices as they are stored, read once for each call
  double row_bytes = 0;        ///< rows that linear layers read and write
  double attention_flops = 0;  ///< of q·k and of the weighted sum of v, a multiply-add counting two
  double kv_bytes = 0;         ///< of K and V, read
  double query_bytes = 0;      ///< of q, read, and of what attention gives, written
  double score_bytes = 0;      ///< of scores and probabilities that a backend keeps in memory, written and read

  WorkCount& operator+=(const WorkCount& other);
  bool operator==(const WorkCount&) const = default;
};

/// Counts, while it lives, what the thread that made it asks of linear layers and attention (the threads of their pools included).
/// Scopes may lie inside one another: each counts all that happens within it.
class WorkScope {
 public:
  WorkScope();
  ~WorkScope();
  WorkScope(const WorkScope&) = delete;
  WorkScope& operator=(const WorkScope&) = delete;
  const WorkCount& count() const { return count_; }

 private:
  friend void record_work(const WorkCount& done);
  WorkCount count_;
  WorkScope* outer_;
};

/// Adds to every scope of the calling thread; without one it does nothing.
void record_work(const WorkCount& done);

}  // namespace headroom
