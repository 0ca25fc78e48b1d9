#include <algorithm>
#include <cmath>
#include <limits>

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

double merge_partials(const PartialRows& rows, float* out) {
  float maximum = -std::numeric_limits<float>::infinity(), sum = 0;
  std::fill_n(out, rows.d_head, 0.0F);
  for (std::size_t i = 0; i < rows.count; ++i) {
    const float* const row = rows.first + i * rows.stride;
    if (row[rows.d_head + 1] == 0) continue;
    const float larger = std::max(maximum, row[rows.d_head]);
    const float origin = larger == -std::numeric_limits<float>::infinity() ? 0 : larger;
    const float old_factor = std::exp2(maximum - origin), factor = std::exp2(row[rows.d_head] - origin);
    for (std::size_t c = 0; c < rows.d_head; ++c)
      out[c] = out[c] * old_factor + row[c] * factor;
    sum = sum * old_factor + row[rows.d_head + 1] * factor;
    maximum = larger;
  }
  const float scale = sum == 0 ? 0.0F : 1.0F / sum;
  for (std::size_t c = 0; c < rows.d_head; ++c)
    out[c] *= scale;
  return static_cast<double>(maximum) + std::log2(static_cast<double>(sum));
}

}  // namespace headroom::flash_detail
