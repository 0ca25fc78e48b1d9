#include "core/speed/measuring.h"

#include <algorithm>
#include <array>

#include "core/speed/text.h"
#include "core/tensor/error.h"
#include "core/tensor/machine.h"

namespace headroom {
namespace {

std::string& commit_name() {
  static std::string name = "unknown";
  return name;
}

std::string compiler_name() {
#if defined(__clang__)
  return "Clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__) + "." +
         std::to_string(__clang_patchlevel__);
#elif defined(__GNUC__)
  return "GCC " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__) + "." + std::to_string(__GNUC_PATCHLEVEL__);
#else
  return "unknown compiler";
#endif
}

/// What is compared of a mask: all of it.
bool same_config(const AttentionConfig& a, const AttentionConfig& b) {
  const auto sizes = [](const AttentionConfig& c) {
    return std::array{c.batch, c.n_heads, c.n_kv_heads, c.d_head, c.seq_q, c.seq_k};
  };
  return sizes(a) == sizes(b) && a.scale == b.scale && a.mask == b.mask && a.pruned == b.pruned && a.kv_head_of == b.kv_head_of &&
         a.dropout == b.dropout && a.kv_storage == b.kv_storage;
}

}  // namespace

bool SpeedShape::operator==(const SpeedShape& other) const { return d_model == other.d_model && same_config(config, other.config); }

std::string speed_shape_text(const SpeedShape& shape) {
  const AttentionConfig& c = shape.config;
  std::string text = plural(c.n_heads, "head") + " of " + std::to_string(c.d_head);
  if (c.n_kv_heads != c.n_heads) text += " over " + std::to_string(c.n_kv_heads);
  text += c.seq_q == c.seq_k
              ? ", " + plural(c.seq_q, "token")
              : ", " + (c.seq_q == 1 ? "1 query" : grouped(c.seq_q) + " queries") + " over " + plural(c.seq_k, "key");
  text += ", " + mask_text(c.mask);
  if (c.kv_storage != KvStorage::kFloat32) text += ", K and V in " + std::string(kv_storage_name(c.kv_storage));
  return text;
}

void set_source_commit(std::string commit) { commit_name() = std::move(commit); }

MachineFacts machine_facts() {
  MachineFacts facts;
  facts.commit = commit_name();
  facts.compiler = compiler_name();
  facts.cpu = cpu_name() + ", " + plural(ThreadPool().n_threads(), "processor");
  facts.simd = simd_name();
  return facts;
}

double median(std::vector<double> values) {
  if (values.empty()) throw Error("a median of no values");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace headroom
