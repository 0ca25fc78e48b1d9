#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headroom {

/// How a model knows where a token stands: by turning q and k, by adding a learned vector to each embedding, or by adding to each score a
/// learned number for the distance (T5).
enum class PositionKind { kRotary, kLearned, kRelative };

/// Which attention of a model: the only one, or the decoder's on itself; the encoder's; the decoder's on the encoder.
enum class AttentionStack { kSelf, kEncoder, kCross };

/// The numbers that decide a transformer's size.
struct ModelShape {
  std::int64_t n_layers = 4;
  std::int64_t d_model = 128;
  std::int64_t n_heads = 8;
  std::int64_t n_kv_heads = 8;
  std::int64_t d_head = 16;
  std::int64_t d_ff = 344;
  std::int64_t vocab_size = 366;
  std::int64_t max_positions = 64;

  bool operator==(const ModelShape&) const = default;
};

/// A value that a control settled on, and why it is not the one asked for (empty when it is).
struct Snapped {
  std::int64_t value = 0;
  std::string why;
};

/// Which h can be had by slicing the trained matrices anew: d_k = (n_heads * d_head) / h whole, even under rotary positions (they turn
/// pairs), at most 256, and dividing the width of K and V. Ascending; never empty.
std::vector<std::int64_t> valid_heads(const ModelShape& trained, PositionKind positions = PositionKind::kRotary);
/// kv_heads that divide the K/V heads which slicing to `n_heads` leaves, and so divide n_heads. Ascending, ends with those left.
/// Edge  1 alone for an n_heads that is not in valid_heads.
std::vector<std::int64_t> valid_kv_heads(const ModelShape& trained, std::int64_t n_heads,
                                         PositionKind positions = PositionKind::kRotary);

/// The same two for seeded random parameters (lab), where K and V can have any width. d_model in [8, 4096]: multiples of 8 to 256,
/// of 32 to 1024, of 128 above.
std::vector<std::int64_t> valid_lab_heads(std::int64_t d_model, PositionKind positions = PositionKind::kRotary);
std::vector<std::int64_t> valid_lab_kv_heads(std::int64_t n_heads);
std::vector<std::int64_t> valid_lab_d_models();

/// Nearest member of `valid` (ties go down), with `why` = reason when `asked` itself is not a member.
/// Errors  ShapeError when `valid` is empty.
Snapped snap(std::int64_t asked, const std::vector<std::int64_t>& valid, const std::string& reason);

/// The same with a reason that names the numbers: "h = 5 does not divide 128; d_k = 128 / h must be whole and even (...)".
Snapped snap_heads(const ModelShape& trained, std::int64_t asked, PositionKind positions = PositionKind::kRotary);
Snapped snap_kv_heads(const ModelShape& trained, std::int64_t n_heads, std::int64_t asked,
                      PositionKind positions = PositionKind::kRotary);
Snapped snap_lab_heads(std::int64_t d_model, std::int64_t asked, PositionKind positions = PositionKind::kRotary);
Snapped snap_lab_kv_heads(std::int64_t n_heads, std::int64_t asked);
Snapped snap_lab_d_model(std::int64_t asked);

}  // namespace headroom
