#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/roles/probe_set.h"
#include "core/training/network.h"

namespace headroom::roles_detail {

/// How many heads an attention stack has; all layers alike.
struct StackHeads {
  std::int64_t n_layers = 0, n_heads = 0;
};
/// Of each AttentionStack, by its number.
using ModelHeads = std::array<StackHeads, 3>;
ModelHeads heads_of(const ModelConfig& config);

/// Adds up over pictures of attention what every head does of every role of one part.
///
/// Threads  add from any, one thread for each row at a time: each row has sums of its own, added in order at the end, so that the
///          result does not depend on who came first.
class AttentionTally {
 public:
  /// `lists` must outlive it.
  AttentionTally(const std::vector<RoleCaseList>& lists, const ModelHeads& heads, std::int64_t n_rows);
  void add(const AttentionPicture& picture);
  /// Shape  [n_layers * n_heads] of the list's stack: shares of its cases, or mean probabilities.
  std::vector<float> by_head(std::size_t list) const;

 private:
  struct Reading {
    std::int32_t query = 0;
    std::uint32_t list = 0;
    std::int32_t first_key = 0, n_keys = 0;
  };
  StackHeads stack_of(std::size_t list) const;

  const std::vector<RoleCaseList>* lists_;
  ModelHeads heads_;
  std::int64_t n_rows_;
  std::array<std::vector<std::vector<Reading>>, 3> readings_;  ///< of each stack and row, by queries
  std::vector<std::int64_t> first_sum_;                        ///< of each list, in a row's sums
  std::int64_t n_sums_ = 0;                                    ///< of a row
  std::vector<double> sums_;                                   ///< [n_rows, n_sums]
};

}  // namespace headroom::roles_detail
