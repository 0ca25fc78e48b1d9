#include "core/speed/cases.h"

#include <algorithm>
#include <string>

#include "core/tensor/error.h"

namespace headroom {
namespace {

struct Heads {
  std::int64_t n_heads, n_kv_heads, d_head;
};

SpeedCase attention_case(std::string name, std::string what, Heads heads, std::int64_t n, Direction direction) {
  SpeedCase c;
  c.name = std::move(name);
  c.what = std::move(what);
  c.config.n_heads = heads.n_heads;
  c.config.n_kv_heads = heads.n_kv_heads;
  c.config.d_head = heads.d_head;
  c.config.seq_q = c.config.seq_k = n;
  c.config.mask.direction = direction;
  return c;
}

SpeedCase decode_case(std::string name, std::string what, Heads heads, std::int64_t n_keys) {
  SpeedCase c = attention_case(std::move(name), std::move(what), heads, n_keys, Direction::kCausal);
  c.kind = SpeedCase::Kind::kDecode;
  c.config.seq_q = 1;
  c.config.mask.query_offset = n_keys - 1;
  return c;
}

SpeedCase product_case(std::string name, std::string what, std::int64_t rows, std::int64_t width) {
  SpeedCase c;
  c.name = std::move(name);
  c.what = std::move(what);
  c.kind = SpeedCase::Kind::kProduct;
  c.rows = rows;
  c.depth = c.width = width;
  return c;
}

std::vector<SpeedCase> make_cases() {
  using enum Direction;
  return {
      attention_case("bert-128", "BERT layer: 12 heads of 64, 128 tokens, all pairs", {12, 12, 64}, 128, kBidirectional),
      attention_case("gpt2-1024", "GPT-2 layer: 12 heads of 64, 1,024 tokens, causal", {12, 12, 64}, 1024, kCausal),
      attention_case("gqa-1024", "GQA: 32 heads of 128 over 8, 1,024 tokens, causal", {32, 8, 128}, 1024, kCausal),
      attention_case("long-4096", "12 heads of 64, 4,096 tokens, causal", {12, 12, 64}, 4096, kCausal),
      decode_case("decode-4096", "one query over 4,096 cached keys, 32 heads of 128 over 8", {32, 8, 128}, 4096),
      product_case("gemm-768", "product of 768 x 768 and 768 x 768", 768, 768),
      product_case("gemm-128", "product of 128 x 768 and 768 x 768", 128, 768),
  };
}

}  // namespace

const std::vector<SpeedCase>& speed_cases() {
  static const std::vector<SpeedCase> cases = make_cases();
  return cases;
}

const SpeedCase& find_speed_case(const std::string& name) {
  std::string names;
  for (const SpeedCase& c : speed_cases()) {
    if (c.name == name) return c;
    names += (names.empty() ? "" : ", ") + c.name;
  }
  throw Error("there is no case \"" + name + "\"; there are " + names);
}

SpeedCase make_speed_case(const SpeedShape& shape) {
  SpeedCase c;
  c.name = "custom";
  c.what = speed_shape_text(shape);
  c.config = shape.config;
  c.kind = shape.config.seq_q == 1 && shape.config.seq_k > 1 ? SpeedCase::Kind::kDecode : SpeedCase::Kind::kAttention;
  return c;
}

const std::vector<std::string>& speed_backends() {
  static const std::vector<std::string> names{"reference", "naive", "flash", "linear", "gl"};
  return names;
}

double flops_of(const SpeedCase& c) {
  if (c.kind == SpeedCase::Kind::kProduct) return 2.0 * static_cast<double>(c.rows) * static_cast<double>(c.depth * c.width);
  return attention_flops(c.config);
}

double attention_flops(const AttentionConfig& config) {
  double pairs = 0;
  for (std::int64_t b = 0; b < config.batch; ++b)
    pairs += static_cast<double>(count_visible(config.mask, b, config.seq_q, config.seq_k));
  std::int64_t n_heads = 0;
  for (std::int64_t head = 0; head < config.n_heads; ++head)
    n_heads += config.is_pruned(head) ? 0 : 1;
  return 4 * pairs * static_cast<double>(n_heads * config.d_head);
}

double kv_bytes_of(const AttentionConfig& config) {
  const double value = config.kv_storage == KvStorage::kFloat32 ? 4 : 2;
  return 2 * value * static_cast<double>(config.batch * config.n_kv_heads) * static_cast<double>(config.seq_k * config.d_head);
}

}  // namespace headroom
