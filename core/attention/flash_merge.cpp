#include <cmath>

#include "core/attention/flash_kernel.h"

namespace headroom::flash_detail {

void merge_row(RowPlace place, const FinishedRow& other, std::int64_t d_head) {
  if (other.logsumexp == -INFINITY) return;
  const double difference = other.logsumexp - static_cast<double>(place.logsumexp);  // infinite where the place holds no key
  const double smaller = std::exp(-std::abs(difference)), sum = 1 + smaller;
  const auto other_share = static_cast<float>((difference < 0 ? smaller : 1) / sum);
  const auto own_share = static_cast<float>((difference < 0 ? 1 : smaller) / sum);
  for (std::int64_t c = 0; c < d_head; ++c) {
    place.out[c] = place.out[c] * own_share + other.out[c] * other_share;
  }
  const double larger = difference < 0 ? static_cast<double>(place.logsumexp) : other.logsumexp;
  place.logsumexp = static_cast<float>(std::isnan(difference) ? difference : larger + std::log1p(smaller));
}

}  // namespace headroom::flash_detail
