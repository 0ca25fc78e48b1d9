#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/roles/report.h"

namespace headroom {

/// The parameters at one moment, and what was measured of them. Immutable once kept.
struct KeptState {
  std::int64_t tokens = 0;
  std::int64_t steps = 0;
  std::vector<float> parameters;  ///< [ParameterLayout::size()]
  std::shared_ptr<const HeadReport> report;
  std::int64_t bytes() const { return static_cast<std::int64_t>(parameters.size() * sizeof(float)); }
};

inline constexpr std::int64_t kKeptBytes = std::int64_t{256} << 20;

/// Of states by ascending tokens: the one nearest to so many tokens, the earlier of equals; unset: the newest; null when there is none.
std::shared_ptr<const KeptState> nearest_state(std::span<const std::shared_ptr<const KeptState>> states,
                                               std::optional<std::int64_t> tokens);

/// States of one run within a memory budget. When it is full, the state goes whose neighbours are nearest to each other, so that what is
/// left covers the run evenly; early training, where most happens, counts more: distances are those of sqrt(tokens). The first and the last
/// state always stay, however large they are.
class Timeline {
 public:
  explicit Timeline(std::int64_t budget_bytes = kKeptBytes) : budget_bytes_(budget_bytes) {}

  /// Errors  ShapeError when there is a state of as many tokens or more.
  void keep(KeptState state);
  /// The state nearest to so many tokens, the earlier of equals; null when nothing is kept.
  std::shared_ptr<const KeptState> nearest(std::int64_t tokens) const { return nearest_state(states_, tokens); }
  std::shared_ptr<const KeptState> newest() const { return states_.empty() ? nullptr : states_.back(); }
  /// Whether keeping a state now would be worth while: it lies at least as far from the newest as states lie apart.
  bool wants(std::int64_t tokens) const;

  std::span<const std::shared_ptr<const KeptState>> states() const { return states_; }
  std::vector<std::int64_t> tokens() const;  ///< ascending
  std::int64_t bytes() const { return bytes_; }
  std::int64_t budget_bytes() const { return budget_bytes_; }
  void clear();
  /// Drops what lies behind: for going on from an earlier state.
  void drop_after(std::int64_t tokens);

 private:
  void thin();

  std::int64_t budget_bytes_ = 0, bytes_ = 0;
  std::vector<std::shared_ptr<const KeptState>> states_;
};

}  // namespace headroom
