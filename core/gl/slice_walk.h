#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/attention/config.h"

namespace headroom::gl {

/// A box of one attention call: batch entries, heads (by their place among those not pruned) and queries.
struct Slice {
  std::int64_t first_batch = 0, n_batch = 0, first_active = 0, n_active = 0, first_query = 0, n_queries = 0;
};

/// Where heads lie in a buffer of vec4s: vec4 of (b, h, i) = at + b * batch + h * head + i * row.
struct HeadsPlace {
  std::int64_t at = 0, batch = 0, head = 0, row = 0;
};

/// vec4s [begin, end) of a buffer.
struct Span4 {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
};

/// Walks over all queries of all heads of a call in boxes that can each be one dispatch.
class SliceWalk {
 public:
  struct Limits {
    std::int64_t groups = 65535;     ///< work groups on the second and third axis, guaranteed by OpenGL
    std::int64_t queries = 1 << 30;  ///< of one slice
    std::int64_t out4 = 1 << 30;     ///< vec4s of out between a slice's first and last
    std::int64_t rows = 1 << 30;     ///< queries x heads x batch entries of one slice
    std::int64_t granule = 1;        ///< queries that a work group computes: slices are cut at multiples of it
  };
  /// `active` heads ascend; d4 vec4s is what each row of `out` holds.
  SliceWalk(const AttentionConfig& config, const std::vector<std::int64_t>& active, const HeadsPlace& out, std::int64_t d4,
            const Limits& limits);

  /// The next box, of about `rows` rows (queries times heads) and at least one granule; nothing at the end.
  std::optional<Slice> next(double rows);
  /// What the box writes of out.
  Span4 out_span(const Slice& slice) const;

 private:
  Slice unlimited(std::int64_t rows) const;

  const std::vector<std::int64_t>& active_;
  HeadsPlace out_;
  Limits limits_;
  std::int64_t batch_, seq_q_, d4_;
  std::int64_t b_ = 0, a_ = 0, i_ = 0;
};

}  // namespace headroom::gl
