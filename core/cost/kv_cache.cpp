#include "core/cost/kv_cache.h"

#include <algorithm>

namespace headroom {

std::string kv_row_formula(KvType type, std::int64_t d_head, const char* unit) {
  const std::string text = std::to_string(d_head) + unit;
  switch (type) {
    case KvType::kFloat32:
      return text + " · 4 B";
    case KvType::kFloat16:
    case KvType::kBFloat16:
      return text + " · 2 B";
    case KvType::kInt8:
      return "(" + text + " · 1 B + 4 B)";
    case KvType::kInt4:
      return (d_head % 2 == 0 ? "(" + text : "((" + text + " + 1)") + " / 2 · 1 B + 4 B)";
  }
  return text;
}

std::int64_t kv_bytes_of_layer(const KvCacheShape& shape, std::size_t layer) {
  return 2 * shape.batch * shape.context * shape.n_kv_heads.at(layer) * kv_row_bytes(shape.type, shape.d_head);
}

std::int64_t kv_bytes(const KvCacheShape& shape) {
  std::int64_t total = 0;
  for (std::size_t layer = 0; layer < shape.n_kv_heads.size(); ++layer)
    total += kv_bytes_of_layer(shape, layer);
  return total;
}

std::string kv_formula(const KvCacheShape& shape) {
  const auto count = [](std::int64_t n, const std::string& noun) { return std::to_string(n) + " " + noun + (n == 1 ? "" : "s"); };
  const std::vector<std::int64_t>& heads = shape.n_kv_heads;
  const bool is_even = std::all_of(heads.begin(), heads.end(), [&](std::int64_t n) { return n == heads.front(); });
  std::string text = "2 · ";
  const std::string middle = std::to_string(shape.batch) + " · " + count(shape.context, "token") + " · ";
  if (is_even) {
    const std::int64_t n = heads.empty() ? 0 : heads.front();
    text += count(static_cast<std::int64_t>(heads.size()), "layer") + " · " + middle + count(n, "head");
  } else {
    std::string sum;
    for (const std::int64_t n : heads)
      sum += (sum.empty() ? "" : " + ") + std::to_string(n);
    text += middle + "(" + sum + ") heads";
  }
  return text + " · " + kv_row_formula(shape.type, shape.d_head) + " = " + bytes_text(kv_bytes(shape));
}

std::string bytes_text(std::int64_t bytes) {
  // Integer arithmetic: the same digits in every locale, and no rounding of large numbers on the way.
  const bool is_negative = bytes < 0;
  const std::uint64_t n = is_negative ? 0 - static_cast<std::uint64_t>(bytes) : static_cast<std::uint64_t>(bytes);
  const std::string sign = is_negative ? "-" : "";
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB"};
  if (n < 1024) return sign + std::to_string(n) + " B";
  std::size_t unit = n < (1u << 20) ? 1 : n < (1u << 30) ? 2 : 3;
  std::uint64_t hundredths = 0;
  for (;; ++unit) {
    const std::uint64_t size = std::uint64_t{1} << (10 * unit);
    const std::uint64_t rest = n % size;
    hundredths = n / size * 100 + (rest * 100 + size / 2) / size;
    if (hundredths < 102400 || unit == 3) break;  // 1023.999 KiB is 1.00 MiB, not 1024.00 KiB
  }
  const std::uint64_t fraction = hundredths % 100;
  return sign + std::to_string(hundredths / 100) + (fraction < 10 ? ".0" : ".") + std::to_string(fraction) + " " + kUnits[unit];
}

}  // namespace headroom
