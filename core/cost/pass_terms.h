#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/cost/pass_cost.h"

namespace headroom {

// What a pass is made of, from which its figures and their arithmetic both follow.

/// Which rows go through a matrix.
enum class RowStream { kEncoder, kDecoder, kSource, kLogits, kPooled, kNone };

/// Matrices that are alike in every layer of a stack, as one of the devices holds them.
struct MatrixTerm {
  RowStream stream = RowStream::kNone;
  std::int64_t count = 1;                        ///< layers
  std::int64_t n_experts = 1, experts_used = 1;  ///< of each layer; a row meets the used ones alone
  std::int64_t rows = 0, cols = 0;               ///< of one device
  std::int64_t whole_values = 0;                 ///< of all devices: rows · cols of one
  bool reads_rows = true;                        ///< false: the matrix before it read the same rows already

  double held() const { return static_cast<double>(count * n_experts); }
};

/// Attention of layers that are alike, for one text, as one of the devices computes it.
struct MapTerm {
  std::int64_t count = 1;                   ///< layers
  std::int64_t heads = 0, kv_heads = 0;     ///< of one device
  double queries = 0, keys = 0, pairs = 0;  ///< of a head
  double held = 0, written = 0;             ///< K/V rows of a head in the cache after the pass, and those that the pass adds
};

struct PassTerms {
  std::vector<MatrixTerm> matrices;
  std::vector<MapTerm> maps;
  double other_values = 0;   ///< parameters that are no matrix to multiply by: norms, biases, tables of positions
  double n_all_reduces = 0;  ///< rows of d_model values that devices add up: over all layers, times the rows of each
  double parameters = 0, active_parameters = 0;
  std::int64_t d_model = 0, d_head = 0;
  std::int64_t batch = 1;
  double encoder_rows = 0, decoder_rows = 0, source_rows = 0, logit_rows = 0, pooled_rows = 0;  ///< of all texts
  double words = 0;                                                                             ///< logits of a row on one device
  double widest_row = 0;   ///< values of a row that a layer holds at once
  double widest_rows = 0;  ///< rows that hold them

  double rows_of(RowStream stream) const;
};

/// A card's parameters, counted once for many passes.
struct CardTotals {
  double parameters = 0, active = 0;
};
/// Errors  Error in one sentence when the card does not tell enough.
CardTotals card_totals(const ModelCard& card);

/// Errors  As pass_cost.
PassTerms pass_terms(const ModelCard& card, const CardTotals& totals, const PassPlan& plan);
PassCost pass_cost(const PassTerms& terms, const PassPlan& plan);

/// Bytes of one value between steps, and of what is kept of norms and biases under integer weights.
double value_bytes(KvType type);
/// Different experts that `rows` rows meet, when each row draws `used` of `n` evenly and independently.
double expected_experts(double n, double used, double rows);

}  // namespace headroom
