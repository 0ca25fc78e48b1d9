#include "core/attention/linear_attention_kernel.h"

#include <algorithm>

#include "core/tensor/simd_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/attention/linear_attention_kernel.cpp"
#include <hwy/foreach_target.h>

#include "core/tensor/exp-inl.h"
#include "core/tensor/product_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom {
namespace HWY_NAMESPACE {
namespace {

using namespace product;  // NOLINT(google-build-using-namespace): the register tiles, per instruction set
using linear_attention_detail::Call;
using linear_attention_detail::Group;

/// Rows, and keys, that are multiplied as a whole.
constexpr std::int64_t kChunk = kMaxVectors * kLanes;

constexpr std::int64_t round_up(std::int64_t n, std::int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// Rows of a chunk in memory: whole tiles.
constexpr std::int64_t kChunkRows = round_up(kChunk, kTileRows);

std::int64_t ChunkKeys() { return kChunk; }

/// Coordinates of v side by side, in panels of one to three vectors, as even as may be.
struct Columns {
  std::int64_t n_vectors, n_panels;

  explicit Columns(std::int64_t d_head)
      : n_vectors(round_up(d_head, kLanes) / kLanes), n_panels((n_vectors + kMaxVectors - 1) / kMaxVectors) {}
  std::int64_t begin(std::int64_t panel) const { return panel * n_vectors / n_panels * kLanes; }
  std::int64_t width(std::int64_t panel) const { return begin(panel + 1) - begin(panel); }
};

std::size_t SumsSize(std::int64_t d_head) {
  const std::int64_t width = round_up(d_head, kLanes);
  return static_cast<std::size_t>(width + round_up(d_head, kTileRows) * width);
}

std::size_t ScratchSize(std::int64_t d_head) {
  const std::int64_t width = round_up(d_head, kLanes);
  return static_cast<std::size_t>(kChunk * (round_up(d_head, kTileRows) + width) + kChunkRows * (2 * width + kChunk + 1) +
                                  kTileRows * kChunk);
}

/// elu(x) + 1. Source  Katharopoulos et al. 2020, equation 7.
FloatVec phi(FloatVec x) {
  const Floats d;
  const auto is_positive = hn::Gt(x, hn::Zero(d));
  const FloatVec exponent = hn::Mul(hn::IfThenZeroElse(is_positive, x), hn::Set(d, 1.4426950408889634F));
  return hn::IfThenElse(is_positive, hn::Add(x, hn::Set(d, 1.0F)), exp2_non_positive(d, exponent));
}

void multiply(const TileOperands& operands, std::int64_t width, float* tile) {
  if (width == 3 * kLanes) {
    multiply_tile<kTileRows, 3>(operands, tile);
  } else if (width == 2 * kLanes) {
    multiply_tile<kTileRows, 2>(operands, tile);
  } else {
    multiply_tile<kTileRows, 1>(operands, tile);
  }
}

float dot_product(const float* a, const float* b, std::int64_t n) {
  const Floats d;
  FloatVec sums = hn::Zero(d);
  std::int64_t c = 0;
  for (; c + kLanes <= n; c += kLanes) {
    sums = hn::MulAdd(hn::LoadU(d, a + c), hn::LoadU(d, b + c), sums);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; c < n; ++c) {
    sum += a[c] * b[c];
  }
  return sum;
}

/// Asks for the rows of a chunk. They often lie pages apart (all heads between them), where the processor does not look ahead by itself.
void fetch_rows(const ConstHeadsView& view, std::int64_t b, std::int64_t head, std::int64_t begin) {
  for (std::int64_t i = begin; i < std::min(view.seq, begin + kChunk); ++i) {
    for (std::int64_t c = 0; c < view.d_head; c += kFloatsPerLine) {
      hwy::Prefetch(view.row(b, head, i) + c);
    }
  }
}

/// Sums over keys, and one thread's scratch memory, laid out.
class LinearRun {
 public:
  LinearRun(const Call& call, const Group& group, float* sums, float* scratch)
      : call_(call), group_(group), d_head_(call.config.d_head), columns_(d_head_) {
    const std::int64_t width = round_up(d_head_, kLanes);
    key_sum_ = sums;
    product_sum_ = sums + width;
    const auto take = [&scratch](std::int64_t n) {
      float* const taken = scratch;
      scratch += n;
      return taken;
    };
    keys_ = take(round_up(d_head_, kTileRows) * kChunk);
    values_ = take(kChunk * width);
    queries_ = take(kChunkRows * width);
    out_ = take(kChunkRows * width);
    weights_ = take(kChunkRows * kChunk);
    tile_ = take(kTileRows * kChunk);
    normaliser_ = take(kChunkRows);
  }

  void add_keys(KeyRange keys) {
    for (std::int64_t begin = keys.begin; begin < keys.end; begin += kChunk) {
      const KeyRange chunk{begin, std::min(keys.end, begin + kChunk)};
      pack(chunk);
      add_packed(chunk.end - chunk.begin);
    }
  }

  void run_rows(KeyRange rows) {
    const Mask& mask = call_.config.mask;
    const std::int64_t n_keys =
        mask.key_lengths.empty() ? call_.config.seq_k : mask.key_lengths[static_cast<std::size_t>(group_.b)];
    const auto own_keys = [&](KeyRange chunk) {
      if (mask.direction == Direction::kBidirectional) return KeyRange{};
      return KeyRange{std::min(n_keys, mask.query_offset + chunk.begin), std::min(n_keys, mask.query_offset + chunk.end)};
    };
    for (std::int64_t begin = rows.begin; begin < rows.end; begin += kChunk) {
      const KeyRange chunk{begin, std::min(rows.end, begin + kChunk)};
      const KeyRange keys = own_keys(chunk);
      const bool is_finite = keys.begin == keys.end || pack(keys);
      if (is_finite) {
        run_chunk(chunk, keys.end - keys.begin);
        continue;
      }
      // A hidden pair's weight is 0, but 0 times NaN would not be: row by row, no pair is hidden.
      for (std::int64_t i = chunk.begin; i < chunk.end; ++i) {
        const KeyRange own = own_keys({i, i + 1});
        if (own.begin != own.end) pack(own);
        run_chunk({i, i + 1}, own.end - own.begin);
      }
    }
  }

 private:
  float* product_sums(std::int64_t panel) const { return product_sum_ + round_up(d_head_, kTileRows) * columns_.begin(panel); }
  float* values(std::int64_t panel) const { return values_ + kChunk * columns_.begin(panel); }
  float* out(std::int64_t panel) const { return out_ + kChunkRows * columns_.begin(panel); }

  /// keys_ [d_head, kChunk] = phi(k) transposed, zeros beyond the keys; values_. False when a value is NaN or infinite.
  bool pack(KeyRange keys) {
    const ConstHeadsView& k = call_.inputs.k;
    fetch_rows(k, group_.b, group_.kv_head, keys.begin + kChunk);
    fetch_rows(call_.inputs.v, group_.b, group_.kv_head, keys.begin + kChunk);
    const std::int64_t n = keys.end - keys.begin;
    for (std::int64_t lane = 0; lane < kChunk; lane += kLanes) {
      const std::int64_t n_here = std::clamp<std::int64_t>(n - lane, 0, kLanes);
      const Transpose transpose{n_here > 0 ? k.row(group_.b, group_.kv_head, keys.begin + lane) : nullptr, k.row_stride,
                                keys_ + lane, kChunk};
      if (n_here == kLanes) {
        transpose_lanes(transpose, d_head_);
      } else {
        transpose_each(transpose, n_here, d_head_);
      }
      const Floats d;
      const auto is_key = hn::FirstN(d, static_cast<std::size_t>(n_here));
      for (std::int64_t c = 0; c < d_head_; ++c) {
        float* const at = keys_ + c * kChunk + lane;
        hn::Store(hn::IfThenElseZero(is_key, phi(hn::Load(d, at))), d, at);
      }
    }
    std::fill(keys_ + d_head_ * kChunk, keys_ + round_up(d_head_, kTileRows) * kChunk, 0.0F);
    return pack_values(keys);
  }

  bool pack_values(KeyRange keys) {
    const ConstHeadsView& v = call_.inputs.v;
    const Floats d;
    FloatVec odd = hn::Zero(d);
    for (std::int64_t panel = 0; panel < columns_.n_panels; ++panel) {
      const std::int64_t begin = columns_.begin(panel), width = columns_.width(panel);
      const std::int64_t n_columns = std::min(width, d_head_ - begin);
      for (std::int64_t j = keys.begin; j < keys.end; ++j) {
        float* const target = values(panel) + (j - keys.begin) * width;
        std::copy_n(v.row(group_.b, group_.kv_head, j) + begin, n_columns, target);
        std::fill(target + n_columns, target + width, 0.0F);
        for (std::int64_t c = 0; c < width; c += kLanes) {
          odd = hn::MulAdd(hn::Load(d, target + c), hn::Zero(d), odd);
        }
      }
    }
    return hn::GetLane(hn::SumOfLanes(d, odd)) == 0.0F;
  }

  /// The chunk's own sums, made apart, then added: its terms are not rounded to the last place of what came before.
  void add_packed(std::int64_t n_keys) {
    const Floats d;
    for (std::int64_t c = 0; c < d_head_; ++c) {
      FloatVec sum = hn::Load(d, keys_ + c * kChunk);
      for (std::int64_t lane = kLanes; lane < kChunk; lane += kLanes) {
        sum = hn::Add(sum, hn::Load(d, keys_ + c * kChunk + lane));
      }
      key_sum_[c] += hn::GetLane(hn::SumOfLanes(d, sum));
    }
    for (std::int64_t panel = 0; panel < columns_.n_panels; ++panel) {
      const std::int64_t width = columns_.width(panel);
      for (std::int64_t c = 0; c < d_head_; c += kTileRows) {
        const float* const rows = keys_ + c * kChunk;
        multiply({rows, kChunk, rows, values(panel), n_keys, kZeros}, width, tile_);
        float* const sums = product_sums(panel) + c * width;
        for (std::int64_t at = 0; at < kTileRows * width; at += kLanes) {
          hn::Store(hn::Add(hn::Load(d, sums + at), hn::Load(d, tile_ + at)), d, sums + at);
        }
      }
    }
  }

  /// queries_ [rows rounded up to tiles, d_head] = phi(q).
  void pack_queries(std::int64_t head, KeyRange rows) {
    const Floats d;
    const std::int64_t n = rows.end - rows.begin;
    fetch_rows(call_.inputs.q, group_.b, head, rows.begin + kChunk);
    for (std::int64_t i = 0; i < n; ++i) {
      const float* const q = call_.inputs.q.row(group_.b, head, rows.begin + i);
      float* const target = queries_ + i * d_head_;
      std::int64_t c = 0;
      for (; c + kLanes <= d_head_; c += kLanes) {
        hn::StoreU(phi(hn::LoadU(d, q + c)), d, target + c);
      }
      if (c == d_head_) continue;
      HWY_ALIGN float last[kLanes] = {};
      std::copy_n(q + c, d_head_ - c, last);
      hn::Store(phi(hn::Load(d, last)), d, last);
      std::copy_n(last, d_head_ - c, target + c);
    }
    std::fill(queries_ + n * d_head_, queries_ + round_up(n, kTileRows) * d_head_, 0.0F);
  }

  /// Rows of all heads with the sums over earlier keys and with the first n_keys packed keys, row i's own key being the i-th.
  void run_chunk(KeyRange rows, std::int64_t n_keys) {
    const std::int64_t n_rows = rows.end - rows.begin;
    for (const std::int64_t head : group_.heads) {
      pack_queries(head, rows);
      for (std::int64_t i = 0; i < n_rows; ++i) {
        normaliser_[i] = dot_product(queries_ + i * d_head_, key_sum_, d_head_);
      }
      if (n_keys > 0) weigh_own_keys(n_rows, n_keys);
      for (std::int64_t panel = 0; panel < columns_.n_panels; ++panel) {
        const std::int64_t width = columns_.width(panel);
        for (std::int64_t i = 0; i < n_rows; i += kTileRows) {
          const float *const q = queries_ + i * d_head_, *const weights = weights_ + i * kChunk;
          multiply({q, d_head_, q, product_sums(panel), d_head_, kZeros}, width, out(panel) + i * width);
          if (n_keys > 0) multiply({weights, kChunk, weights, values(panel), n_keys, nullptr}, width, out(panel) + i * width);
        }
      }
      write(head, rows);
    }
    if (n_keys > 0) add_packed(n_keys);
  }

  /// weights_ [rows, kChunk] = phi(q) · phi(k), later keys hidden.
  void weigh_own_keys(std::int64_t n_rows, std::int64_t n_keys) {
    const Floats d;
    for (std::int64_t i = 0; i < n_rows; i += kTileRows) {
      const float* const q = queries_ + i * d_head_;
      multiply({q, d_head_, q, keys_, d_head_, kZeros}, kChunk, weights_ + i * kChunk);
    }
    for (std::int64_t i = 0; i < n_rows; ++i) {
      float* const weights = weights_ + i * kChunk;
      for (std::int64_t j = i + 1; j < n_keys; ++j) {
        weights[j] = 0;
      }
      FloatVec sum = hn::Zero(d);
      for (std::int64_t lane = 0; lane < kChunk; lane += kLanes) {
        sum = hn::Add(
            sum, hn::IfThenElseZero(hn::FirstN(d, static_cast<std::size_t>(std::clamp<std::int64_t>(n_keys - lane, 0, kLanes))),
                                    hn::Load(d, weights + lane)));
      }
      normaliser_[i] += hn::GetLane(hn::SumOfLanes(d, sum));
    }
  }

  void write(std::int64_t head, KeyRange rows) {
    for (std::int64_t i = 0; i < rows.end - rows.begin; ++i) {
      const float normaliser = normaliser_[i];
      float* const target = call_.outputs.out.row(group_.b, head, rows.begin + i);
      for (std::int64_t panel = 0; panel < columns_.n_panels; ++panel) {
        const std::int64_t begin = columns_.begin(panel), width = columns_.width(panel);
        const float* const sums = out(panel) + i * width;
        const std::int64_t n = std::min(width, d_head_ - begin);
        for (std::int64_t c = 0; c < n; ++c) {
          target[begin + c] = normaliser == 0 ? 0.0F : sums[c] / normaliser;
        }
      }
      if (call_.outputs.normaliser.empty()) continue;
      const std::int64_t row = (group_.b * call_.config.n_heads + head) * call_.config.seq_q + rows.begin + i;
      call_.outputs.normaliser[static_cast<std::size_t>(row)] = normaliser;
    }
  }

  static constexpr float kZeros[kTileRows] = {};

  const Call& call_;
  const Group& group_;
  std::int64_t d_head_;
  Columns columns_;
  float *key_sum_ = nullptr, *product_sum_ = nullptr;  // sums of phi(k) [d_head], of phi(k) vᵀ: a [d_head, width] for each panel
  float *keys_ = nullptr, *values_ = nullptr, *queries_ = nullptr, *out_ = nullptr;
  float *weights_ = nullptr, *tile_ = nullptr, *normaliser_ = nullptr;
};

void AddKeys(const Call& call, const Group& group, KeyRange keys, linear_attention_detail::Memory memory) {
  LinearRun(call, group, memory.sums, memory.scratch).add_keys(keys);
}

void RunRows(const Call& call, const Group& group, KeyRange rows, linear_attention_detail::Memory memory) {
  LinearRun(call, group, memory.sums, memory.scratch).run_rows(rows);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace headroom
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
HWY_EXPORT(ChunkKeys);
HWY_EXPORT(SumsSize);
HWY_EXPORT(ScratchSize);
HWY_EXPORT(AddKeys);
HWY_EXPORT(RunRows);

namespace linear_attention_detail {

std::int64_t chunk_keys() { return HWY_DYNAMIC_DISPATCH(ChunkKeys)(); }
std::size_t sums_size(std::int64_t d_head) { return HWY_DYNAMIC_DISPATCH(SumsSize)(d_head); }
std::size_t scratch_size(std::int64_t d_head) { return HWY_DYNAMIC_DISPATCH(ScratchSize)(d_head); }
void add_keys(const Call& call, const Group& group, KeyRange keys, Memory memory) {
  HWY_DYNAMIC_DISPATCH(AddKeys)(call, group, keys, memory);
}
void run_rows(const Call& call, const Group& group, KeyRange rows, Memory memory) {
  HWY_DYNAMIC_DISPATCH(RunRows)(call, group, rows, memory);
}

}  // namespace linear_attention_detail
}  // namespace headroom
#endif
