#pragma once

#include <optional>
#include <vector>

namespace headroom {

/// y = factor · x^exponent, by least squares in log x and log y.
struct PowerFit {
  double exponent = 0, factor = 0;
  int n_points = 0;  ///< the largest ones, that the fit is over

  bool operator==(const PowerFit&) const = default;
};
/// Over the `n_points` largest x. Unset with fewer than two different x, or a y that is not positive.
std::optional<PowerFit> fit_power(const std::vector<double>& x, const std::vector<double>& y, int n_points);

}  // namespace headroom
