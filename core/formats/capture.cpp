#include "core/formats/capture.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/formats/capture_attention.h"
#include "core/formats/capture_check.h"
#include "core/formats/capture_text.h"
#include "core/formats/json_value.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Nats that rounding to 16 bits may leave between a stored logsumexp and that of the scores.
constexpr double kLogsumexpTolerance = 0.05;

class NoAttention : public StoredAttention {
 public:
  NoAttention(std::int64_t seq_q, std::int64_t seq_k) : seq_q_(seq_q), seq_k_(seq_k) {}
  std::int64_t n_heads() const override { return 0; }
  std::int64_t seq_q() const override { return seq_q_; }
  std::int64_t seq_k() const override { return seq_k_; }
  bool holds_scores() const override { return false; }
  void read(std::int64_t head, std::int64_t, std::int64_t, float*) const override {
    throw ShapeError("head " + std::to_string(head) + " is not in the capture");
  }

 private:
  std::int64_t seq_q_, seq_k_;
};

std::string metadata_text(const CaptureFile& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? "" : found->second;
}

/// Keys that were there before the first query: those of a cache.
std::int64_t query_start_of(const StackPlan& plan, const MaskClaim& claim) {
  if (plan.stack == AttentionStack::kCross) return 0;
  return claim.query_start.value_or(std::max<std::int64_t>(0, plan.seq_k - plan.seq_q));
}

Direction direction_of(const StackPlan& plan, const MaskClaim& claim, std::vector<std::string>& notices) {
  if (plan.stack == AttentionStack::kCross) return Direction::kBidirectional;
  if (claim.direction) return *claim.direction;
  if (const auto found = direction_by_values(plan, 0, query_start_of(plan, claim))) return *found;
  if (plan.stack == AttentionStack::kEncoder) return Direction::kBidirectional;
  const bool has_later_keys = query_start_of(plan, claim) + 1 < plan.seq_k;
  if (has_later_keys)
    notices.push_back("The capture does not say who sees whom: it is read as causal (metadata \"causal\" would say so).");
  return Direction::kCausal;
}

std::shared_ptr<const PositionBias> bias_of(const ArrayPart& part) {
  auto bias = std::make_shared<PositionBias>();
  bias->n_heads = part.dims[0];
  bias->reach = part.dims[1] / 2;
  bias->values.resize(static_cast<std::size_t>(part.dims[0] * part.dims[1]));
  part.array.read(part.first, bias->values);
  return bias;
}

std::int64_t qk_bytes(const StackPlan& plan) {
  std::int64_t numbers = 0;
  for (const LayerPlan& layer : plan.layers) {
    if (!layer.q) continue;
    numbers += layer.d_head() * (layer.seq_of_q() * layer.n_q_heads() + 2 * layer.seq_of_k() * layer.n_kv_heads());
  }
  return 4 * numbers;
}

/// Makes the layers of one text.
class PassReader {
 public:
  PassReader(const CaptureFile& file, const StackPlan& plan, const CaptureWindow& window, std::vector<std::string>& notices)
      : file_(file), plan_(plan), window_(window), notices_(notices), is_large_(qk_bytes(plan) > kMaxReadQk) {
    if (is_large_) {
      store_ = make_key_store(kMaxReadQk);
      notices_.push_back("q and k of this capture take " + counted(static_cast<std::uint64_t>(qk_bytes(plan)), "byte") +
                         " as float32: scores are computed from the file as they are looked at, and v is not read.");
    }
  }

  LayerTrace layer(std::int64_t number, std::int64_t entry, Direction direction) {
    const LayerPlan& plan = plan_.layers[static_cast<std::size_t>(number)];
    LayerTrace trace;
    const MaskClaim claim = read_mask_claim(file_, number, notices_);
    trace.mask.direction = direction;
    trace.mask.pattern = claim.pattern;
    if (plan_.stack != AttentionStack::kCross)
      trace.mask.query_offset = query_start_of(plan_, claim) + window_.q_begin - window_.k_begin;
    if (!plan.is_there()) {
      trace.stored = std::make_shared<NoAttention>(window_.seq_q(), window_.seq_k());
      return trace;
    }
    const std::int64_t n_heads = plan.n_heads(), group = std::max<std::int64_t>(1, n_heads / plan.n_kv_heads());
    for (std::int64_t head = 0; head < n_heads; ++head) {
      trace.heads.push_back(head);
      trace.kv_head_of.push_back(head / group);
    }
    take_pruning(trace, number, plan);
    trace.d_head = plan.d_head();
    trace.scale = scale_of(plan, number);
    if (plan.attention) trace.stored = stored_attention(plan, entry, window_);
    if (!plan.q) return trace;
    ScoreTerms terms{.scale = trace.scale,
                     .soft_cap = soft_cap(number),
                     .position_bias = {},
                     .query_offset = trace.mask.query_offset,
                     .kv_head_of = trace.kv_head_of};
    if (plan.position_bias) terms.position_bias = bias(*plan.position_bias);
    if (is_large_) {
      if (!trace.stored) trace.stored = scores_of_large(plan, entry, window_, terms, store_);
      return trace;
    }
    trace.soft_cap = terms.soft_cap;
    trace.position_bias = terms.position_bias;
    trace.attention.q = read_tokens_first(*plan.q, plan.axes, entry, {window_.q_begin, window_.q_end});
    trace.attention.k = read_tokens_first(*plan.k, plan.axes, entry, {window_.k_begin, window_.k_end});
    if (plan.v) trace.attention.v = read_tokens_first(*plan.v, plan.axes, entry, {window_.k_begin, window_.k_end});
    if (plan.logsumexp) trace.attention.logsumexp = sums(*plan.logsumexp, entry);
    return trace;
  }

 private:
  /// Heads that were removed before the capture: those left have the numbers and the K/V heads that the metadata say.
  void take_pruning(LayerTrace& trace, std::int64_t number, const LayerPlan& plan) {
    const auto heads = metadata_numbers(file_, layer_key("heads", number), notices_);
    const bool is_list = heads && heads->size() == trace.heads.size() && heads->back() < n_heads_of_pruned() &&
                         std::adjacent_find(heads->begin(), heads->end(), std::greater_equal<>()) == heads->end();
    if (is_list) trace.heads = *heads;
    const auto sharing = metadata_numbers(file_, layer_key("kv_head_of", number), notices_);
    const bool is_sharing = sharing && sharing->size() == trace.heads.size() &&
                            std::all_of(sharing->begin(), sharing->end(), [&](std::int64_t kv) { return kv < plan.n_kv_heads(); });
    if (is_sharing) trace.kv_head_of = *sharing;
  }
  std::int64_t n_heads_of_pruned() {
    const auto heads = metadata_number(file_, "heads", notices_);
    return heads ? static_cast<std::int64_t>(std::clamp(*heads, 0.0, 1024.0)) : 0;
  }
  float scale_of(const LayerPlan& plan, std::int64_t layer) {
    auto scale = metadata_number(file_, layer_key("scale", layer), notices_);
    if (!scale) scale = metadata_number(file_, "scale", notices_);
    if (scale && *scale > 0) return static_cast<float>(*scale);
    return plan.d_head() > 0 ? 1.0F / std::sqrt(static_cast<float>(plan.d_head())) : 1.0F;
  }
  float soft_cap(std::int64_t layer) {
    auto cap = metadata_number(file_, layer_key("soft_cap", layer), notices_);
    if (!cap) cap = metadata_number(file_, "soft_cap", notices_);
    return cap && *cap > 0 ? static_cast<float>(*cap) : 0.0F;
  }
  /// Layers that share one array share what is made of it.
  std::shared_ptr<const PositionBias> bias(const ArrayPart& part) {
    if (!bias_ || bias_name_ != part.array.name) {
      bias_ = bias_of(part);
      bias_name_ = part.array.name;
    }
    return bias_;
  }
  Tensor sums(const ArrayPart& part, std::int64_t entry) const {
    Tensor sums({part.dims[0], window_.seq_q()});
    for (std::int64_t h = 0; h < part.dims[0]; ++h)
      part.array.read(part.begin_of(entry) + h * part.dims[1] + window_.q_begin, sums.row(h));
    return sums;
  }

  const CaptureFile& file_;
  const StackPlan& plan_;
  CaptureWindow window_;
  std::vector<std::string>& notices_;
  bool is_large_;
  std::shared_ptr<KeyStore> store_;
  std::shared_ptr<const PositionBias> bias_;
  std::string bias_name_;
};

/// Row sums where the file has none, or none that fit.
void add_row_sums(ForwardTrace& trace, CaptureReport& report, std::vector<std::string>& notices) {
  const bool is_wrong = report.worst_logsumexp > kLogsumexpTolerance;
  if (is_wrong)
    notices.push_back("The stored logsumexp differs from that of q·k by up to " + std::to_string(report.worst_logsumexp) +
                      " nats (L" + std::to_string(report.worst.layer) + " H" + std::to_string(report.worst.head) + ", row " +
                      std::to_string(report.worst.query) +
                      "): it was computed anew. Are q and k those after rotation, and is the scale 1 / sqrt(d_k)?");
  for (LayerTrace& layer : trace.layers) {
    if (layer.stored || layer.attention.q.empty()) continue;
    if (is_wrong) layer.attention.logsumexp = {};
    if (layer.attention.logsumexp.empty()) layer.row_sums = make_row_sums(layer);
  }
}

}  // namespace

Capture::Capture(const std::filesystem::path& path) : file_(open_capture_file(path)), plan_(plan_capture(file_)) {
  facts_.bytes = file_.bytes;
  for (const StackPlan& stack : plan_.stacks) {
    facts_.stacks.push_back(stack.stack);
    const auto n_layers = std::ssize(stack.layers);
    const bool is_encoder = stack.stack == AttentionStack::kEncoder && plan_.stacks.size() > 1;
    (is_encoder ? facts_.n_encoder_layers : facts_.n_layers) =
        std::max<std::int64_t>(is_encoder ? facts_.n_encoder_layers : facts_.n_layers, n_layers);
    facts_.n_heads = std::max(facts_.n_heads, stack.n_heads);
    facts_.n_kv_heads = std::max(facts_.n_kv_heads, stack.n_kv_heads);
    facts_.d_head = std::max(facts_.d_head, stack.d_head);
    facts_.n_entries = std::max(facts_.n_entries, stack.n_entries);
  }
  std::vector<std::string> notices;  // told when a text is read
  // Heads that were removed before the capture count too.
  const auto n_heads = metadata_number(file_, "heads", notices), n_kv_heads = metadata_number(file_, "kv_heads", notices);
  if (n_heads && *n_heads > static_cast<double>(facts_.n_heads) && *n_heads <= 1024)
    facts_.n_heads = static_cast<std::int64_t>(*n_heads);
  if (n_kv_heads && *n_kv_heads > static_cast<double>(facts_.n_kv_heads) && *n_kv_heads <= static_cast<double>(facts_.n_heads))
    facts_.n_kv_heads = static_cast<std::int64_t>(*n_kv_heads);
  if (facts_.n_heads % facts_.n_kv_heads != 0) facts_.n_kv_heads = facts_.n_heads;
  facts_.n_layers = std::max<std::int64_t>(1, facts_.n_layers);
  if (facts_.n_encoder_layers == 0 && plan_.stacks.size() > 1) facts_.n_encoder_layers = 1;  // the tab says that nothing is there
  facts_.seq_q = plan_.stacks.front().seq_q;
  facts_.seq_k = plan_.stacks.front().seq_k;
  facts_.model = metadata_text(file_, "model");
  facts_.text = metadata_text(file_, "text");
  facts_.tool = metadata_text(file_, "tool");
  if (const auto width = metadata_number(file_, "head_dim", notices);
      width && facts_.d_head == 0 && *width >= 1 && *width <= kMaxDHead)
    facts_.d_head = static_cast<std::int64_t>(*width);
  if (const auto width = metadata_number(file_, "d_model", notices); width && *width >= 1 && *width <= 65536)
    facts_.d_model = static_cast<std::int64_t>(*width);
  if (plan_.stacks.size() > 1) {
    facts_.kind = ModelKind::kEncoderDecoder;
  } else {
    const MaskClaim claim = read_mask_claim(file_, 0, notices);
    const Direction direction = direction_of(plan_.stacks.front(), claim, notices);
    facts_.kind = direction == Direction::kCausal ? ModelKind::kCausal : ModelKind::kMasked;
  }
  if (const auto version = metadata_number(file_, "version", notices);
      version && *version >= 2 && metadata_text(file_, "format") == "attention-capture")
    throw Error(shown_path(path) + ": is a capture of version " + metadata_text(file_, "version") +
                "; this program reads version 1");
}

CapturePass Capture::read(const CaptureChoice& choice, std::stop_token stop) const {
  CapturePass pass;
  pass.notices = file_.notices;
  pass.notices.insert(pass.notices.end(), plan_.notices.begin(), plan_.notices.end());
  const StackPlan* plan = plan_.find(choice.stack);
  if (plan == nullptr) {
    plan = &plan_.stacks.front();
    if (plan_.stacks.size() > 1) pass.notices.push_back("The capture holds no attention of this kind: it shows what there is.");
  }
  pass.stack = plan->stack;
  if (choice.entry < 0 || choice.entry >= plan->n_entries)
    throw Error(shown_path(file_.path) + ": holds " + counted(static_cast<std::uint64_t>(plan->n_entries), "text") +
                ", counted from 0; there is no text " + std::to_string(choice.entry));
  const MaskClaim claim = read_mask_claim(file_, 0, pass.notices);
  TextOfCapture text{.stack = plan->stack,
                     .has_other_stacks = plan_.stacks.size() > 1,
                     .entry = choice.entry,
                     .n_entries = plan->n_entries,
                     .seq_q = plan->seq_q,
                     .seq_k = plan->seq_k,
                     .query_start = query_start_of(*plan, claim)};
  const CaptureWindow window = real_tokens(file_, text, pass.notices);
  CaptureTokens tokens = read_tokens(file_, text, window, pass.notices);
  const Direction direction = direction_of(*plan, claim, pass.notices);

  auto trace = std::make_shared<ForwardTrace>();
  trace->ids = std::move(tokens.ids);
  trace->key_ids = std::move(tokens.key_ids);
  PassReader reader(file_, *plan, window, pass.notices);
  for (std::int64_t l = 0; l < std::ssize(plan->layers); ++l) {
    if (stop.stop_requested()) throw Cancelled();
    trace->layers.push_back(reader.layer(l, choice.entry, direction));
  }
  trace->mask = trace->layers.front().mask;
  pass.report = check_capture(*trace, *plan, stop);
  if (pass.report.n_hidden > 0) {
    for (LayerTrace& layer : trace->layers) {
      layer.mask.direction = Direction::kBidirectional;
      layer.mask.pattern = {};
    }
    trace->mask = trace->layers.front().mask;
  }
  add_row_sums(*trace, pass.report, pass.notices);
  for (std::string& problem : pass.report.problems())
    pass.notices.push_back(std::move(problem));
  pass.trace = std::move(trace);
  pass.tokens = std::move(tokens.tokens);
  pass.key_tokens = std::move(tokens.key_tokens);
  pass.text = std::move(tokens.text);
  return pass;
}

}  // namespace headroom
