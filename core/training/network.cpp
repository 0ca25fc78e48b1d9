#include "core/training/network.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <mutex>
#include <new>

#include "core/attention/rotary.h"
#include "core/tensor/error.h"
#include "core/training/worker.h"

namespace headroom {
namespace {

/// Tokens that go through the model together on one thread: activations of more leave the second cache, of fewer make products short.
constexpr std::int64_t kChunkTokens = 192;
constexpr std::int64_t kReduceStretch = 1 << 14;
constexpr std::size_t kSlack = 64;

RotaryRows make_rotary_rows(const ModelConfig& config, std::int64_t seq) {
  RotaryRows rows;
  const std::int64_t d_head = config.shape.d_head, half = d_head / 2, period = training_kernels::rotary_period(d_head);
  const RotaryTable table = make_rotary_table(Rotary{config.rope_theta}, 0, seq, d_head);
  rows.cos.resize(static_cast<std::size_t>(seq * period));
  rows.sin.resize(static_cast<std::size_t>(seq * period));
  for (std::int64_t position = 0; position < seq; ++position) {
    for (std::int64_t i = 0; i < period; ++i) {
      const std::int64_t c = i % d_head;
      const auto from = static_cast<std::size_t>(position * half + c % half), to = static_cast<std::size_t>(position * period + i);
      rows.cos[to] = table.cos[from];
      rows.sin[to] = c < half ? -table.sin[from] : table.sin[from];
    }
  }
  return rows;
}

void check_ids(std::span<const std::int32_t> ids, std::int64_t vocab_size, const char* what) {
  for (const std::int32_t id : ids)
    if (id < 0 || id >= vocab_size)
      throw Error(std::string(what) + " " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(vocab_size) +
                  " words");
}

void check_batch(const ModelConfig& config, const Batch& batch) {
  const auto n = static_cast<std::size_t>(std::max<std::int64_t>(batch.n_tokens(), 0));
  if (batch.n_rows < 1 || batch.seq < 1) throw ShapeError("a batch needs at least one row of one token");
  if (batch.inputs.size() != n || batch.targets.size() != n) throw ShapeError("a batch's inputs and targets are n_rows * seq each");
  if (config.positions == PositionKind::kLearned && std::max(batch.seq, batch.source_seq) > config.shape.max_positions)
    throw ShapeError("the rows are longer than the model's " + std::to_string(config.shape.max_positions) + " learned positions");
  check_ids(batch.inputs, config.shape.vocab_size, "id");
  for (const std::int32_t target : batch.targets)
    if (target >= config.shape.vocab_size) throw Error("target " + std::to_string(target) + " is outside the vocabulary");
  if (!batch.teacher.empty() && batch.teacher.size() != n * static_cast<std::size_t>(config.shape.vocab_size))
    throw ShapeError("a teacher's probabilities are [n_rows * seq, vocab_size]");
  const bool needs_source = config.kind == ModelKind::kEncoderDecoder;
  const auto n_source = static_cast<std::size_t>(std::max<std::int64_t>(batch.n_rows * batch.source_seq, 0));
  if (needs_source != (batch.source_seq > 0))
    throw ShapeError(needs_source ? "an encoder-decoder reads source rows" : "only an encoder-decoder reads source rows");
  if (batch.sources.size() != n_source ||
      batch.source_lengths.size() != (needs_source ? static_cast<std::size_t>(batch.n_rows) : 0))
    throw ShapeError("a batch's sources are n_rows * source_seq, with a length for each row");
  check_ids(batch.sources, config.shape.vocab_size, "source id");
  for (const std::int32_t length : batch.source_lengths)
    if (length < 1 || length > batch.source_seq) throw ShapeError("a source row's length is outside 1 to source_seq");
}

}  // namespace

struct Network::State {
  struct Share {
    Worker worker;
    AlignedBuffer<float> gradients;  ///< of this thread; the first adds to the network's own
    double loss = 0;
  };

  ParameterLayout layout;
  ParameterPlaces places;
  ThreadPool& pool;
  AlignedBuffer<float> parameters, gradients;
  TransposedWeights transposed;
  bool is_transposed = false;
  std::vector<Share> shares;
  SharedModel model;
  std::vector<char> heads_off;
  std::int64_t rotary_seq = 0;
  std::vector<float> losses;

  State(const ModelConfig& config, ThreadPool& given)
      : layout(config),
        places(layout),
        pool(given),
        parameters(static_cast<std::size_t>(layout.size()) + kSlack),
        gradients(static_cast<std::size_t>(layout.size()) + kSlack),
        transposed(places),
        shares(static_cast<std::size_t>(given.n_threads())),
        heads_off(static_cast<std::size_t>(config.shape.n_layers * config.shape.n_heads)) {}

  /// What a pass over such a batch reads.
  void prepare(const Batch& batch) {
    check_batch(layout.config(), batch);
    if (!is_transposed) transposed.refresh(pool, parameters.span());
    is_transposed = true;
    model.config = &layout.config();
    model.places = &places;
    model.parameters = parameters.data();
    model.transposed = transposed.data();
    const std::int64_t longest = std::max(batch.seq, batch.source_seq);
    if (layout.config().positions == PositionKind::kRotary && longest > rotary_seq) {
      model.rotary = make_rotary_rows(layout.config(), longest);
      rotary_seq = longest;
    }
  }

  std::vector<char> with_off(std::span<const HeadRef> heads) const {
    std::vector<char> off = heads_off;
    for (const HeadRef& head : heads) {
      if (head.layer < 0 || head.layer >= layout.config().shape.n_layers || head.head < 0 ||
          head.head >= layout.config().shape.n_heads)
        throw ShapeError("L" + std::to_string(head.layer) + " H" + std::to_string(head.head) + " does not exist");
      off[static_cast<std::size_t>(head.layer * layout.config().shape.n_heads + head.head)] = 1;
    }
    return off;
  }

  /// Runs the rows of a batch, shared out over the threads in the same way each time.
  void run(const Batch& batch, const PassPurpose& purpose, std::stop_token stop) {
    const auto n_shares = static_cast<std::int64_t>(shares.size());
    const std::int64_t rows_at_once = std::max<std::int64_t>(1, kChunkTokens / std::max(batch.seq, batch.source_seq));
    // Passed by reference: a std::function of its own would allocate.
    const auto run_share = [&](std::int64_t item, int) {
      Share& share = shares[static_cast<std::size_t>(item)];
      const bool is_first = item == 0;
      const bool keeps = purpose.keeps == PassPurpose::Keeps::kGradients;
      float* const into = is_first ? gradients.data() : share.gradients.data();
      if (keeps && !is_first) std::fill_n(into, layout.size(), 0.0F);
      const std::int64_t end = (item + 1) * batch.n_rows / n_shares;
      for (std::int64_t row = item * batch.n_rows / n_shares; row < end; row += rows_at_once) {
        if (stop.stop_requested()) throw Cancelled();
        const Chunk chunk{&batch, row, std::min(rows_at_once, end - row)};
        share.worker.run(model, chunk, purpose, into);
      }
    };
    pool.parallel_for(n_shares, std::ref(run_share), stop);
  }

  void add_up_gradients() {
    const std::int64_t size = layout.size(), n_stretches = (size + kReduceStretch - 1) / kReduceStretch;
    if (shares.size() < 2) return;
    const auto add_stretch = [&](std::int64_t stretch, int) {
      const auto begin = static_cast<std::size_t>(stretch * kReduceStretch);
      const std::size_t n = std::min(static_cast<std::size_t>(kReduceStretch), static_cast<std::size_t>(size) - begin);
      for (std::size_t i = 1; i < shares.size(); ++i)
        training_kernels::add_to(shares[i].gradients.span().subspan(begin, n), gradients.span().subspan(begin, n));
    };
    pool.parallel_for(n_stretches, std::ref(add_stretch));
  }
};

Network::Network(const ModelConfig& config, ThreadPool& pool) {
  try {
    state_ = std::make_unique<State>(config, pool);
  } catch (const std::bad_alloc&) {
    throw Error("the model's parameters do not fit in memory: lower d_model, the number of layers or the vocabulary");
  }
}
Network::~Network() = default;

const ParameterLayout& Network::layout() const { return state_->layout; }
std::span<float> Network::parameters() { return state_->parameters.span().first(static_cast<std::size_t>(layout().size())); }
std::span<const float> Network::parameters() const {
  return std::as_const(state_->parameters).span().first(static_cast<std::size_t>(layout().size()));
}
void Network::parameters_changed() { state_->is_transposed = false; }
std::span<float> Network::gradients() { return state_->gradients.span().first(static_cast<std::size_t>(layout().size())); }
std::span<const float> Network::gradients() const {
  return std::as_const(state_->gradients).span().first(static_cast<std::size_t>(layout().size()));
}

void Network::set_heads_off(std::span<const HeadRef> heads) {
  std::ranges::fill(state_->heads_off, char{0});
  state_->heads_off = state_->with_off(heads);
}

Network::Loss Network::accumulate(const Batch& batch, const Accumulation& how) {
  State& state = *state_;
  state.prepare(batch);
  state.model.heads_off = state.heads_off;
  for (std::size_t i = 1; i < state.shares.size(); ++i)
    if (state.shares[i].gradients.size() == 0) state.shares[i].gradients = AlignedBuffer<float>(state.gradients.size());
  if (how.first) std::ranges::fill(state.gradients.span(), 0.0F);
  state.losses.resize(static_cast<std::size_t>(batch.n_tokens()));
  PassPurpose purpose;
  purpose.scale = how.scale;
  purpose.distillation = how.distillation;
  purpose.losses = state.losses.data();
  state.run(batch, purpose, {});
  state.add_up_gradients();
  Loss loss;
  for (std::size_t i = 0; i < state.losses.size(); ++i) {
    if (batch.targets[i] < 0) continue;
    loss.sum += static_cast<double>(state.losses[i]);
    ++loss.n_targets;
  }
  return loss;
}

Evaluation Network::evaluate(const Batch& batch, const EvaluationRequest& request) {
  State& state = *state_;
  state.prepare(batch);
  state.model.heads_off = state.with_off(request.off);
  const std::int64_t vocab = layout().config().shape.vocab_size;
  Evaluation evaluation;
  evaluation.losses.resize(static_cast<std::size_t>(batch.n_tokens()));
  evaluation.logits.resize(request.logits_at.size() * static_cast<std::size_t>(vocab));
  // Which wanted logits lie at each token, in the order of tokens.
  std::vector<std::pair<std::int64_t, std::size_t>> wanted;
  for (std::size_t i = 0; i < request.logits_at.size(); ++i) {
    const LogitsAt& at = request.logits_at[i];
    if (at.row < 0 || at.row >= batch.n_rows || at.position < 0 || at.position >= batch.seq)
      throw ShapeError("logits are wanted at a position that the batch does not have");
    wanted.emplace_back(at.row * batch.seq + at.position, i);
  }
  std::ranges::sort(wanted);
  PassPurpose purpose;
  purpose.keeps = PassPurpose::Keeps::kLossOnly;
  purpose.losses = evaluation.losses.data();
  if (request.on_attention) purpose.on_attention = &request.on_attention;
  if (!wanted.empty()) {
    purpose.on_logits = [&](std::int64_t first, std::int64_t n, const float* logits) {
      auto at = std::ranges::lower_bound(wanted, std::pair{first, std::size_t{0}});
      for (; at != wanted.end() && at->first < first + n; ++at)
        std::copy_n(logits + (at->first - first) * vocab, vocab,
                    evaluation.logits.begin() + static_cast<std::ptrdiff_t>(at->second) * vocab);
    };
  }
  state.run(batch, purpose, request.stop);
  double sum = 0;
  for (std::size_t i = 0; i < evaluation.losses.size(); ++i) {
    if (batch.targets[i] < 0) continue;
    sum += static_cast<double>(evaluation.losses[i]);
    ++evaluation.n_targets;
  }
  evaluation.loss = evaluation.n_targets == 0 ? 0 : sum / static_cast<double>(evaluation.n_targets);
  return evaluation;
}

std::vector<float> Network::teach(const Batch& batch, float temperature) {
  State& state = *state_;
  state.prepare(batch);
  state.model.heads_off = state.heads_off;
  const std::int64_t vocab = layout().config().shape.vocab_size;
  std::vector<float> probs(static_cast<std::size_t>(batch.n_tokens() * vocab));
  state.losses.resize(static_cast<std::size_t>(batch.n_tokens()));
  PassPurpose purpose;
  purpose.keeps = PassPurpose::Keeps::kLossOnly;
  purpose.losses = state.losses.data();
  purpose.on_logits = [&](std::int64_t first, std::int64_t n, const float* logits) {
    float* const to = probs.data() + first * vocab;
    std::copy_n(logits, n * vocab, to);
    training_kernels::softmax_rows(to, n, vocab, temperature);
  };
  state.run(batch, purpose, {});
  return probs;
}

double Network::flops(const Batch& batch) const {
  const ModelConfig& config = layout().config();
  const ModelShape& shape = config.shape;
  const auto linear = [](const LinearPlace& place) { return 2.0 * static_cast<double>(place.outputs * place.inputs); };
  const auto n_rows = static_cast<double>(batch.n_rows), seq = static_cast<double>(batch.seq);
  const auto width = static_cast<double>(shape.n_heads * shape.d_head);
  const auto stack = [&](const StackPlaces& places, double length, bool is_causal) {
    double flops = 0;
    const double pairs = is_causal ? length * (length + 1) / 2 : length * length;
    for (const BlockPlaces& block : places.blocks) {
      flops += n_rows * (length * (linear(block.qkv) + linear(block.out)) + 4 * pairs * width);
      if (block.has_mlp) flops += n_rows * length * (linear(block.up) + linear(block.down));
      if (!block.reads_encoder) continue;
      const auto source = static_cast<double>(batch.source_seq);
      flops += n_rows * (length * (linear(block.cross_q) + linear(block.cross_out)) + source * linear(block.cross_kv) +
                         4 * length * source * width);
    }
    return flops;
  };
  const ParameterPlaces& places = state_->places;
  double flops = stack(places.main, seq, config.kind != ModelKind::kMasked);
  if (!places.encoder.blocks.empty()) flops += stack(places.encoder, static_cast<double>(batch.source_seq), false);
  flops += n_rows * seq * linear(places.output);
  if (places.head_dense) flops += n_rows * seq * linear(*places.head_dense);
  return 3 * flops;
}

std::int64_t AttentionPicture::strongest_key(std::int64_t query) const {
  std::int64_t best = 0;
  for (std::int64_t key = 1; key < n_keys; ++key)
    if (at(query, key) > at(query, best)) best = key;
  return best;
}

}  // namespace headroom
