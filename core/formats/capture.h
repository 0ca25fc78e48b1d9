#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/formats/capture_plan.h"
#include "core/formats/tokenizer.h"
#include "core/model/forward.h"
#include "core/model/params.h"

namespace headroom {

/// What the rows that were looked at hold. They are spread over all layers, heads and queries.
struct CaptureReport {
  struct Place {
    std::int64_t layer = 0, head = 0, query = 0;
  };
  std::int64_t n_rows = 0, n_rows_total = 0;  ///< looked at, of how many
  std::int64_t n_values = 0;                  ///< numbers in the rows looked at
  std::int64_t n_nan = 0;
  Place first_nan;
  std::int64_t n_negative = 0, n_above_one = 0;  ///< of probabilities
  std::int64_t n_empty_rows = 0;                 ///< all zero, as padding leaves them
  std::int64_t n_wrong_rows = 0;                 ///< neither empty nor summing to one
  double worst_sum = 1;                          ///< that is farthest from one
  Place worst;
  std::int64_t n_hidden = 0;   ///< probabilities above zero of keys that, as the capture says, the query cannot see
  double worst_logsumexp = 0;  ///< how far a stored logsumexp is from that of the scores, nats
  double tolerance = 0;        ///< how far a row's sum may be from one: what the rounding of its type allows

  enum class Of { kProbs, kScores, kQk } of = Of::kProbs;

  /// One sentence for each thing that is wrong. Empty: nothing is.
  std::vector<std::string> problems() const;
  /// "512 of 2,304 rows looked at: each sums to one within 0.002": one sentence, also where nothing is wrong.
  std::string summary() const;
};

/// What a capture says of itself.
struct CaptureFacts {
  ModelKind kind = ModelKind::kCausal;  ///< kEncoderDecoder where it holds several stacks
  std::vector<AttentionStack> stacks;
  std::int64_t n_layers = 0;          ///< of the only stack, or the decoder
  std::int64_t n_encoder_layers = 0;  ///< where it holds several stacks
  std::int64_t n_heads = 0, n_kv_heads = 0;
  std::int64_t d_head = 0;     ///< 0: not known
  std::int64_t d_model = 0;    ///< 0: not known
  std::int64_t n_entries = 1;  ///< texts
  std::int64_t seq_q = 0, seq_k = 0;
  std::uint64_t bytes = 0;
  std::string model, text, tool;  ///< as its metadata say; empty: they do not
};

struct CaptureChoice {
  AttentionStack stack = AttentionStack::kSelf;  ///< of a capture with several
  std::int64_t entry = 0;                        ///< of the batch

  bool operator==(const CaptureChoice&) const = default;
};

/// One text of a capture, ready to be looked at.
struct CapturePass {
  std::shared_ptr<const ForwardTrace> trace;     ///< a layer that is not there has no heads; logits are empty
  AttentionStack stack = AttentionStack::kSelf;  ///< that is shown: the first there is where the wanted one is not
  std::vector<Token> tokens;                     ///< of the queries
  std::vector<Token> key_tokens;                 ///< where the keys are others
  std::string text;
  CaptureReport report;
  std::vector<std::string> notices;  ///< of the file, of this text, and the report's problems
};

/// q and k of a capture are read as a whole up to so many bytes as float32; of a larger one a layer's k when the layer is looked at, and rows
/// of q as they are.
inline constexpr std::int64_t kMaxReadQk = std::int64_t{1} << 30;

/// An opened capture: names and shapes are known, values are read by need. Files of any size open at once.
/// Errors  Error with what the file is instead, or what is wrong with it.
/// Threads  read may be called from several threads at once.
class Capture {
 public:
  explicit Capture(const std::filesystem::path& path);

  const CaptureFacts& facts() const { return facts_; }
  const CaptureFile& file() const { return file_; }
  /// Reads q, k and v where there are any, tokens, and sampled rows for the report.
  /// Errors  Error when there is no such entry or the file cannot be read; Cancelled.
  CapturePass read(const CaptureChoice& choice, std::stop_token stop = {}) const;

 private:
  CaptureFile file_;
  CapturePlan plan_;
  CaptureFacts facts_;
};

}  // namespace headroom
