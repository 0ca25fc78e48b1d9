#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/analysis/head_metrics.h"
#include "core/formats/tokenizer.h"
#include "core/model/forward.h"
#include "core/session/captured_text.h"
#include "core/session/session.h"

namespace headroom {

/// Of which tokens a loss is: each next one, or of a masked model those hidden from it.
enum class LossOf { kNextTokens, kHiddenTokens };

/// Loss on the bundled held-out text, before (the model as opened) and after (the shape, mask and pruning of this snapshot).
struct HeldOutLoss {
  double before = 0;  ///< nats a token, measured
  double after = 0;
  std::int64_t n_tokens = 0;  ///< that it is the mean of
  double floor = 0;  ///< entropy of the grammar that wrote the text, below which no model can go; 0: not known, as of hidden tokens
  LossOf of = LossOf::kNextTokens;
};

struct UnknownWord {
  std::size_t token = 0;  ///< index into tokens
  std::string word;
  std::vector<std::string> suggestions;  ///< nearest known words, best first
};

/// Stage times of one pass.
struct PassTiming {
  std::string backend;            ///< "CPU flash, AVX-512, 2 threads"
  std::vector<StageTime> stages;  ///< in order; ms, measured
  double total_ms = 0;            ///< wall time of the pass, measured
};

/// What a full pass over a long text would take.
struct PassEstimate {
  std::int64_t n_layers = 0;    ///< of the model: layers 1 ... n_layers - 1 are what the pass would add
  std::int64_t seq = 0;         ///< tokens
  double flops = 0;             ///< floating-point operations, computed from the shape
  double seconds = 0;           ///< estimated: flops by the rate that each kind of work was measured at in this process
  std::int64_t bytes = 0;       ///< memory that the pass needs beside what is held now, computed
  std::int64_t free_bytes = 0;  ///< what this machine had free at that moment, measured
  std::string refusal;          ///< one sentence why it cannot run here; empty where it can
};

/// Everything that one computation found. Immutable; memory of the processor only.
struct Snapshot {
  std::uint64_t id = 0;       ///< the request that it answers; grows
  std::uint64_t version = 0;  ///< differs between any two snapshots: what picture caches are keyed by
  Compute compute;            ///< what was asked

  std::shared_ptr<const Tokenizer> tokenizer;  ///< spells the ids of predictions: tokenizer->token_text(id)
  std::vector<Token> tokens;                   ///< of the queries
  std::vector<Token> key_tokens;               ///< of cross-attention: the encoder's; empty: the keys are the tokens themselves
  std::vector<Token> target;                   ///< of an encoder-decoder, whichever stack is looked at: what its decoder has read
  std::size_t n_written = 0;                   ///< the last of `tokens`, of an encoder-decoder of `target`, that the model wrote
  std::vector<UnknownWord> unknown;
  std::vector<std::string> notices;  ///< sentences for the person: text cut, positions beyond training, ...

  ModelConfig config;                         ///< after surgery (or lab)
  ParameterCount parameters;                  ///< after surgery
  bool is_untrained = false;                  ///< lab
  std::vector<std::int64_t> n_kv_heads_left;  ///< [n_layers] K/V heads left after pruning

  /// Of an encoder-decoder that of Compute::stack; cross-attention's has the decoder's logits, for the rows are the same tokens.
  std::shared_ptr<const ForwardTrace> trace;
  /// Nats: next-token losses of this text, [seq - 1]; of a masked model each token's when it is hidden, [seq]; empty where unknown.
  std::vector<double> losses;
  /// Of a masked model: row i is what it says of token i when that is hidden. Null where it was not computed; `no_prediction` says why.
  std::shared_ptr<const Tensor> hidden_logits;
  std::string no_prediction;
  std::vector<std::vector<HeadMetrics>> heads;  ///< [n_layers][n_heads]
  std::vector<std::vector<Tile>> thumbnails;  ///< [n_layers][n_heads], probabilities, max-pooled to at most kThumbnailCells a side

  PassTiming cpu;                 ///< times of this pass where the CPU ran it
  std::optional<PassTiming> gpu;  ///< likewise on the GPU, when it was measured
  bool ran_on_gpu = false;
  std::string backend_reason;  ///< why this backend: "auto: the CPU is faster here than llvmpipe", ...
  double engine_ms = 0;        ///< from the request's arrival to this snapshot, measured

  /// A text of more than kLongTokens tokens: its trace holds the first layer alone unless Depth::kAllLayers was computed; trace->logits
  /// and losses may be empty; row log-sum-exps come from LayerTrace::row_sums. Thumbnails and metrics are from sampled rows (each says so)
  /// and come again, from more rows, in later snapshots with the same id.
  bool is_long = false;
  std::shared_ptr<const ModelParams> params;  ///< of a long text: what is not kept of it is computed from them when looked at
  std::optional<PassEstimate> deeper;         ///< of a long text whose deeper layers are not in the trace

  std::shared_ptr<const CapturedText> capture;  ///< of ModelSource::kCapture: what the file says; else null

  std::optional<HeldOutLoss> held_out;  ///< arrives in a later snapshot with the same id

  std::size_t seq() const { return tokens.size(); }
  const std::vector<Token>& keys() const { return key_tokens.empty() ? tokens : key_tokens; }
};
inline constexpr std::int64_t kThumbnailCells = 128;

/// A copy that has measured nothing: no stage has a time. For pictures that must come out the same each time; figures then show the
/// computed work of each stage instead.
std::shared_ptr<const Snapshot> without_times(const std::shared_ptr<const Snapshot>& snapshot);

}  // namespace headroom
