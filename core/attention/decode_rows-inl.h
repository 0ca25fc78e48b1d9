// Rows of K and V that lie side by side, read as float32 vectors. Included once per instruction set (Highway's foreach_target).

#if defined(HEADROOM_CORE_ATTENTION_DECODE_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_ATTENTION_DECODE_ROWS_INL_H_
#undef HEADROOM_CORE_ATTENTION_DECODE_ROWS_INL_H_
#else
#define HEADROOM_CORE_ATTENTION_DECODE_ROWS_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "core/attention/config.h"
#include "core/tensor/gemm_tile-inl.h"
#include "core/tensor/stored-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR

// After the parameters of a lambda: always inlined, or its vectors would go through memory.
#undef HEADROOM_INLINED
#if HWY_COMPILER_MSVC
#define HEADROOM_INLINED HWY_ATTR
#else
#define HEADROOM_INLINED HWY_ATTR __attribute__((always_inline))
#endif

/// Calls body(0), body(1), ... with constants: the compiler then keeps arrays of vectors in registers.
template <typename Body, std::size_t... kIndex>
HWY_INLINE void for_each_index(std::index_sequence<kIndex...>, const Body& body) {
  (body(std::integral_constant<std::size_t, kIndex>()), ...);
}
template <std::size_t kN, typename Body>
HWY_INLINE void repeat(const Body& body) {
  for_each_index(std::make_index_sequence<kN>(), body);
}

/// Asks for the lines of a row. Inlined: the compiler leaves out calls of what does nothing but this.
HWY_INLINE void fetch_row(const void* row, std::int64_t bytes) {
  for (std::int64_t at = 0; at < bytes; at += 64)
    __builtin_prefetch(static_cast<const char*>(row) + at, 0, 3);
}

/// What will be read next of rows that lie side by side: as far ahead as a tile is long.
struct Ahead {
  std::int64_t begin = 0, end = 0, row_bytes = 0;

  template <std::size_t kKeys, typename Memory>
  HWY_INLINE void fetch(const Memory& k, const Memory& v, std::int64_t from) const {
    const std::int64_t first = begin + from, last = std::min(end, first + static_cast<std::int64_t>(kKeys));
    for (std::int64_t key = first; key < last; ++key) {
      fetch_row(k.row(key), row_bytes);
      fetch_row(v.row(key), row_bytes);
    }
  }
};

/// Rows of K or V in one of the storages, read as float32 vectors.
struct Wide {
  static constexpr KvStorage kStorage = KvStorage::kFloat32;
  static constexpr bool kIsListed = false;  ///< do its keys lie side by side, or each somewhere else (see cached_tile-inl.h)?
  using Row = const float*;
  Row first;
  std::int64_t stride;
  Ahead ahead = {};
  HWY_INLINE Row row(std::int64_t key) const { return first + key * stride; }
  /// Neighbouring vectors from value c on.
  template <std::size_t kN>
  HWY_INLINE void load(Row from, std::int64_t c, std::array<FloatVec, kN>& to) const {
    repeat<kN>([&](auto i) HEADROOM_INLINED { to[i()] = hn::LoadU(Floats(), from + c + static_cast<std::int64_t>(i()) * kLanes); });
  }
  float at(std::int64_t key, std::int64_t c) const { return row(key)[c]; }
  template <std::size_t kKeys>
  HWY_INLINE void fetch(const Wide& v, std::int64_t from) const {
    ahead.fetch<kKeys>(*this, v, from);
  }
};
template <typename Number, KvStorage kKind>
struct Narrow {
  static constexpr KvStorage kStorage = kKind;
  static constexpr bool kIsListed = false;
  using Row = const std::uint16_t*;
  Row first;
  std::int64_t stride;
  Ahead ahead = {};
  HWY_INLINE Row row(std::int64_t key) const { return first + key * stride; }
  template <std::size_t kN>
  HWY_INLINE void load(Row from, std::int64_t c, std::array<FloatVec, kN>& to) const {
    const auto* const numbers = reinterpret_cast<const Number*>(from + c);
    repeat<kN>([&](auto i)
                   HEADROOM_INLINED { to[i()] = product::load_wide(Floats(), numbers + static_cast<std::int64_t>(i()) * kLanes); });
  }
  float at(std::int64_t key, std::int64_t c) const {
    const std::uint16_t bits = row(key)[c];
    return kKind == KvStorage::kFloat16 ? from_float16(bits) : from_bfloat16(bits);
  }
  template <std::size_t kKeys>
  HWY_INLINE void fetch(const Narrow& v, std::int64_t from) const {
    ahead.fetch<kKeys>(*this, v, from);
  }
};

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#endif
