#include "core/attention/head_norm.h"

#include <cmath>
#include <string>

#include "core/tensor/error.h"

namespace headroom {
namespace {

void norm_one(const HeadNorm& norm, float* head) {
  const std::size_t n = norm.gain.size();
  double squares = 0;
  for (std::size_t c = 0; c < n; ++c)
    squares += static_cast<double>(head[c]) * static_cast<double>(head[c]);
  const auto factor = static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(n) + static_cast<double>(norm.eps)));
  for (std::size_t c = 0; c < n; ++c)
    head[c] = head[c] * factor * norm.gain[c];
}

}  // namespace

void norm_row(const HeadNorm& norm, std::int64_t n_heads, float* row) {
  if (norm.gain.empty()) return;
  for (std::int64_t head = 0; head < n_heads; ++head)
    norm_one(norm, row + head * std::ssize(norm.gain));
}

void norm_heads(const HeadNorm& norm, HeadsView heads) {
  if (norm.gain.empty()) return;
  if (std::ssize(norm.gain) != heads.d_head) {
    throw ShapeError("the norm of a head has " + std::to_string(norm.gain.size()) + " gains for a d_head of " +
                     std::to_string(heads.d_head));
  }
  for (std::int64_t b = 0; b < heads.batch; ++b) {
    for (std::int64_t i = 0; i < heads.seq; ++i) {
      for (std::int64_t head = 0; head < heads.n_heads; ++head)
        norm_one(norm, heads.row(b, head, i));
    }
  }
}

}  // namespace headroom
