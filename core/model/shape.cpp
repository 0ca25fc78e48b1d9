#include "core/model/shape.h"

#include <algorithm>
#include <string>

#include "core/attention/config.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::int64_t kMinLabDModel = 8;
constexpr std::int64_t kMaxLabDModel = 4096;

std::string number(std::int64_t value) { return std::to_string(value); }

std::vector<std::int64_t> divisors(std::int64_t value) {
  std::vector<std::int64_t> found;
  for (std::int64_t d = 1; d <= value; ++d) {
    if (value % d == 0) found.push_back(d);
  }
  return found;
}

/// Why h heads cannot be cut from a width; empty when they can. One owner for trained and lab.
std::string heads_problem(std::int64_t width, std::int64_t h, PositionKind positions) {
  const bool is_rotary = positions == PositionKind::kRotary;
  const std::string rule =
      "d_k = " + number(width) + " / h must be whole" + (is_rotary ? " and even (rotary positions turn pairs)" : "");
  if (h < 1) return "h = " + number(h) + " is below 1; " + rule;
  if (width % h != 0) return "h = " + number(h) + " does not divide " + number(width) + "; " + rule;
  const std::int64_t d_head = width / h;
  if (is_rotary && d_head % 2 != 0) return "h = " + number(h) + " makes d_k = " + number(d_head) + " odd; " + rule;
  if (d_head > kMaxDHead) return "h = " + number(h) + " makes d_k = " + number(d_head) + "; d_k is at most " + number(kMaxDHead);
  return {};
}

std::string trained_heads_problem(const ModelShape& trained, std::int64_t h, PositionKind positions) {
  if (h == trained.n_heads) return {};
  if (positions == PositionKind::kRelative)
    return "h = " + number(h) + " is not the trained " + number(trained.n_heads) +
           ", and each trained head has its own bias for every distance";
  const std::int64_t width = trained.n_heads * trained.d_head;
  std::string problem = heads_problem(width, h, positions);
  if (!problem.empty()) return problem;
  const std::int64_t kv_width = trained.n_kv_heads * trained.d_head;
  const std::int64_t d_head = width / h;
  if (kv_width % d_head == 0) return {};
  return "h = " + number(h) + " makes d_k = " + number(d_head) + ", which does not divide the " + number(kv_width) +
         " columns of K and V";
}

}  // namespace

std::vector<std::int64_t> valid_heads(const ModelShape& trained, PositionKind positions) {
  std::vector<std::int64_t> valid;
  for (const std::int64_t h : divisors(trained.n_heads * trained.d_head)) {
    if (trained_heads_problem(trained, h, positions).empty()) valid.push_back(h);
  }
  return valid;
}

std::vector<std::int64_t> valid_kv_heads(const ModelShape& trained, std::int64_t n_heads, PositionKind positions) {
  if (n_heads < 1 || !trained_heads_problem(trained, n_heads, positions).empty()) return {1};
  // Slicing keeps the widths, so n_heads / kv heads left = trained n_heads / n_kv_heads: every divisor divides n_heads too.
  const std::int64_t d_head = trained.n_heads * trained.d_head / n_heads;
  return divisors(trained.n_kv_heads * trained.d_head / d_head);
}

std::vector<std::int64_t> valid_lab_heads(std::int64_t d_model, PositionKind positions) {
  std::vector<std::int64_t> valid;
  for (const std::int64_t h : divisors(d_model)) {
    if (heads_problem(d_model, h, positions).empty()) valid.push_back(h);
  }
  return valid;
}

std::vector<std::int64_t> valid_lab_kv_heads(std::int64_t n_heads) { return divisors(n_heads); }

std::vector<std::int64_t> valid_lab_d_models() {
  std::vector<std::int64_t> valid;
  for (std::int64_t d = kMinLabDModel; d <= kMaxLabDModel; d += d < 256 ? 8 : d < 1024 ? 32 : 128)
    valid.push_back(d);
  return valid;
}

Snapped snap(std::int64_t asked, const std::vector<std::int64_t>& valid, const std::string& reason) {
  if (valid.empty()) throw ShapeError("there is no valid value to choose from: " + reason);
  const auto above = std::lower_bound(valid.begin(), valid.end(), asked);
  if (above == valid.begin()) return {*above, *above == asked ? std::string() : reason};
  const std::int64_t below = *(above - 1);
  if (above == valid.end()) return {below, reason};
  if (*above == asked) return {asked, {}};
  // Both differences are positive; unsigned subtraction cannot overflow however far away `asked` is.
  const auto distance = [](std::int64_t high, std::int64_t low) {
    return static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  };
  return {distance(*above, asked) < distance(asked, below) ? *above : below, reason};
}

Snapped snap_heads(const ModelShape& trained, std::int64_t asked, PositionKind positions) {
  return snap(asked, valid_heads(trained, positions), trained_heads_problem(trained, asked, positions));
}

Snapped snap_kv_heads(const ModelShape& trained, std::int64_t n_heads, std::int64_t asked, PositionKind positions) {
  const std::vector<std::int64_t> valid = valid_kv_heads(trained, n_heads, positions);
  return snap(asked, valid,
              "kv_heads = " + number(asked) + " does not divide the " + number(valid.back()) +
                  " K/V heads that h = " + number(n_heads) + " leaves; each K/V head is shared by the same number of heads");
}

Snapped snap_lab_heads(std::int64_t d_model, std::int64_t asked, PositionKind positions) {
  return snap(asked, valid_lab_heads(d_model, positions), heads_problem(d_model, asked, positions));
}

Snapped snap_lab_kv_heads(std::int64_t n_heads, std::int64_t asked) {
  return snap(asked, valid_lab_kv_heads(n_heads),
              "kv_heads = " + number(asked) + " does not divide h = " + number(n_heads) +
                  "; each K/V head is shared by the same number of heads");
}

Snapped snap_lab_d_model(std::int64_t asked) {
  return snap(
      asked, valid_lab_d_models(),
      "d_model = " + number(asked) + " is not offered; it is a multiple of 8 up to 256, of 32 up to 1024 and of 128 up to 4096");
}

}  // namespace headroom
