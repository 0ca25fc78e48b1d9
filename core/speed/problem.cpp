#include "core/speed/problem.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "core/tensor/dtype.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr double kLargestError = 1e-4;
/// Ragged, and more than one tile of any kernel.
constexpr std::int64_t kCheckedTokens = 203;
constexpr std::int64_t kCheckedKeysOfDecoding = 811;
constexpr std::int64_t kCheckedKvHeads = 2;

std::size_t count(std::int64_t n) { return static_cast<std::size_t>(n); }

bool is_decoding(const AttentionConfig& config) { return config.seq_q == 1 && config.seq_k > 1; }

template <typename T>
BasicHeadsView<const T> place(const T* values, const AttentionConfig& c) {
  using View = BasicHeadsView<const T>;
  return is_decoding(c) ? View::head_major(values, c.batch, c.n_kv_heads, c.seq_k, c.d_head)
                        : View::interleaved(values, c.batch, c.n_kv_heads, c.seq_k, c.d_head);
}

template <typename T>
std::span<const std::byte> bytes_at(const T* values, std::size_t n) {
  return std::as_bytes(std::span<const T>(values, n));
}

}  // namespace

void fill_values(std::span<float> values, std::uint32_t seed) {
  std::uint32_t state = seed;
  for (float& value : values) {
    state = state * 1664525U + 1013904223U;
    value = 1.7320508F * (static_cast<float>(state >> 8U) / 8388608.0F - 1.0F);
  }
}

AttentionProblem::AttentionProblem(const AttentionConfig& config, double least_kv_bytes)
    : config_(config),
      kv_size_(count(config.batch * config.n_kv_heads * config.seq_k * config.d_head)),
      kv_stride_((kv_size_ + 31) / 32 * 32),
      q_(count(config.batch * config.n_heads * config.seq_q * config.d_head)),
      out_(q_.size()),
      logsumexp_(count(config.batch * config.n_heads * config.seq_q)) {
  fill_values(q_.span(), 1);
  const bool is_wide = config.kv_storage == KvStorage::kFloat32;
  const double copy_bytes = static_cast<double>(2 * kv_size_) * (is_wide ? 4 : 2);
  n_copies_ = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(least_kv_bytes / std::max(copy_bytes, 1.0))));
  AlignedBuffer<float> first(2 * kv_stride_);
  fill_values(first.span(), 2);
  if (is_wide && n_copies_ == 1) {
    kv_ = std::move(first);
    return;
  }
  if (is_wide) {
    kv_ = AlignedBuffer<float>(first.size() * n_copies_);
    for (std::size_t copy = 0; copy < n_copies_; ++copy)
      std::memcpy(kv_.data() + copy * first.size(), first.data(), first.size() * sizeof(float));
    return;
  }
  kv16_ = AlignedBuffer<std::uint16_t>(first.size() * n_copies_);
  const auto narrow = kv16_.span().first(first.size());
  config.kv_storage == KvStorage::kFloat16 ? to_float16(first.span(), narrow) : to_bfloat16(first.span(), narrow);
  for (std::size_t copy = 1; copy < n_copies_; ++copy)
    std::memcpy(kv16_.data() + copy * first.size(), kv16_.data(), first.size() * sizeof(std::uint16_t));
}

AttentionInputs AttentionProblem::inputs() const {
  AttentionInputs inputs;
  inputs.q = ConstHeadsView::interleaved(q_.data(), config_.batch, config_.n_heads, config_.seq_q, config_.d_head);
  const std::size_t at = 2 * copy_ * kv_stride_;
  if (config_.kv_storage == KvStorage::kFloat32) {
    inputs.k = place(kv_.data() + at, config_);
    inputs.v = place(kv_.data() + at + kv_stride_, config_);
  } else {
    inputs.k16 = place(kv16_.data() + at, config_);
    inputs.v16 = place(kv16_.data() + at + kv_stride_, config_);
  }
  return inputs;
}

AttentionOutputs AttentionProblem::outputs(AttentionWork* work) {
  return {.out = HeadsView::interleaved(out_.data(), config_.batch, config_.n_heads, config_.seq_q, config_.d_head),
          .logsumexp = logsumexp_.span(),
          .probs = {},
          .work = work};
}

std::array<std::span<const std::byte>, 2> AttentionProblem::kv_blocks() const {
  const std::size_t at = 2 * copy_ * kv_stride_;
  if (config_.kv_storage == KvStorage::kFloat32)
    return {bytes_at(kv_.data() + at, kv_size_), bytes_at(kv_.data() + at + kv_stride_, kv_size_)};
  return {bytes_at(kv16_.data() + at, kv_size_), bytes_at(kv16_.data() + at + kv_stride_, kv_size_)};
}

AttentionConfig small_sibling(AttentionConfig config) {
  const bool shares_evenly = config.kv_head_of.empty() && config.pruned.empty();
  if (shares_evenly && config.n_kv_heads > kCheckedKvHeads) {
    const std::int64_t group = config.n_heads / config.n_kv_heads;
    config.n_kv_heads = kCheckedKvHeads;
    config.n_heads = kCheckedKvHeads * group;
  }
  const std::int64_t most = is_decoding(config) ? kCheckedKeysOfDecoding : kCheckedTokens;
  config.seq_q = std::min(config.seq_q, most);
  config.seq_k = std::min(config.seq_k, most);
  for (std::int64_t& length : config.mask.key_lengths)
    length = std::min(length, config.seq_k);
  MaskPattern& pattern = config.mask.pattern;
  if (!pattern.query_bucket.empty()) pattern.query_bucket.resize(count(config.seq_q));
  if (!pattern.key_bucket.empty()) pattern.key_bucket.resize(count(config.seq_k));
  return config;
}

double error_against_reference(AttentionBackend& backend, const AttentionConfig& config) {
  AttentionProblem ours(config), theirs(config);
  backend.run(config, ours.inputs(), ours.outputs());
  make_reference_backend()->run(config, theirs.inputs(), theirs.outputs());
  double largest = 0;
  for (std::size_t i = 0; i < ours.out().size(); ++i) {
    const double error = std::abs(double{ours.out()[i]} - double{theirs.out()[i]});
    if (std::isnan(error)) return error;
    largest = std::max(largest, error);
  }
  return largest;
}

double check_against_reference(AttentionBackend& backend, const AttentionConfig& config) {
  const double error = error_against_reference(backend, small_sibling(config));
  if (!(error <= kLargestError)) {
    throw Error("the backend " + std::string(backend.name()) + " differs from the reference by " + std::to_string(error) +
                ": it was not timed");
  }
  return error;
}

}  // namespace headroom
