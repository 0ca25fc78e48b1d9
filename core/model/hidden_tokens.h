#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/model/forward.h"

namespace headroom {

// What a masked model is trained to do: tell tokens that are hidden from it. Next-token losses say nothing of such a model, which sees
// the next token. All on the processor, texts shared out over the pool's threads.

/// Row i: the logits at token i of the text with that token alone replaced by `mask_id`. Shape  [seq, vocab_size].
/// Errors  As forward.
Tensor hidden_token_logits(const ModelParams& params, std::span<const std::int32_t> ids, std::int32_t mask_id, ThreadPool& pool,
                           const ForwardOptions& options);

/// -log softmax(logits[i])[ids[i]], nats. Shapes  logits [seq, vocab], ids [seq]; result [seq]. Errors  as next_token_losses.
std::vector<double> hidden_token_losses(const Tensor& logits, std::span<const std::int32_t> ids);

/// Which tokens of row `row` of a held-out text are hidden: about 15 in 100, never the first, at least one where there are two. The same
/// for ever, so that losses compare. Ascending.
std::vector<std::int64_t> hidden_positions(std::size_t row, std::int64_t length);

struct HiddenLoss {
  double loss = 0;            ///< nats a hidden token
  std::int64_t n_tokens = 0;  ///< hidden ones
};
/// Mean loss at hidden_positions of each row, all of a row's hidden tokens replaced at once. The answer does not depend on the threads.
/// Errors  Error when no row has two tokens; as forward.
HiddenLoss mean_hidden_loss(const ModelParams& params, std::span<const std::vector<std::int32_t>> rows, std::int32_t mask_id,
                            ThreadPool& pool, const ForwardOptions& options, const std::function<void(double)>& progress);

}  // namespace headroom
