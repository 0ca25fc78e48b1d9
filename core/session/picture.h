#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/session/devices.h"
#include "core/session/snapshot.h"

namespace headroom {

/// A text as tokens, with what is to be said about it.
struct ReadText {
  std::vector<Token> tokens;
  std::vector<UnknownWord> unknown;
  std::vector<std::string> notices;
  std::vector<std::int32_t> ids;
  std::size_t n_written = 0;  ///< the last of them, that the model wrote
  /// [ids.size()] token types where a token has one; else empty.
  std::vector<std::int32_t> types() const;
};
/// Errors  Error from the tokenizer; Cancelled.
ReadText read_text(const Tokenizer& tokenizer, std::string_view text, std::size_t max_tokens, std::stop_token stop);
/// What was encoded, with near words for unknown ones. Errors  Cancelled.
ReadText read_encoding(const Tokenizer& tokenizer, Encoding encoding, std::stop_token stop);

/// Cut to what a model with learned positions can read, with a sentence in its notices.
void cut_to_positions(ReadText& text, const ModelConfig& config);

/// The token that hides another, by its usual spellings; -1 when the vocabulary has none.
std::int32_t mask_token(const Tokenizer& tokenizer);

/// What is read off one pass.
struct Picture {
  PassResult pass;
  std::vector<double> losses;
  std::shared_ptr<const Tensor> hidden_logits;  ///< as Snapshot's
  std::string no_prediction;                    ///< likewise
  std::vector<std::vector<HeadMetrics>> heads;
  std::vector<std::vector<Tile>> thumbnails;
  std::vector<std::string> notices;
  // Of a long text:
  bool is_long = false;
  bool has_all_layers = false;         ///< a full pass was run
  int n_refined = 0;                   ///< how often more rows were looked at
  std::optional<LongPlan> plan;        ///< once it was measured
  std::optional<PassEstimate> deeper;  ///< likewise
};

/// What the makers of pictures need beside a pass.
struct PictureTools {
  Devices& devices;
  std::int64_t n_heads = 0;  ///< of the unpruned model
  BackendChoice backend = BackendChoice::kAuto;
  std::int64_t free_bytes = 0;  ///< as EngineOptions
  std::int32_t mask_id = -1;    ///< what hides a token from a masked model; -1: the tokenizer has no such token
  std::stop_token stop;
  std::function<void(const std::string& stage, double share)> progress;
};

/// All of a short text.
Picture short_picture(const PassRequest& request, const PictureTools& tools);
/// Fills in what is read off the heads of a short text's pass.
void look_at_heads(Picture& picture, const PictureTools& tools);
/// The same from few sampled rows; refined_picture looks at more.
void sample_heads_first(Picture& picture, const PictureTools& tools);
bool has_more_samplings(const Picture& picture);

/// The first layer of a long text, its heads from few sampled rows.
Picture first_layer_picture(const PassRequest& request, const PictureTools& tools);
/// The same with the estimate of a full pass.
Picture with_estimate(const Picture& picture, const PassRequest& request, const PictureTools& tools);
/// All layers of a long text, the heads from few sampled rows. Needs the estimate, which has not refused.
Picture deep_picture(const Picture& picture, const PassRequest& request, const PictureTools& tools);
/// The same with more rows looked at.
Picture refined_picture(const Picture& picture, const PictureTools& tools);
bool can_refine(const Picture& picture);

}  // namespace headroom
