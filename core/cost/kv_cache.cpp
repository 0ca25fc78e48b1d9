#include "core/cost/kv_cache.h"

#include <algorithm>

namespace headroom {

const char* kv_type_name(KvType type) {
  switch (type) {
    case KvType::kFloat32:
      return "float32";
    case KvType::kFloat16:
      return "float16";
    case KvType::kInt8:
      return "int8";
  }
  return "";
}

std::int64_t kv_type_bytes(KvType type) {
  switch (type) {
    case KvType::kFloat32:
      return 4;
    case KvType::kFloat16:
      return 2;
    case KvType::kInt8:
      return 1;
  }
  return 0;
}

std::int64_t kv_bytes_of_layer(const KvCacheShape& shape, std::size_t layer) {
  return 2 * shape.batch * shape.context * shape.n_kv_heads.at(layer) * shape.d_head * kv_type_bytes(shape.type);
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
  return text + " · " + std::to_string(shape.d_head) + " · " + std::to_string(kv_type_bytes(shape.type)) +
         " B = " + bytes_text(kv_bytes(shape));
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
