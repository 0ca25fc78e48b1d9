#include "core/attention/check_finite.h"

#include <cmath>

#include "core/tensor/dtype.h"

namespace headroom {
namespace {

template <typename T, typename ToFloat>
std::optional<NonFiniteValue> find_in(const char* tensor, const BasicHeadsView<const T>& view, ToFloat to_float) {
  if (view.data == nullptr) return std::nullopt;
  for (std::int64_t b = 0; b < view.batch; ++b) {
    for (std::int64_t head = 0; head < view.n_heads; ++head) {
      for (std::int64_t i = 0; i < view.seq; ++i) {
        const T* const row = view.row(b, head, i);
        for (std::int64_t c = 0; c < view.d_head; ++c) {
          const float value = to_float(row[c]);
          if (!std::isfinite(value)) return NonFiniteValue{tensor, b, head, i, c, value};
        }
      }
    }
  }
  return std::nullopt;
}

std::optional<NonFiniteValue> find_wide(const char* tensor, const ConstHeadsView& view) {
  return find_in(tensor, view, [](float value) { return value; });
}

std::optional<NonFiniteValue> find_narrow(const char* tensor, const ConstHeads16View& view, KvStorage storage) {
  if (storage == KvStorage::kFloat16) return find_in(tensor, view, [](std::uint16_t bits) { return from_float16(bits); });
  return find_in(tensor, view, [](std::uint16_t bits) { return from_bfloat16(bits); });
}

}  // namespace

std::optional<NonFiniteValue> find_non_finite(const AttentionInputs& inputs, KvStorage storage) {
  if (const auto found = find_wide("q", inputs.q)) return found;
  const bool is_wide = storage == KvStorage::kFloat32;
  if (const auto found = is_wide ? find_wide("k", inputs.k) : find_narrow("k", inputs.k16, storage)) return found;
  return is_wide ? find_wide("v", inputs.v) : find_narrow("v", inputs.v16, storage);
}

std::string non_finite_text(const NonFiniteValue& value) {
  std::string text = std::string(value.tensor) + " of head " + std::to_string(value.head);
  if (value.b != 0) text += " of batch entry " + std::to_string(value.b);
  text += std::isnan(value.value) ? " is NaN" : value.value > 0 ? " is infinite" : " is minus infinity";
  return text + " at row " + std::to_string(value.row) + ", coordinate " + std::to_string(value.coordinate) +
         " (all counted from 0)";
}

}  // namespace headroom
