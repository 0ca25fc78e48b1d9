#include <cmath>

#include "core/attention/flash_kernel.h"

namespace headroom::flash_detail {

void merge_row(RowPlace place, const FinishedRow& other, std::int64_t d_head) {
  if (other.logsumexp == -INFINITY) return;
  const auto old = static_cast<double>(place.logsumexp);
  const double larger = std::fmax(old, other.logsumexp);
  const double merged = larger + std::log(std::exp(old - larger) + std::exp(other.logsumexp - larger));
  const auto old_share = static_cast<float>(std::exp(old - merged)),
             other_share = static_cast<float>(std::exp(other.logsumexp - merged));
  for (std::int64_t c = 0; c < d_head; ++c) {
    place.out[c] = place.out[c] * old_share + other.out[c] * other_share;
  }
  place.logsumexp = static_cast<float>(std::isnan(old) ? old : merged);
}

}  // namespace headroom::flash_detail
