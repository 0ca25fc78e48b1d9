#include "core/tensor/power_fit.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace headroom {

std::optional<PowerFit> fit_power(const std::vector<double>& x, const std::vector<double>& y, int n_points) {
  std::map<double, double> largest;  // by log x: one y for each x
  for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    if (!(x[i] > 0) || !(y[i] > 0) || !std::isfinite(y[i])) return {};
    largest[std::log(x[i])] = std::log(y[i]);
  }
  while (std::ssize(largest) > n_points)
    largest.erase(largest.begin());
  const auto n = static_cast<double>(largest.size());
  if (largest.size() < 2) return {};
  double mean_x = 0, mean_y = 0;
  for (const auto& [log_x, log_y] : largest) {
    mean_x += log_x / n;
    mean_y += log_y / n;
  }
  double covariance = 0, variance = 0;
  for (const auto& [log_x, log_y] : largest) {
    covariance += (log_x - mean_x) * (log_y - mean_y);
    variance += (log_x - mean_x) * (log_x - mean_x);
  }
  const double exponent = covariance / variance;
  return PowerFit{exponent, std::exp(mean_y - exponent * mean_x), static_cast<int>(largest.size())};
}

}  // namespace headroom
